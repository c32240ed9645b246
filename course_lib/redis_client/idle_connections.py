"""Keep connections between commands, so that the next command needn't get one from the pool.

    pool --> a command's connection --+-- fewer than `most` are idle --> idle --> the next command
                                      +-- else ------------------------> back to the pool

Getting a connection from redis-py's pool, returning it, and redis-py's own timeouts are half the
cost of a command. The breaker has a time limit already.
"""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection


class IdleConnections:
    """Up to `most` idle connections. They still belong to the pool, which closes them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._connections: list[AbstractConnection] = []

    async def send(self, redis: Redis, *command: str | bytes | float) -> Any:
        """Send a command and return its reply, strings as bytes. The caller limits the time."""
        pool = redis.connection_pool
        connection = self._connections.pop() if self._connections else None
        try:
            if connection:
                await pool.ensure_connection(connection)  # reconnects if the server has closed it
            else:
                connection = await pool.get_connection()  # type: ignore[no-untyped-call]
                connection.socket_timeout = None
            await connection.send_command(*command)
            return await connection.read_response(disable_decoding=True)
        finally:
            if connection and len(self._connections) < self._most:
                self._connections.append(connection)
            elif connection:
                connection.socket_timeout = pool.connection_kwargs.get("socket_timeout")
                await pool.release(connection)
