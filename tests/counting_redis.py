"""A client of Redis that records the commands it sends."""

from typing import Any

from redis.asyncio import Redis

from course_lib import redis_client


class CountingRedis(Redis):
    """A client that records the commands it sends."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sent: list[str] = []

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        self.sent.append(command[0])
        return await super().execute_command(*command, **options)


def counting_client(url: str) -> CountingRedis:
    return CountingRedis.from_pool(redis_client.pool(url))
