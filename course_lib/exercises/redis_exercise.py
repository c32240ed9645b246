"""The base of exercises whose answers run on Redis: a real server, and keys of their own."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from redis.exceptions import RedisError

from course_lib.exercises.engine import Exercise
from course_lib.lab import redis_server
from course_lib.lab.redis_server import Client

# The client of the check that is running. A context variable, because several may run at once.
_redis: ContextVar[Client] = ContextVar("_redis")


class RedisExercise(Exercise):
    """An exercise whose answer runs on Redis."""

    limit = 3.0

    @asynccontextmanager
    async def resources(self) -> AsyncIterator[None]:
        """Connect to a namespace that looks like an empty Redis, and remove its keys afterwards."""
        redis = redis_server.client(f"check-{secrets.token_hex(6)}")
        _redis.set(redis)
        try:
            yield
        finally:
            for _ in range(3):  # on a busy machine Redis may respond late, once
                try:
                    async with asyncio.timeout(self.limit):
                        await redis.clear()
                        await redis.connection_pool.disconnect()
                        break
                except (TimeoutError, RedisError):
                    if any(command.startswith("EVAL") for command, *_ in redis.commands):
                        redis_server.end_script()

    async def judge(self, answer: Any) -> None:
        """Judge the answer on this Redis."""
        await self.judge_on(_redis.get(), answer)

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Judge the answer on a Redis without keys. Subclasses implement this."""
        raise NotImplementedError
