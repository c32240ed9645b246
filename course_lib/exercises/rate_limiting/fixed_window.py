"""Count and be told the count in one step."""

import asyncio
import time
from typing import Any, ClassVar

from course_lib.exercises.window_exercise import WindowExercise
from course_lib.lab import redis_server
from course_lib.lab.redis_server import Client


class FixedWindow(WindowExercise):
    """Count and be told the count in one step."""

    name = "fixed_window"
    task = """May this request pass? The first request of a client opens a window of so many `seconds`, and in it
`limit` requests pass. Write `fixed_window(redis, key, limit, seconds)`, for a key that names the client:

1. **count**: `await redis.incr(key)` adds one and gives the new count, in a single step
2. **expire once**: the request that opens the window, and no other, gives the key its lifetime, with
   `await redis.expire(key, seconds)`
3. **answer** `True` where it may pass, else `False`"""
    stub = """async def fixed_window(redis, key, limit, seconds):
    count = ...  # 1 count
    # 2 expire once
    return ...  # 3 answer"""
    hints = (
        "`incr` on a key that is not there makes it, with the count 1. Who is told 1 has opened the window.",
        "So step 2 is `if count == 1:`, and in it the `expire`. Both calls need an `await`.",
        "Step 3 is a comparison, which is True or False already: a count of `limit` may pass, one more may not.",
    )
    praise = "One command counts and tells, so nobody can come in between, in this process or in another."
    refusals: ClassVar = {
        "lock_in_process": (
            "Your requests wait for each other, but another process counted between your reading and your writing, "
            "and what it had counted was lost.",
            "A lock holds in one process. Let Redis count: `incr` reads and writes in one step, for everybody.",
        ),
        "renewed": (
            "Each request begins the lifetime anew, also one that is refused: who goes on knocking is never let in "
            "again.",
            "Only the request that opens the window, with a count of 1, sets the lifetime.",
        ),
        "another_lifetime": (
            "The window is not as long as it should be.",
            "`expire` counts in seconds, `pexpire` in milliseconds.",
        ),
    }

    @staticmethod
    async def fixed_window(redis, key, limit, seconds):
        """Whether one more request of this client may pass in its window."""
        count = await redis.incr(key)
        if count == 1:
            await redis.expire(key, seconds)
        return count <= limit

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """One client after the other, fifty at once, and beside another process."""
        seconds = _far_from_a_boundary()
        call = f"five times {self.called(redis, 'limit:7', 3, seconds)}"
        first = await self.call_async(answer, redis, "limit:7", 3, seconds)
        if not await redis.keys("*"):
            self.refuse(
                "not_in_redis",
                call=self.called(redis, "limit:7", 3, seconds),
                got="no key in Redis",
            )
        await self.lifetimes(redis, call, seconds / 2, seconds, "another_lifetime")
        others = [await self.call_async(answer, redis, "limit:7", 3, seconds) for _ in range(4)]
        self.expect(call, [first, *others], [True, True, True, False, False])
        if not await self.call_async(answer, redis, "limit:8", 3, seconds):
            self.refuse(
                "one_for_all",
                call=f"{self.called(redis, 'limit:8', 3, seconds)} after that",
                got="False",
            )
        await self._renewed(redis, answer, seconds)
        await self.at_once(answer, 10, redis, "limit:9", 10, seconds)
        await self._beside_another_process(redis, answer, seconds)

    async def _renewed(self, redis: Client, answer: Any, seconds: int) -> None:
        """A lifetime that grows harms only where the next window has the same key, so then that is tried out."""
        for key in await redis.keys("*"):
            await redis.pexpire(key, seconds * 100)
        for client in ("limit:7", "limit:8"):  # the one is refused, the other passes
            await self.call_async(answer, redis, client, 3, seconds)
        if all([await redis.pttl(key) <= seconds * 100 for key in await redis.keys("*")]):
            return
        began, passed = time.monotonic(), 0
        while time.monotonic() - began < 1.5:
            passed += bool(await self.call_async(answer, redis, "limit:10", 1, 1))
            if passed > 1:
                return
            await asyncio.sleep(0.1)
        call = f"{self.called(redis, 'limit:10', 1, 1)}, ten times a second"
        self.refuse(
            "renewed",
            call=call,
            got="refused for more than a second",
            expected="a new window after a second",
        )

    async def _beside_another_process(self, redis: Client, answer: Any, seconds: int) -> None:
        beside = _Beside(redis, seconds)
        results = [await self.call_async(answer, beside, "limit:11", 5, seconds) for _ in range(5)]
        admitted = sum(map(bool, results)) + sum(count <= 5 for count in beside.counts)
        if admitted > 5:
            call = f"five times {self.called(redis, 'limit:11', 5, seconds)}, while another process counts too"
            self.refuse(
                "lock_in_process", call=call, got=f"{admitted} passed in all", expected="5 pass"
            )


class _Beside(Client):
    """A client beside which another process counts rightly: once after each GET, under the same key."""

    def __init__(self, redis: Client, seconds: int) -> None:
        super().__init__(redis_server.url(), redis.prefix)
        self.counts: list[int] = []
        self._other, self._seconds = redis, seconds

    async def execute_command(self, name: Any, *arguments: Any, **options: Any) -> Any:
        result = await super().execute_command(name, *arguments, **options)
        if name == "GET":
            self.counts.append(await self._other.incr(arguments[0]))
            if self.counts[-1] == 1:
                await self._other.expire(arguments[0], self._seconds)
        return result


def _far_from_a_boundary() -> int:
    """The length of a window, some quarter of an hour, whose present one by the clock has long to go."""
    return next(seconds for seconds in range(900, 3_000) if time.time() % seconds < seconds / 4)
