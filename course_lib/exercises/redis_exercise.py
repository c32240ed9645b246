"""What exercises share whose answers work on Redis: a real server, and keys that nobody else sees."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from redis.exceptions import RedisError

from course_lib.exercises.engine import Exercise
from course_lib.lab import redis_server
from course_lib.lab.redis_server import Client

_redis: ContextVar[Client] = ContextVar(
    "_redis"
)  # of the check that is running: there may be several at once


class RedisExercise(Exercise):
    """An exercise whose answer works on Redis."""

    limit = 3.0

    @asynccontextmanager
    async def at_hand(self) -> AsyncIterator[None]:
        """A Redis that looks empty, and has no key of ours in it afterwards."""
        redis = redis_server.client(f"check-{secrets.token_hex(6)}")
        _redis.set(redis)
        try:
            yield
        finally:
            for _ in range(3):  # on a busy machine Redis may answer late, once
                with contextlib.suppress(TimeoutError, RedisError):
                    async with asyncio.timeout(self.limit):
                        await redis.clear()
                        await redis.connection_pool.disconnect()
                        break

    async def judge(self, answer: Any) -> None:
        """Judge on this Redis."""
        await self.judge_on(_redis.get(), answer)

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """What a subclass asks of the answer."""
        raise NotImplementedError
