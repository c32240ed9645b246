"""An entry in Redis whose reload ends when the check lets it, for the exercise `stale`."""

import asyncio
import contextlib
import json
from typing import Any

from course_lib.exercises.answers import from_json
from course_lib.exercises.fakes import NamedFunction
from course_lib.lab.redis_server import Client

FRESH = 250  # seconds left of an entry's TTL
LAST = 240  # it's stale in the last of these
NEW = {"events": 34}


class Entry:
    """An entry in Redis, and its reload, which counts its calls and ends when the check lets it."""

    def __init__(
        self, redis: "Client | Together", key: str, running: dict[str, Any], *, fails: bool = False
    ) -> None:
        self.reloads = 0
        self.may_end = asyncio.Event()
        self._redis, self._key, self._running = redis, key, running
        self._fails = fails

    async def store(self, value: Any, left: int) -> None:
        """Store a value with this many seconds left."""
        await self._redis.set(self._key, json.dumps(value), ex=left)

    async def reload(self) -> Any:
        """Wait until it may end; then store and return the new value, or raise."""
        self.reloads += 1
        await self.may_end.wait()
        if self._fails:
            raise RuntimeError("no database")
        await self.store(NEW, FRESH)
        return NEW

    async def read(self) -> tuple[Any, float]:
        """Return the stored value, and the seconds that its TTL has left; -1 without a TTL."""
        stored, milliseconds = await self._redis.get(self._key), await self._redis.pttl(self._key)
        return from_json(stored), milliseconds / 1000

    def arguments(self) -> tuple[Any, ...]:
        """Return the arguments of a call of the answer."""
        return self._redis, self._key, NamedFunction("reload", self.reload), self._running, LAST

    @property
    def call(self) -> str:
        """The call of the answer, as the learner would write it."""
        return f"stale(redis, {self._key!r}, reload, reloads, {LAST})"

    async def wait_for_reloads(self, expected: int) -> None:
        """Give tasks the time to call `reload`."""
        for _ in range(20):
            if self.reloads >= expected:
                break
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.005)  # one too many would come now

    async def end_reload(self) -> None:
        """Let the running reload end, and what happens after it."""
        self.may_end.set()
        await asyncio.sleep(0.03)
        self.may_end.clear()


class Together:
    """A client for requests at once: no `get` returns before all of them have been sent.

    Otherwise the first request might be done when the second one begins, so that they'd share a
    reload by luck.
    """

    def __init__(self, redis: Client, requests: int) -> None:
        self._redis = redis
        self._all_sent = asyncio.Barrier(requests)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)

    def __repr__(self) -> str:
        return "redis"

    async def get(self, key: str) -> Any:
        """Get the value of a key, when all requests have sent this command, or 50 ms later."""
        value = await self._redis.get(key)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await self._all_sent.wait()
        return value
