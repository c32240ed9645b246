"""Run Lua scripts in one round trip, through any client of redis-py."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from course_lib.redis_client.breaker import CircuitBreaker


class Script:
    """A Lua script from a package's `lua/` folder. It runs atomically, in one round trip.

    Only its SHA-1 is sent, by EVALSHA; the full text goes to a server that doesn't have it yet
    (https://redis.io/docs/latest/develop/programmability/eval-intro/).
    """

    def __init__(self, package: str, name: str) -> None:
        self.text = (files(package) / "lua" / f"{name}.lua").read_text()
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(
        self, redis: Redis, keys: Sequence[str | bytes], *arguments: str | bytes | float
    ) -> Any:
        """Run the script where its first key is, and return its result, strings as bytes.

        Raises what `CircuitBreaker.call` raises. Keys are sent in UTF-8.
        """
        breaker = CircuitBreaker.of(redis, keys[0])
        return await breaker.call(self._send, breaker, redis, len(keys), *keys, *arguments)

    async def _send(
        self, breaker: CircuitBreaker, redis: Redis, *arguments: str | bytes | float
    ) -> Any:
        try:
            return await breaker.send(redis, "EVALSHA", self.sha, *arguments)
        except NoScriptError:
            return await breaker.send(redis, "EVAL", self.text, *arguments)
