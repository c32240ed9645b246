"""Keep connections between commands, so that the next command needn't get one from the pool.

    pool --> a command's connection --+-- fewer than `most` are idle --> idle --> the next command
                                      +-- else ------------------------> back to the pool

Getting a connection from redis-py's pool, returning it, and redis-py's own timeouts are half the
cost of a command. The breaker has a time limit already.
"""

from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection


class IdleConnections:
    """Up to `most` idle connections. They still belong to the pool, which closes them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._connections: list[AbstractConnection] = []
        self._generation = 0  # of connections; `leave` begins the next

    async def send(self, redis: Redis, *command: str | bytes | float) -> Any:
        """Send a command and return its reply, strings as bytes. The caller limits the time."""
        pool = redis.connection_pool
        generation = self._generation
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
            is_current = generation == self._generation
            if connection and is_current and len(self._connections) < self._most:
                self._connections.append(connection)
            elif connection:
                if not is_current:
                    await connection.disconnect(nowait=True)
                connection.socket_timeout = pool.connection_kwargs.get("socket_timeout")
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
