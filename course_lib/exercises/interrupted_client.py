"""A client that another process interrupts, for `fixed_window`."""

from typing import Any

from course_lib.lab import redis_server
from course_lib.lab.redis_server import Client


class InterruptedClient(Client):
    """A client interrupted by another process, which counts on the same key after each GET."""

    def __init__(self, redis: Client, seconds: int) -> None:
        super().__init__(redis_server.url(), redis.prefix)
        self.counts: list[int] = []
        self._other, self._seconds = redis, seconds

    async def execute_command(self, name: Any, *arguments: Any, **options: Any) -> Any:
        """Send a command; after a GET, let the other process count."""
        result = await super().execute_command(name, *arguments, **options)
        if name == "GET":
            key = arguments[0]
            count = await self._other.incr(key)
            self.counts.append(count)
            if count == 1:
                await self._other.expire(key, self._seconds)
        return result
