"""Connect to Redis: one server, one behind sentinels, or a cluster, with bounded connections."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from redis.asyncio import (
    BlockingConnectionPool,
    Connection,
    ConnectionPool,
    Redis,
    RedisCluster,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from course_lib.checks import check_count
from course_lib.redis_client import address
from course_lib.redis_client.breaker import CircuitBreaker
from course_lib.redis_client.settings import MOST, check_settings
from course_lib.redis_client.time_limits import CONNECT_TIMEOUT


def connect(
    url: str,
    *,
    max_connections: int = 50,
    connect_timeout: float = CONNECT_TIMEOUT,
    time_limit: float | None = None,
    failures: int = 3,
    retry_after: float = 1.0,
) -> Redis:
    """Return a client that connects when it's first used. `aclose()` closes its connections.

    `address.py` lists the URLs, also those of a cluster and of sentinels. The client of a cluster
    is a `RedisCluster`, which has the commands of `Redis`; `max_connections` then counts for each
    node. The other options are those of `CircuitBreaker`, all times in seconds. A client works in
    several event loops, with connections of its own in each; a cluster's client only in one after
    another. Raises ValueError or TypeError if the URL or an option is invalid.
    """
    check_count("max_connections", max_connections, MOST)
    settings: dict[str, Any] = {
        "time_limit": time_limit,
        "connect_timeout": connect_timeout,
        "failures": failures,
        "retry_after": retry_after,
    }
    check_settings(**settings)
    parsed = address.parse(url)
    limits = _limits(connect_timeout, time_limit)
    if parsed.engine == "cluster":
        cluster = _cluster(parsed, max_connections, limits)
        CircuitBreaker(cluster, **settings)
        return cast("Redis", cluster)

    def new_pool() -> ConnectionPool:
        new: ConnectionPool = (
            _sentinel_pool(parsed, max_connections, limits)
            if parsed.engine == "sentinel"
            else _server_pool(parsed, max_connections, limits)
        )
        CircuitBreaker(new, **settings)
        return new

    return Client(new_pool)


def pool(url: str, *, max_connections: int = 50) -> BlockingConnectionPool:
    """Return a connection pool that never retries. A caller waits up to 20 s for a free connection.

    redis-py's own defaults raise when the pool is full, and take 3 to 10 s to report that a server
    is unavailable. Raises ValueError or TypeError if the URL is invalid or names several servers.
    """
    check_count("max_connections", max_connections, MOST)
    parsed = address.parse_one(url)
    return _server_pool(parsed, max_connections, _limits(CONNECT_TIMEOUT, None))


class Client(Redis):
    """redis-py's client with a pool for each event loop, because loops can't share connections."""

    def __init__(self, new_pool: Callable[[], ConnectionPool], **options: Any) -> None:
        self._new_pool = new_pool
        self._pools: dict[asyncio.AbstractEventLoop | None, ConnectionPool] = {None: new_pool()}
        super().__init__(connection_pool=self._pools[None], **options)
        self.auto_close_connection_pool = True

    @property
    def connection_pool(self) -> ConnectionPool:
        """The pool of the running event loop; outside of one, any of the pools."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return next(iter(self._pools.values()))
        return self._pools.get(loop) or self._pool_for(loop)

    @connection_pool.setter
    def connection_pool(self, pool: ConnectionPool) -> None:
        """Ignore the pool that redis-py's own __init__ sets: it comes from `_pools`."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the connections of the running event loop."""
        await super().aclose(close_connection_pool)
        sentinel = getattr(self.connection_pool, "sentinel_manager", None)
        if sentinel:
            for client in sentinel.sentinels:
                await client.aclose()

    def _pool_for(self, loop: asyncio.AbstractEventLoop) -> ConnectionPool:
        """Return a pool that no live event loop uses, so that it keeps its breaker; or a new one.

        The breaker drops the connections of a loop that has ended.
        """
        unused = [known for known in list(self._pools) if known is None or known.is_closed()]
        reused = self._pools.pop(unused[0], None) if unused else None
        pool = reused or self._new_pool()
        self._pools[loop] = pool
        CircuitBreaker.of(self).enter(loop)
        return pool


def _limits(connect_timeout: float, time_limit: float | None) -> dict[str, Any]:
    """Return redis-py's options for connections that try once, and don't wait for long."""
    return {
        "socket_connect_timeout": connect_timeout,
        "socket_timeout": max(1.0, time_limit or 0),  # no stricter than the breaker
        "retry": Retry(NoBackoff(), 0),
    }


def _server_pool(
    parsed: address.Address, max_connections: int, limits: dict[str, Any]
) -> BlockingConnectionPool:
    classes = (UnixDomainSocketConnection, SSLConnection, Connection)
    connection_class, of_url = parsed.connection(*classes)
    options = {"max_connections": max_connections, "timeout": 20, **limits, **of_url}
    return BlockingConnectionPool(connection_class=connection_class, **options)


def _sentinel_pool(
    parsed: address.Address, max_connections: int, limits: dict[str, Any]
) -> SentinelConnectionPool:
    # If a sentinel doesn't respond, there's still time for the next one and for the primary.
    share = limits["socket_connect_timeout"] / (len(parsed.hosts) + 1)
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        parsed.hosts,
        sentinel_kwargs={
            **parsed.sentinel_options,
            **limits,
            "socket_connect_timeout": share,
            "socket_timeout": share,
            "ssl": parsed.is_encrypted,
        },
    )
    options = {"max_connections": max_connections, **limits, **parsed.options}
    return SentinelConnectionPool(  # type: ignore[no-untyped-call]
        parsed.primary, sentinels, ssl=parsed.is_encrypted, **options
    )


def _cluster(parsed: address.Address, max_connections: int, limits: dict[str, Any]) -> RedisCluster:
    options = {"max_connections": max_connections, **limits, **parsed.options}
    options.pop("db", None)
    # Once again if a node has closed an idle connection: unlike a pool, redis-py doesn't check it.
    options["retry"] = Retry(NoBackoff(), 1)
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in parsed.hosts],
        ssl=parsed.is_encrypted,
        reinitialize_steps=0,  # every fifth MOVED would close all connections, also those in use
        **options,
    )
