"""The exercises of lesson 3 in which a limiter is built by hand, each checked on a real Redis.

The clock of the last two is an argument, and the check turns it.
"""

import asyncio
import itertools
import random
import secrets
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from course_lib.exercises.engine import brief
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.lab import redis_server
from course_lib.lab.redis_server import Client

AT_ONCE = 50


class WindowExercise(RedisExercise):
    """An exercise whose answer is a limiter: True for who may pass, False for who may not."""

    lesson = "rate_limiting"
    refusals: ClassVar = {
        "read_then_write": (
            "Of fifty at once too many passed: all of them read before any of them had written, and each took itself "
            "for one of the first.",
            "Write first, and let the answer to that write say how many you are.",
        ),
        "not_in_redis": (
            "Nothing is counted in Redis. What lies in a variable no other process sees: four workers would let four "
            "times as many pass.",
            "Count in Redis, under the key.",
        ),
        "one_for_all": (
            "A client that has sent nothing yet was refused: another one's requests were counted as its own.",
            "Count under the key that you are given; it names the client.",
        ),
        "no_expiry": (
            "A key has no lifetime: Redis keeps it for ever, and one for each client that ever came.",
            "Give every key a lifetime, in seconds, with `expire`.",
        ),
        "never_refuses": (
            "Everybody passes, however many have come.",
            "Compare the count with `limit`.",
        ),
        "one_too_few": (
            "The last request that should pass is refused.",
            "The count includes this request: with a limit of 3, a count of 3 may pass.",
        ),
        "one_too_many": (
            "One request more than the limit passes.",
            "The count includes this request: with a limit of 3, a count of 4 may not pass.",
        ),
        "upside_down": (
            "Who should pass is refused, and who should be refused passes.",
            "True means that the request may pass.",
        ),
        "no_answer": (
            "For some requests your function gives None.",
            "See that each way through it ends with `return True` or `return False`.",
        ),
        "another_answer": (
            "That is not whom the limit lets pass.",
            "Follow the steps of the task with the calls that are shown, one by one.",
        ),
    }

    def expect(self, call: str, got: Sequence[Any], expected: Sequence[bool]) -> None:
        """Refuse where these answers, in their order, are not those expected."""
        if any(each is None for each in got):
            self.refuse(
                "no_answer", call=call, got=brief(list(got)), expected=brief(list(expected))
            )
        if not all(isinstance(each, bool) for each in got):
            self.refuse("wrong_type", call=call, got=brief(list(got)), expected="True or False")
        if list(got) == list(expected):
            return
        admitted = expected.count(True)
        patterns = {
            "never_refuses": [True] * len(got),
            "upside_down": [not each for each in expected],
            "one_too_few": [True] * (admitted - 1) + [False] * (len(got) - admitted + 1),
            "one_too_many": [True] * (admitted + 1) + [False] * (len(got) - admitted - 1),
        }
        mistake = next(
            (known for known, pattern in patterns.items() if list(got) == pattern), "another_answer"
        )
        self.refuse(mistake, call=call, got=brief(list(got)), expected=brief(list(expected)))

    async def at_once(self, answer: Any, limit: int, *arguments: Any) -> None:
        """Refuse where of many at once not exactly `limit` pass."""

        async def all_at_once(*arguments: Any) -> list[Any]:
            return await asyncio.gather(*[answer(*arguments) for _ in range(AT_ONCE)])

        admitted = sum(map(bool, await self.call_async(all_at_once, *arguments)))
        call = f"{AT_ONCE} calls at once of {self.called(*arguments)}"
        if admitted != limit:
            mistake = "read_then_write" if admitted > limit else "another_answer"
            self.refuse(mistake, call=call, got=f"{admitted} passed", expected=f"{limit} pass")

    async def lifetimes(
        self, redis: Client, call: str, least: float, most: float, mistake: str
    ) -> None:
        """Refuse where a key has no lifetime, or one that is not between these bounds, in seconds."""
        for key in await redis.keys("*"):
            seconds = await redis.pttl(key) / 1000
            if seconds < 0:
                self.refuse("no_expiry", call=call, got=f"{brief(key)} has no lifetime")
            if not least <= seconds <= most:
                got = f"a lifetime of {seconds:g} s"
                self.refuse(mistake, call=call, got=got, expected=f"{least:g} to {most:g} s")


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


