"""Connections that try once, and report to the breaker while they are being made.

That has a time limit of its own. The breaker decides when to try again.
"""

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from redis.asyncio import ConnectionPool, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


class Guard(Protocol):
    """The part of the breaker that a connection needs."""

    def connecting(self) -> AbstractAsyncContextManager[None]:
        """Count the time inside against `connect_timeout`."""


class _GuardedConnection:
    """Extends any of redis-py's connection classes; `guard_connections` makes the subclass."""

    guard: Guard
    is_connected: bool

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.retry = Retry(NoBackoff(), 0)

    async def connect(self) -> None:
        """Connect, unless it's connected; a pool calls this before each command."""
        if not self.is_connected:
            async with self.guard.connecting():
                await super().connect()  # type: ignore[misc]

    async def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """Connect, as the node of a cluster does, which has no pool."""
        async with self.guard.connecting():
            await super().connect_check_health(*arguments, **options)  # type: ignore[misc]


def guard_connections(source: ConnectionPool | RedisCluster, guard: Guard) -> None:
    """Let the connections that a pool or a cluster's client will make report to `guard`."""
    if isinstance(source, ConnectionPool):
        source.connection_class = _guarded(source.connection_class, guard)
        return
    guarded = _guarded(source.connection_kwargs["connection_class"], guard)
    source.connection_kwargs["connection_class"] = guarded
    for node in source.nodes_manager.startup_nodes.values():
        node.connection_class = guarded
    for node in source.get_nodes():
        node.connection_class = guarded
    read_nodes = source.initialize

    async def initialize(*arguments: Any, **options: Any) -> RedisCluster:
        async with guard.connecting():
            return await read_nodes(*arguments, **options)

    source.initialize = initialize  # type: ignore[method-assign]


def _guarded(connection_class: type, guard: Guard) -> type:
    name = f"Guarded{connection_class.__name__}"
    return type(name, (_GuardedConnection, connection_class), {"guard": guard})
