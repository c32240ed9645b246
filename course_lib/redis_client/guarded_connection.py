"""Connections that try once, and report to the breaker while they are being made.

That has a time limit of its own. The breaker decides when to try again.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from redis.asyncio import ConnectionPool, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError


class Guard(Protocol):
    """The part of the breaker that a connection needs."""

    def connecting(self) -> AbstractAsyncContextManager[None]:
        """Count the time inside against `connect_timeout`."""


class _GuardedConnection:
    """Extends any of redis-py's connection classes; `guard_connections` makes the subclass."""

    guard: Guard
    is_connected: bool
    disconnect: Any
    _reader: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.retry = Retry(NoBackoff(), 0)

    async def connect(self) -> None:
        """Connect, unless it's connected; a pool calls this before each command."""
        if self.is_connected and self._is_closed_by_server():
            await self.disconnect(nowait=True)
        if not self.is_connected:
            async with self.guard.connecting():
                await super().connect()  # type: ignore[misc]

    def _is_closed_by_server(self) -> bool:
        """Return True if the server has closed or reset the connection.

        A pool of redis-py 8 doesn't notice that over TCP, and the next command would fail.
        """
        reader = self._reader
        if not isinstance(reader, asyncio.StreamReader):  # that of an imitation, such as fakeredis
            return False
        return reader.at_eof() or reader.exception() is not None

    async def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """Connect, as the node of a cluster does, which has no pool."""
        async with self.guard.connecting():
            await super().connect_check_health(*arguments, **options)  # type: ignore[misc]


class _NodeConnection(_GuardedConnection):
    """A connection to a node of a cluster. redis-py may close it while a command uses it."""

    async def disconnect(self, nowait: bool = False, **options: Any) -> None:
        """Close the connection at once, so that no command can take it while it's closing."""
        await super().disconnect(nowait=True, **options)

    async def send_packed_command(self, *arguments: Any, **options: Any) -> None:
        """Send a command. Raises ConnectionError if another command has closed the connection."""
        try:
            await super().send_packed_command(*arguments, **options)  # type: ignore[misc]
        except AttributeError as error:  # of the streams, which are None now
            raise ConnectionError("the connection was closed") from error

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Read a reply. Raises ConnectionError if another command has closed the connection."""
        try:
            return await super().read_response(*arguments, **options)  # type: ignore[misc]
        except AttributeError as error:
            raise ConnectionError("the connection was closed") from error


def guard_connections(source: ConnectionPool | RedisCluster, guard: Guard) -> None:
    """Let the connections that a pool or a cluster's client will make report to `guard`."""
    if isinstance(source, ConnectionPool):
        source.connection_class = _guarded(_GuardedConnection, source.connection_class, guard)
    else:
        _guard_cluster(source, guard)


def _guard_cluster(cluster: RedisCluster, guard: Guard) -> None:
    options = cluster.connection_kwargs
    guarded = _guarded(_NodeConnection, options["connection_class"], guard)
    options["connection_class"] = guarded
    manager = cluster.nodes_manager
    for node in [*manager.startup_nodes.values(), *manager.nodes_cache.values()]:
        node.connection_class = guarded
    read_nodes = cluster.initialize
    send = cluster.execute_command
    failed_node: str | None = None

    async def initialize(*arguments: Any, **options: Any) -> RedisCluster:
        async with guard.connecting():
            return await read_nodes(*arguments, **options)

    async def execute_command(*command: Any, **options: Any) -> Any:
        nonlocal failed_node
        if cluster._initialize:
            # Without this, redis-py would send it to any node, which replies MOVED.
            await initialize(**_asked_last(failed_node))
        try:
            return await send(*command, **options)
        except ConnectionError as error:
            failed_node = getattr(error, "last_failed_node_name", failed_node)
            raise

    cluster.initialize = initialize  # type: ignore[method-assign]
    cluster.execute_command = execute_command  # type: ignore[method-assign]


def _asked_last(node: str | None) -> dict[str, str]:
    """Return the option of `initialize` that asks the other nodes first, if one has failed.

    A paused node would take the time that its neighbors' commands have. Errors of redis-py have the
    node's name in the versions that know the option.
    """
    return {"last_failed_node_name": node} if node else {}


def _guarded(guarded: type, connection_class: type, guard: Guard) -> type:
    name = f"Guarded{connection_class.__name__}"
    return type(name, (guarded, connection_class), {"guard": guard})
