"""The base of the exercises in which you build a limiter yourself, on a real Redis.

A timed limiter gets the time as an argument, and the check sets it. A slow, obvious model of the
algorithm knows the right decisions. The same model, with a misconception built in, recognizes it.
"""

import asyncio
import itertools
import operator
import random
from collections.abc import Sequence
from typing import Any, ClassVar

from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.verdict import brief
from course_lib.lab.redis_server import Client

CONCURRENT = 50


class WindowExercise(RedisExercise):
    """An exercise whose answer is a limiter: returns True if a request is allowed, else False."""

    lesson = "rate_limiting"
    refusals: ClassVar = {
        "read_then_write": (
            "Too many of fifty concurrent requests were allowed: all of them read the count before "
            "any of them had written, so each thought it was among the first.",
            "Write first, and decide by what that write returns.",
        ),
        "not_in_redis": (
            "Nothing is counted in Redis. No other process can see your variables: four workers "
            "would allow four times as many requests.",
            "Count in Redis, under the key.",
        ),
        "one_for_all": (
            "A client that hadn't sent anything yet was rejected: another client's requests were "
            "counted as its own.",
            "Count under the key that you're given; it identifies the client.",
        ),
        "no_expiry": (
            "A key has no TTL: Redis keeps it forever, one for each client that ever came.",
            "Give every key a TTL, in seconds, with `expire`.",
        ),
        "never_refuses": (
            "Every request is allowed, no matter how many there are.",
            "Compare the count with `limit`.",
        ),
        "one_too_few": (
            "The last request that should be allowed is rejected.",
            "The count includes this request: with a limit of 3, a count of 3 is allowed.",
        ),
        "one_too_many": (
            "One request more than the limit is allowed.",
            "The count includes this request: with a limit of 3, a count of 4 isn't allowed.",
        ),
        "upside_down": (
            "Requests that should be allowed are rejected, and the other way around.",
            "True means that the request is allowed.",
        ),
        "no_answer": (
            "For some requests your function returns None.",
            "Make sure that every path ends with `return True` or `return False`.",
        ),
        "another_answer": (
            "Those aren't the requests that the limit allows.",
            "Follow the steps of the task with the calls that it shows, one by one.",
        ),
    }

    def expect(self, call: str, decisions: Sequence[Any], expected: Sequence[bool]) -> None:
        """Refuse the answer unless these are its decisions, in this order."""
        got, right = list(decisions), list(expected)
        shown, shown_right = brief(got), brief(right)
        if any(decision is None for decision in got):
            self.refuse("no_answer", call=call, got=shown, expected=shown_right)
        if not all(isinstance(decision, bool) for decision in got):
            self.refuse("wrong_type", call=call, got=shown, expected="True or False")
        if got == right:
            return
        allowed, total = right.count(True), len(got)
        patterns = {
            "never_refuses": [_first_allowed(total, total)],
            "upside_down": [[not decision for decision in right]],
            "one_too_few": [_first_allowed(allowed - 1, total)],
            "one_too_many": [_first_allowed(allowed + 1, total)],
        }
        mistake = self.recognize(got, patterns, operator.eq) or "another_answer"
        self.refuse(mistake, call=call, got=shown, expected=shown_right)

    async def at_once(self, answer: Any, limit: int, *arguments: Any) -> None:
        """Refuse the answer unless it allows exactly `limit` of many concurrent requests."""

        async def all_at_once(*arguments: Any) -> list[Any]:
            requests = [answer(*arguments) for _ in range(CONCURRENT)]
            return await asyncio.gather(*requests)

        decisions = await self.call_async(all_at_once, *arguments)
        allowed = sum(map(bool, decisions))
        if allowed != limit:
            mistake = "read_then_write" if allowed > limit else "another_answer"
            call = f"{CONCURRENT} concurrent calls of {self.called(*arguments)}"
            got, expected = f"{allowed} allowed", f"{limit} allowed"
            self.refuse(mistake, call=call, got=got, expected=expected)

    async def expect_ttls(
        self, redis: Client, call: str, least: float, most: float, mistake: str
    ) -> None:
        """Refuse the answer if a key has no TTL, or one that isn't between these seconds."""
        for key in await redis.keys("*"):
            seconds = await redis.pttl(key) / 1000
            if seconds < 0:
                self.refuse("no_expiry", call=call, got=f"{brief(key)} has no TTL")
            if not least <= seconds <= most:
                got, expected = f"a TTL of {seconds:g} s", f"{least:g} to {most:g} s"
                self.refuse(mistake, call=call, got=got, expected=expected)


