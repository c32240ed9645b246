"""Treat a connection pool and a cluster's client alike; the latter has a pool for each node."""

import asyncio
from typing import Any

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis, RedisCluster
from redis.asyncio.client import Pipeline
from redis.asyncio.sentinel import SentinelConnectionPool

Source = ConnectionPool | RedisCluster
"""The pool or the cluster that a client takes its connections from."""


def source_of(redis: Redis) -> Source:
    """Return what a client of redis-py takes its connections from. Raises TypeError for others."""
    pool = getattr(redis, "connection_pool", None)  # a cluster's client has none
    if isinstance(pool, ConnectionPool):
        return pool
    cluster: RedisCluster = check_client(redis)
    return cluster


def check_client(redis: Redis | RedisCluster) -> Any:
    """Return a client. Raises TypeError if it isn't an asyncio client of redis-py."""
    if not isinstance(redis, Redis | RedisCluster) or isinstance(redis, Pipeline):
        raise TypeError(
            f"redis must be an asyncio client, such as redis_client.connect(url), not {redis!r}"
        )
    return redis


def check_reads_from_primaries(redis: Redis) -> None:
    """Raise ValueError if a client reads from replicas, which may lag behind."""
    source = source_of(redis)
    if isinstance(source, RedisCluster):
        reads_replicas = bool(source.read_from_replicas or source.load_balancing_strategy)
    else:
        reads_replicas = not getattr(source, "is_master", True)  # False only behind sentinels
    if reads_replicas:
        raise ValueError(
            "redis reads from replicas, which may still have what was invalidated: create the "
            "client without read_from_replicas and load_balancing_strategy, or by master_for"
        )


def check_source(source: Source) -> None:
    """Raise TypeError if it isn't an asyncio pool or cluster of redis-py."""
    if not isinstance(source, Source):
        raise TypeError(f"source must be an asyncio ConnectionPool or cluster, not {source!r}")


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop. Raises RuntimeError if there is none of asyncio's."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "no event loop of asyncio is running, and redis-py needs one: call this in a "
            "coroutine, and run the app with asyncio, not with trio"
        ) from None


def split_connections(source: Source) -> tuple[int, int]:
    """Return how many connections are for commands, and the rest, of a pool or for each node.

    The rest of a pool stays taken by idle connections. In a cluster it's for commands that don't
    belong to a node, or are sent before the client knows the nodes.
    """
    if isinstance(source, ConnectionPool):
        most = int(source.max_connections)
        rest = most // 5
    else:
        most = int(source.connection_kwargs["max_connections"])
        rest = max(most // 5, 1)
    return max(most - rest, 1), rest


def node_of(cluster: RedisCluster, key: str | bytes) -> str | None:
    """Return the name of the primary that has a key; None if the slots haven't been read yet."""
    slot = cluster.keyslot(key)
    nodes = cluster.nodes_manager.slots_cache.get(slot)
    return nodes[0].name if nodes else None


def forget(source: Source) -> None:
    """Drop the connections of an event loop that has ended. It closed nothing that we could use."""
    if isinstance(source, ConnectionPool):
        _forget_pool(source)
        return
    manager = source.nodes_manager
    for node in [*manager.startup_nodes.values(), *manager.nodes_cache.values()]:
        node._connections.clear()
        node._free.clear()
    if hasattr(manager, "_initialize_lock"):  # redis-py 7 and newer
        manager._initialize_lock = asyncio.Lock()
    source._lock = None
    source._initialize = True  # read the nodes again before the next command


def _forget_pool(pool: ConnectionPool) -> None:
    pool.reset()  # type: ignore[no-untyped-call]
    pool._lock = asyncio.Lock()
    if isinstance(pool, BlockingConnectionPool):
        pool._condition = asyncio.Condition()
    if isinstance(pool, SentinelConnectionPool):
        for client in pool.sentinel_manager.sentinels:
            _forget_pool(client.connection_pool)
