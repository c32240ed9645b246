"""Three users with cached entries, and a write during which another request stores a stale one.

The exercise `invalidate_user` removes the entries of user 1.
"""

import asyncio
from collections.abc import Awaitable, Callable

from course_lib.exercises.fakes import FAILURE
from course_lib.lab.redis_server import Client

ENTRIES = {
    1: ["stats:1", "events:1", "page:1:2"],
    10: ["stats:10", "events:10"],
    12: ["stats:12"],
}
STORED_DURING_WRITE = "late:1"


async def store(redis: Client) -> None:
    """Store the users' entries, and each user's SET of keys."""
    for user, keys in ENTRIES.items():
        for key in keys:
            await redis.set(key, "old")
        await redis.sadd(f"keys:{user}", *keys)


class CountedWrite:
    """A write that counts its calls."""

    calls = 0

    async def __call__(self) -> None:
        """Count a call."""
        self.calls += 1

    def __repr__(self) -> str:
        return "write"


class FailingWrite(CountedWrite):
    """A write that counts its calls, and raises LookupError."""

    async def __call__(self) -> None:
        """Count a call, and raise."""
        await super().__call__()
        raise LookupError(FAILURE)


def write_of_user_1(redis: Client, entries_at_write: list[int]) -> Callable[[], Awaitable[None]]:
    """Return a write. Each call appends the number of user 1's entries that are left by then."""

    async def write() -> None:
        await asyncio.sleep(0.01)  # so that a removal that doesn't wait for the write shows
        entries_at_write.append(await redis.exists(*ENTRIES[1]))
        # Another request has missed, and stores the state from before the write.
        await redis.set(STORED_DURING_WRITE, "old")
        await redis.sadd("keys:1", STORED_DURING_WRITE)

    return write
