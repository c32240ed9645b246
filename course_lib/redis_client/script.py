"""Run Lua scripts in one round trip, through any client of redis-py."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.client import NEVER_DECODE
from redis.exceptions import NoScriptError

from course_lib.redis_client.breaker import CircuitBreaker

BYTES = {NEVER_DECODE: True}
"""The option of `execute_command` that returns bytes, even from a client that decodes replies."""


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
        """Run the script and return its result, strings as bytes. Keys are sent in UTF-8."""
        # Not in the client's encoding, because a client with a different encoding shares our keys.
        parts = [part.encode() if isinstance(part, str) else part for part in (*keys, *arguments)]
        # A cluster's client, or one that overrides execute_command to record commands, must see
        # ours.
        plain = type(redis).execute_command is Redis.execute_command
        send = CircuitBreaker.of(redis).send if plain else _send_as_client
        try:
            return await send(redis, "EVALSHA", self.sha, len(keys), *parts)
        except NoScriptError:
            return await send(redis, "EVAL", self.text, len(keys), *parts)


async def _send_as_client(redis: Redis, *command: str | bytes | float) -> Any:
    return await redis.execute_command(*command, **BYTES)  # type: ignore[no-untyped-call]