class TimedExercise(WindowExercise):
    """A limiter that is handed its clock; judged by a schedule of which a slow, obvious model knows the answers."""

    refusals: ClassVar = {
        "expires_too_soon": (
            "A key goes while what it holds still counts.",
            "How long after this request may somebody still ask for what is in the key?",
        ),
    }
    windows_kept: ClassVar[int]
    """How many windows long what a request leaves is asked for, at most."""

    def model(
        self, moments: Sequence[float], limit: int, seconds: float, mistake: str = ""
    ) -> list[bool]:
        """Who may pass of requests at these moments, with the misconception named, if any."""
        raise NotImplementedError

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """One request, another client, schedules that tell the misconceptions apart, and fifty at once."""
        now = 60_001.5  # soon after a window has begun
        call = f"twice {self.called(redis, 'limit:1', 2, 60, now)}"
        first = [await self.call_async(answer, redis, "limit:1", 2, 60, now) for _ in range(2)]
        if not await redis.keys("*"):
            self.refuse("not_in_redis", call=call, got="no key in Redis")
        await self.lifetimes(redis, call, 60 * self.windows_kept - 4, 86_400, "expires_too_soon")
        if all(first) and not await self.call_async(answer, redis, "limit:2", 2, 60, now):
            self.refuse(
                "one_for_all",
                call=f"{self.called(redis, 'limit:2', 2, 60, now)} after that",
                got="False",
            )
        for key, limit, seconds in (("limit:3", 4, 60), ("limit:4", 7, 10)):
            moments = _a_schedule(key, limit, seconds)
            got = [
                await self.call_async(answer, redis, key, limit, seconds, now) for now in moments
            ]
            self._compare(
                f"{self.name}(redis, {key!r}, {limit}, {seconds}, now)",
                got,
                moments,
                limit,
                seconds,
            )
        await self.at_once(answer, 10, redis, "limit:5", 10, 60, now)

    def _compare(
        self, call: str, got: list[Any], moments: list[float], limit: int, seconds: int
    ) -> None:
        expected = self.model(moments, limit, seconds)
        if all(isinstance(each, bool) for each in got) and got != expected:
            wrong = next(number for number, each in enumerate(got) if each != expected[number])
            known = (
                each
                for each in type(self).refusals
                if got == self.model(moments, limit, seconds, each)
            )
            lately = ", ".join(f"{moment:.2f}" for moment in moments[max(0, wrong - 7) : wrong + 1])
            self.refuse(
                next(known, "another_answer"),
                call=f"{call}, lately at {lately}",
                got=f"{got[wrong]} for the last of these",
                expected=str(expected[wrong]),
            )
        self.expect(f"{call}, {len(moments)} times", got, expected)


