"""Exercise: a fixed window, counted in Redis.

first request: INCR returns 1 --> EXPIRE --+
others: INCR returns 2, 3, ... ------------+--> allowed up to the limit, then rejected
                                           |
                the key expires -----------+--> the next request opens a new window
"""

import asyncio
import itertools
import time
from typing import Any, ClassVar

from course_lib.exercises.answers import as_text
from course_lib.exercises.clock_and_log import clock_at
from course_lib.exercises.interrupted_client import InterruptedClient
from course_lib.exercises.second_process import in_another_process
from course_lib.exercises.window_exercise import WindowExercise
from course_lib.lab.redis_server import Client


class FixedWindow(WindowExercise):
    """Count, and get the count, in one step."""

    name = "fixed_window"
    task = """Is this request allowed? A client's first request opens a window of `seconds`, and
`limit` requests are allowed in it. Write `fixed_window(redis, key, limit, seconds)`; the key
identifies the client:

1. **count**: `await redis.incr(key)` adds one and returns the new count, in a single step
2. **expire once**: the request that opens the window, and no other, sets the key's TTL, the
   seconds until Redis deletes it, with `await redis.expire(key, seconds)`
3. **return** `True` if the request is allowed, otherwise `False`"""
    stub = """async def fixed_window(redis, key, limit, seconds):
    count = ...  # 1 count
    # 2 expire once
    return ...  # 3 return"""
    hints = (
        "If the key doesn't exist, `incr` creates it with the count 1. So the request that gets 1 "
        "has opened the window.",
        "So step 2 is `if count == 1:`, and in it the `expire`. Both calls need an `await`.",
        "Step 3 is a comparison, which is True or False already: a count of `limit` is allowed, "
        "one more isn't.",
    )
    praise = (
        "One command both counts and returns the count, so no other request can come in between, "
        "in this process or in another."
    )
    refusals: ClassVar = {
        "lock_in_process": (
            "Another process counted between your read and your write, so too many requests were "
            "allowed.",
            "A lock in one process doesn't stop the others. Let Redis count: `incr` reads and "
            "writes in one step, for every process.",
        ),
        "locked_out": (
            "The window was over, and a client that had been rejected in it was rejected again: "
            "your function remembers it outside Redis.",
            "Decide by the count in Redis alone: when the key expires, a new window begins.",
        ),
        "renewed": (
            "A request that didn't open the window restarted its TTL: the window never ends for a "
            "client that keeps sending, even slowly.",
            "Only the request that opens the window, with a count of 1, sets the TTL.",
        ),
        "no_expiry": (
            "A key has no TTL: Redis keeps it forever, and one more for each new client.",
            "Call `expire` if `incr` returned 1: that's the request that opens the window.",
        ),
        "another_ttl": (
            "The window doesn't have the right length.",
            "Pass `seconds` itself. `expire` is in seconds, `pexpire` in milliseconds.",
        ),
    }

    @staticmethod
    async def fixed_window(redis, key, limit, seconds):
        """Return whether one more request of this client is allowed in its window."""
        count = await redis.incr(key)
        if count == 1:
            await redis.expire(key, seconds)
        return count <= limit

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Try one client after another, fifty at once, and together with another process."""
        seconds = _far_from_a_boundary()
        await self._two_clients(redis, answer, seconds)
        await self._two_processes(redis, answer, seconds)
        await self.at_once(answer, 10, redis, "limit:9", 10, seconds)
        await self._renewed(redis, answer, seconds)
        await self._with_another_process(redis, answer, seconds)
        await self._one_of_many(redis, answer, seconds)

    async def _two_clients(self, redis: Client, answer: Any, seconds: int) -> None:
        """Send five requests of one client, one more later in its window, then one of another."""
        arguments = (redis, "limit:7", 3, seconds)
        now = time.time()
        with clock_at(now):
            await self._five_at_one_time(redis, answer, *arguments)
        with clock_at(now + 5):
            is_allowed_later = await self.decide(answer, *arguments)
        if is_allowed_later:
            call = f"{self.called(*arguments)} again, 5 s later"
            self.refuse("another_ttl", call=call, got="True", expected="False")
        if not await self.decide(answer, redis, "limit:8", 3, seconds):
            call = f"{self.called(redis, 'limit:8', 3, seconds)} after that"
            self.refuse("one_for_all", call=call, got="False")

    async def _five_at_one_time(self, redis: Client, answer: Any, *arguments: Any) -> None:
        """Send five requests, and look at the key after the first of them."""
        seconds = arguments[-1]
        call = f"five times {self.called(*arguments)}"
        first = await self.decide(answer, *arguments)
        if not await redis.keys("*"):
            self.refuse("not_in_redis", call=self.called(*arguments), got="no key in Redis")
        once, wrong = self.called(*arguments), "another_ttl"
        await self.expect_ttls(redis, once, seconds / 2, seconds, too_short=wrong, too_long=wrong)
        others = [await self.decide(answer, *arguments) for _ in range(4)]
        self.expect(call, [first, *others], [True, True, True, False, False])
        await self.expect_ttls(redis, call, seconds / 2, seconds, too_short=wrong, too_long=wrong)

    async def _one_of_many(self, redis: Client, answer: Any, seconds: int) -> None:
        """Send many requests of a client that's allowed one; then another, when that has expired.

        What the answer remembers outside Redis doesn't expire.
        """
        arguments = (redis, "limit:13", 1, seconds)
        decisions = [await self.decide(answer, *arguments) for _ in range(12)]
        self.expect(f"12 times {self.called(*arguments)}", decisions, [True] + [False] * 11)
        await redis.clear()
        if not await self.decide(answer, *arguments):
            call = f"{self.called(*arguments)}, when the key has expired"
            self.refuse("locked_out", call=call, got="False", expected="True")

    async def _renewed(self, redis: Client, answer: Any, seconds: int) -> None:
        """Refuse a TTL that restarts and so locks a client out.

        It does no harm if the next window has another key, so with other keys a restart is only a
        suspicion. Then we send requests until one is allowed again.
        """
        for key in await redis.keys("*"):
            await redis.pexpire(key, seconds * 100)
        for client in ("limit:7", "limit:8"):  # the first is rejected, the second is allowed
            await self.decide(answer, redis, client, 3, seconds)
        keys = {as_text(key) for key in await redis.keys("*")}
        ttls = [await redis.pttl(key) for key in keys]
        if max(ttls, default=0) <= seconds * 100:
            return
        if keys <= {"limit:7", "limit:8", "limit:9", "limit:12"}:
            call = f"{self.called(redis, 'limit:7', 3, seconds)}, when its window is almost over"
            got = f"TTLs of {seconds} s again"
            self.refuse("renewed", call=call, got=got, expected="no change")
        start = time.monotonic()
        allowed = 0
        while time.monotonic() - start < 1.5:
            allowed += bool(await self.decide(answer, redis, "limit:10", 1, 1))
            if allowed > 1:
                return
            await asyncio.sleep(0.1)
        call = f"{self.called(redis, 'limit:10', 1, 1)}, ten times a second"
        got, expected = "rejected for more than a second", "a new window after a second"
        self.refuse("renewed", call=call, got=got, expected=expected)

    async def _two_processes(self, redis: Client, answer: Any, seconds: int) -> None:
        """Let two processes decide in turn."""
        arguments = (redis, "limit:12", 3, seconds)
        by_turns = itertools.cycle([answer, in_another_process(answer)])
        allowed = 0
        for _ in range(5):
            decision = await self.decide(next(by_turns), *arguments)
            allowed += bool(decision)
        if allowed != 3:
            call = f"five times {self.called(*arguments)}, by two processes in turn"
            self.refuse("per_process", call=call, got=f"{allowed} allowed", expected="3 allowed")

    async def _with_another_process(self, redis: Client, answer: Any, seconds: int) -> None:
        interrupted = InterruptedClient(redis, seconds)
        arguments = (interrupted, "limit:11", 5, seconds)
        allowed = 0
        for _ in range(5):
            decision = await self.decide(answer, *arguments)
            allowed += bool(decision)
        allowed += sum(count <= 5 for count in interrupted.counts)
        if allowed > 5:
            calls = f"five times {self.called(redis, 'limit:11', 5, seconds)}"
            call = f"{calls}, while another process counts too"
            got = f"{allowed} allowed in all"
            self.refuse("lock_in_process", call=call, got=got, expected="5 allowed")


def _far_from_a_boundary() -> int:
    """Return a window length (15 minutes or more) whose current window has long to go."""
    return next(seconds for seconds in range(900, 3_000) if time.time() % seconds < seconds / 4)