class TimedExercise(WindowExercise):
    """A limiter that gets the time as an argument, compared with a model of the algorithm."""

    refusals: ClassVar = {
        "expires_too_soon": (
            "A key expires while it still matters for the count.",
            "How long after this request can another one still need this key?",
        ),
    }
    windows_kept: ClassVar[int]
    """The number of windows for which a request counts."""

    def model(
        self, moments: Sequence[float], limit: int, seconds: float, mistake: str = ""
    ) -> list[bool]:
        """Return the decisions for requests at these times, with a misconception built in, if any.

        Subclasses implement this. An unknown misconception changes nothing.
        """
        raise NotImplementedError

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Try one client, another, schedules that tell misconceptions apart, and fifty at once."""
        now = 60_001.5  # soon after the start of a window
        call = f"twice {self.called(redis, 'limit:1', 2, 60, now)}"
        first = [await self.call_async(answer, redis, "limit:1", 2, 60, now) for _ in range(2)]
        if not await redis.keys("*"):
            self.refuse("not_in_redis", call=call, got="no key in Redis")
        least = 60 * self.windows_kept - 4
        await self.expect_ttls(redis, call, least, 86_400, "expires_too_soon")
        if all(first) and not await self.call_async(answer, redis, "limit:2", 2, 60, now):
            call = f"{self.called(redis, 'limit:2', 2, 60, now)} after that"
            self.refuse("one_for_all", call=call, got="False")
        for key, limit, seconds in (("limit:3", 4, 60), ("limit:4", 7, 10)):
            await self._schedule(redis, answer, key, limit, seconds)
        await self.at_once(answer, 10, redis, "limit:5", 10, 60, now)

    async def _schedule(
        self, redis: Client, answer: Any, key: str, limit: int, seconds: int
    ) -> None:
        """Send requests for ten windows, and compare the decisions with the model's."""
        moments = _request_times(key, limit, seconds)
        got = [await self.call_async(answer, redis, key, limit, seconds, now) for now in moments]
        expected = self.model(moments, limit, seconds)
        call = f"{self.name}(redis, {key!r}, {limit}, {seconds}, now)"
        if all(isinstance(decision, bool) for decision in got) and got != expected:
            known = {
                mistake: [self.model(moments, limit, seconds, mistake)]
                for mistake in type(self).refusals
            }
            mistake = self.recognize(got, known, operator.eq) or "another_answer"
            wrong = _first_difference(got, expected)
            latest = ", ".join(f"{now:.2f}" for now in moments[max(0, wrong - 7) : wrong + 1])
            self.refuse(
                mistake,
                call=f"{call}, most recently at {latest}",
                got=f"{got[wrong]} for the last of these",
                expected=str(expected[wrong]),
            )
        self.expect(f"{call}, {len(moments)} times", got, expected)


def _first_allowed(allowed: int, total: int) -> list[bool]:
    """Return decisions that allow the first requests and reject the rest."""
    return [True] * allowed + [False] * (total - allowed)


def _first_difference(got: Sequence[bool], expected: Sequence[bool]) -> int:
    pairs = zip(got, expected, strict=True)
    return next(number for number, (one, other) in enumerate(pairs) if one != other)


def _request_times(seed: str, limit: int, seconds: int) -> list[float]:
    """Return times within ten windows: a burst, then single requests, groups, and equal times."""
    chance = random.Random(seed)
    burst = [0.01] * (limit + 2)
    gaps = [
        chance.choice([0, 0.2, 0.5]) * chance.uniform(0.5, 1) * seconds / limit
        for _ in range(20 * limit)
    ]
    pauses = [chance.choice([0, 0, 0, 0, 0, 0, 0.9]) * seconds for _ in gaps]
    steps = [*burst, *map(sum, zip(gaps, pauses, strict=True))]
    moments = itertools.accumulate(steps, initial=1000.37 * seconds)
    return list(itertools.takewhile(lambda now: now < 1010 * seconds, moments))
