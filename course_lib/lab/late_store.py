"""Run a reader and a writer at once, so that chance decides whether a stale value is stored.

reader   read the truth ---- up to 2 ms ----> store it
writer   up to 2 ms ----> change the truth --> invalidate
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

LONGEST = 0.002  # seconds

Load = Callable[[], Awaitable[int]]


class Truth:
    """A value in a database: a version, which each write increases."""

    def __init__(self) -> None:
        self.version = 0

    async def meet(
        self, read: Callable[[Load], Awaitable[object]], invalidate: Callable[[], Awaitable[object]]
    ) -> None:
        """Run one reader and one writer at the same time. `read` gets the function that loads."""
        await asyncio.gather(read(self._load), self._write(invalidate))

    async def _load(self) -> int:
        loaded = self.version
        await asyncio.sleep(LONGEST * random.random())
        return loaded

    async def _write(self, invalidate: Callable[[], Awaitable[object]]) -> None:
        await asyncio.sleep(LONGEST * random.random())
        self.version += 1
        await invalidate()
