"""Connect to Redis with bounded connections, and run Lua scripts in one round trip."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.client import NEVER_DECODE
from redis.exceptions import NoScriptError

from course_lib.redis_client.breaker import CircuitBreaker

BYTES = {NEVER_DECODE: True}
"""The option of `execute_command` that returns bytes, even from a client that decodes replies."""


def pool(url: str, *, max_connections: int = 50) -> BlockingConnectionPool:
    """Return a connection pool that never retries. A caller waits up to 20 s for a free connection.

    redis-py's own defaults raise when the pool is full, and take 3 to 10 s to report that a server
    is unavailable.
    """
    return BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=20,
        socket_connect_timeout=1.0,
        socket_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
    )


def connect(url: str, *, max_connections: int = 50) -> Redis:
    """Return a client with its own `pool`, which `aclose()` closes. It connects when first used."""
    client: Redis = Redis.from_pool(pool(url, max_connections=max_connections))
    return client


class Script:
    """A Lua script from a package's `lua/` folder. It runs atomically, in one round trip.

    Only its SHA-1 is sent, by EVALSHA; the full text goes to a server that doesn't have it yet
    (https://redis.io/docs/latest/develop/programmability/eval-intro/).
    """

    def __init__(self, package: str, name: str) -> None:
        self.text = (files(package) / "lua" / f"{name}.lua").read_text()
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(
        self, redis: Redis, keys: Sequence[str] | Sequence[bytes], *arguments: str | bytes | float
    ) -> Any:
        """Run the script and return its result, strings as bytes."""
        # A subclass that overrides execute_command, for example to record commands, must see ours.
        plain = type(redis).execute_command is Redis.execute_command
        send = CircuitBreaker.of(redis).send if plain else _send_as_client
        try:
            return await send(redis, "EVALSHA", self.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await send(redis, "EVAL", self.text, len(keys), *keys, *arguments)


async def _send_as_client(redis: Redis, *command: str | bytes | float) -> Any:
    return await redis.execute_command(*command, **BYTES)  # type: ignore[no-untyped-call]