class SlidingLog(TimedExercise):
    """Exact in every stretch of time, for the price of an entry for each request that passed."""

    name = "sliding_log"
    task = """The exact limiter: in no stretch of `seconds` do more than `limit` requests pass. A sorted set holds when
each of those came. Write `sliding_log(redis, key, limit, seconds, now)`; `now` is in seconds, and the check turns it.

To look first and write afterwards would be the mistake of section 1. So write first, then count, in one transaction:
`p.execute()` sends the commands together, nothing comes in between, and their answers come as a list.

1. **forget** what is `seconds` old, or older
2. **write** this request: `p.zadd(key, {member: now})`; a sorted set has each member once
3. **count**: `p.zcard(key)`
4. **expire**
5. **take back** what may not pass, with `await redis.zrem(key, member)`; and **answer**"""
    imports = "import secrets\n\n\n"
    stub = (
        imports
        + """async def sliding_log(redis, key, limit, seconds, now):
    member = ...  # another one for each request, also for two at the same moment
    async with redis.pipeline() as p:
        p.zremrangebyscore(key, "-inf", now - seconds)  # 1 forget
        ...  # 2 write
        ...  # 3 count
        p.expire(key, seconds)  # 4 expire
        answers = await p.execute()
    # 5 take back
    return ...  # and answer"""
    )
    hints = (
        "Two requests may come at the same moment, so the time alone is no member: `secrets.token_hex(8)` is another "
        "one each time.",
        "The answers stand in the order of the commands: with steps 1 to 4 as in the stub, the count is `answers[2]`.",
        "The count includes this request. Where it is above `limit`: `await redis.zrem(key, member)`, and False.",
    )
    praise = "Exact in every stretch of time; and who is refused leaves nothing behind."
    windows_kept = 1
    refusals: ClassVar = {
        "same_moment": (
            "Requests at the same moment were counted as one: their member was the same, and a sorted set has each "
            "once.",
            "Make a member that no other request has: `secrets.token_hex(8)`.",
        ),
        "refused_kept": (
            "Refused requests stay in the log and count: who goes on knocking is kept out for ever, and costs memory "
            "with each knock.",
            "Step 5: where the count is above the limit, `await redis.zrem(key, member)`.",
        ),
        "never_forgets": (
            "Requests that are older than the window still count, by the clock that you were given.",
            "Step 1 removes what is older than `now - seconds`; and `now` goes with each request into the set.",
        ),
        "forgets_too_soon": (
            "Requests within the last `seconds` were forgotten.",
            "Only what is at least `seconds` old may go.",
        ),
        "counts_before": (
            "The count was taken before this request was written, and then read as if it were in it.",
            "Write in step 2, count in step 3; then a count of `limit` may pass.",
        ),
    }

    @staticmethod
    async def sliding_log(redis, key, limit, seconds, now):
        """Whether one more request of this client may pass, in any stretch of time."""
        member = secrets.token_hex(8)
        async with redis.pipeline() as p:
            p.zremrangebyscore(key, "-inf", now - seconds)
            p.zadd(key, {member: now})
            p.zcard(key)
            p.expire(key, seconds)
            answers = await p.execute()
        if answers[2] > limit:
            await redis.zrem(key, member)
        return answers[2] <= limit

    def model(
        self, moments: Sequence[float], limit: int, seconds: float, mistake: str = ""
    ) -> list[bool]:
        """Keep the time of each request that passed, and look through them all."""
        kept: list[float] = []
        passed = []
        for now in moments:
            remembered = {"never_forgets": float("inf"), "forgets_too_soon": seconds / 2}.get(
                mistake, seconds
            )
            recent = [then for then in kept if now - then < remembered]
            if mistake == "same_moment":
                recent = list(set(recent) - {now})
            passed.append(len(recent) < limit + (mistake == "counts_before"))
            if passed[-1] or mistake == "refused_kept":
                kept.append(now)
        return passed


