"""Keep connections between commands, so that the next command needn't get one from the pool.

    pool --> a command's connection --+-- fewer than `most` are idle --> idle --> the next command
                                      +-- else ------------------------> back to the pool

Getting a connection from redis-py's pool, returning it, and redis-py's own timeouts are half the
cost of a command. The breaker has a time limit already.
"""

from collections.abc import Coroutine
from typing import Any

import hiredis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.client import NEVER_DECODE

BYTES = {NEVER_DECODE: True}
"""The option of `execute_command` that returns bytes, even from a client that decodes replies."""

EXECUTE_COMMAND = Redis.execute_command
"""redis-py's own, or that of a tracer which replaced it before this import."""
IS_OWN = getattr(EXECUTE_COMMAND, "__globals__", {}).get("__name__") == Redis.__module__


class IdleConnections:
    """Up to `most` idle connections. They still belong to the pool, which closes them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._connections: list[AbstractConnection] = []
        self._generation = 0  # of connections; `leave` begins the next
        self._socket_timeout: float | None = None  # of the pool's connections

    def send(self, redis: Redis, *command: str | bytes | float) -> Coroutine[Any, Any, Any]:
        """Send a command, strings in UTF-8, and await its reply, strings as bytes.

        The caller limits the time.
        """
        # A cluster's client, or a tracer that replaces execute_command, must see the command.
        is_own = IS_OWN and type(redis).execute_command is EXECUTE_COMMAND
        if not is_own or "execute_command" in vars(redis):
            return _send_as_client(redis, *command)
        return self._send_idle(redis, command)

    async def _send_idle(self, redis: Redis, command: tuple[str | bytes | float, ...]) -> Any:
        pool = redis.connection_pool
        generation = self._generation
        connection = self._connections.pop() if self._connections else None
        try:
            if connection:
                await pool.ensure_connection(connection)  # reconnects if the server has closed it
            else:
                connection = await pool.get_connection()  # type: ignore[no-untyped-call]
                self._socket_timeout = connection.socket_timeout
                connection.socket_timeout = None
            # redis-py would pack it in Python, which takes several times as long.
            packed = hiredis.pack_command(command)  # type: ignore[arg-type]
            await connection.send_packed_command(packed)
            return await connection.read_response(disable_decoding=True)
        finally:
            is_current = generation == self._generation
            if connection and is_current and len(self._connections) < self._most:
                self._connections.append(connection)
            elif connection:
                if not is_current:
                    await connection.disconnect(nowait=True)
                connection.socket_timeout = self._socket_timeout
                await pool.release(connection)

    async def leave(self, pool: ConnectionPool) -> None:
        """Close the connections that no command uses, and the others when they are returned.

        For a primary that has become a replica: the next connection goes to whatever the address
        leads to now.
        """
        self._generation += 1
        idle = [*self._connections, *pool._available_connections]
        for connection in pool._in_use_connections:
            if connection not in idle and hasattr(connection, "mark_for_reconnect"):
                # In redis-py 7 and newer.
                connection.mark_for_reconnect()  # type: ignore[no-untyped-call]
        for connection in idle:
            await connection.disconnect(nowait=True)

    def forget(self) -> None:
        """Forget the connections of an event loop that has ended."""
        self._connections.clear()


async def _send_as_client(redis: Redis, *command: str | bytes | float) -> Any:
    # In UTF-8, because a client with a different encoding shares our keys.
    name, *arguments = command
    encoded = [part.encode() if isinstance(part, str) else part for part in arguments]
    return await redis.execute_command(name, *encoded, **BYTES)  # type: ignore[no-untyped-call]
