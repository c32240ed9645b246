"""What exercises share whose answers work on Redis: a real server, and keys that nobody else sees."""

import secrets
from typing import Any

from course_lib.exercises.engine import Exercise
from course_lib.lab import redis_server
from course_lib.lab.redis_server import Client


class RedisExercise(Exercise):
    """An exercise whose answer works on Redis."""

    limit = 3.0

    async def judge(self, answer: Any) -> None:
        """Judge on a Redis that looks empty."""
        self._redis = redis_server.client(f"check-{secrets.token_hex(6)}")
        await self.judge_on(self._redis, answer)

    async def tidy_up(self) -> None:
        """Leave no key in it."""
        await self._redis.clear()
        await self._redis.connection_pool.disconnect()

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """What a subclass asks of the answer."""
        raise NotImplementedError