class TwoCounters(TimedExercise):
    """Two numbers a client instead of a log: nearly as good on steady traffic, and not on bursts."""

    name = "two_counters"
    task = """The cheap sliding window. Windows begin at multiples of `seconds`, and each has a counter. Of the window
before, only a share still lies within the last `seconds`: all of it when a window begins, half of it at half time. A
request passes where

    that share * the count of the window before + the count of this window, itself included

is at most `limit`. Write `two_counters(redis, key, limit, seconds, now)`; `now` is the time in seconds, and the check
turns it. As in `sliding_log`, the commands go together, and what may not pass is taken back.

1. **count**: `p.incr` on this window's key, and **expire**: it is asked for until the next window ends
2. **look** at the window before: `p.get`; where there was none, the answer is None
3. **weigh** the two
4. **take back** what may not pass, with `await redis.decr(...)`; and **answer**"""
    stub = """async def two_counters(redis, key, limit, seconds, now):
    window = int(now // seconds)
    async with redis.pipeline() as p:
        p.incr(f"{key}:{window}")  # 1 count
        ...  # and expire
        ...  # 2 look
        answers = await p.execute()
    # 3 weigh
    # 4 take back
    return ...  # and answer"""
    hints = (
        "The window before has the number `window - 1`. Its key must still be there, so a key lives for two windows.",
        "`now % seconds` seconds of this window have passed. What share of the window before is left, then?",
        "`1 - now % seconds / seconds`, times `int(answers[2] or 0)`, plus `answers[0]`: compare that with `limit`.",
    )
    praise = "Two numbers a client, however many requests come; and who is refused does not count."
    windows_kept = 2
    refusals: ClassVar = {
        "another_clock": (
            "The time that you were given was not used: the check turns the clock, and your answer looks at another.",
            "Take `now` wherever a time is needed.",
        ),
        "only_this_window": (
            "The window before does not count: that is the fixed window, with its double rush at the boundary.",
            "Step 2: read the counter of `window - 1`, and add its share.",
        ),
        "whole_window_before": (
            "The window before counts in full until this one ends.",
            "Only a share of it lies within the last `seconds`: `1 - now % seconds / seconds`.",
        ),
        "share_upside_down": (
            "The share grows while the window before moves away.",
            "It is what is left: 1 when a window begins, 0 when it ends.",
        ),
        "itself_left_out": (
            "This request was not counted with the others, so one too many passes.",
            "`incr` gives the count with this request in it; compare it with `limit` as it is.",
        ),
        "rounded_down": (
            "Now and then one too many passes: the weighed count was cut to a whole number, or it was below `limit` "
            "before this request and above it afterwards.",
            "Weigh with this request in it, and compare the number as it is.",
        ),
        "refused_counted": (
            "Refused requests count: who goes on knocking is kept out for longer and longer.",
            "Step 4: where it may not pass, `await redis.decr(...)` on this window's key.",
        ),
    }

    @staticmethod
    async def two_counters(redis, key, limit, seconds, now):
        """Whether one more request of this client may pass, by this window and the one before."""
        window = int(now // seconds)
        async with redis.pipeline() as p:
            p.incr(f"{key}:{window}")
            p.expire(f"{key}:{window}", 2 * seconds)
            p.get(f"{key}:{window - 1}")
            answers = await p.execute()
        share = 1 - now % seconds / seconds
        passes = answers[0] + share * int(answers[2] or 0) <= limit
        if not passes:
            await redis.decr(f"{key}:{window}")
        return passes

    def model(
        self, moments: Sequence[float], limit: int, seconds: float, mistake: str = ""
    ) -> list[bool]:
        """Count who passed in this window and in the one before."""
        counts: dict[float, int] = {}
        passed = []
        for now in moments:
            window = 0 if mistake == "another_clock" else now // seconds
            share = 1 - now % seconds / seconds
            shares = {
                "only_this_window": 0,
                "another_clock": 0,
                "whole_window_before": 1,
                "share_upside_down": 1 - share,
            }
            weighed = shares.get(mistake, share) * counts.get(window - 1, 0) + counts.get(window, 0)
            if mistake == "rounded_down":
                weighed = int(weighed)
            passed.append(weighed + (mistake != "itself_left_out") <= limit)
            counts[window] = counts.get(window, 0) + (passed[-1] or mistake == "refused_counted")
        return passed


def _a_schedule(seed: str, limit: int, seconds: int) -> list[float]:
    """Moments within ten windows: first a rush, then some alone, some together, some at the same moment."""
    chance = random.Random(seed)
    rush = [0.01] * (limit + 2)
    gaps = [
        chance.choice([0, 0.2, 0.5]) * chance.uniform(0.5, 1) * seconds / limit
        for _ in range(20 * limit)
    ]
    pauses = [chance.choice([0, 0, 0, 0, 0, 0, 0.9]) * seconds for _ in gaps]
    steps = [*rush, *map(sum, zip(gaps, pauses, strict=True))]
    moments = itertools.accumulate(steps, initial=1000.37 * seconds)
    return list(itertools.takewhile(lambda now: now < 1010 * seconds, moments))


fixed_window = FixedWindow()
sliding_log = SlidingLog()
two_counters = TwoCounters()
