"""What the exercises share in which a limiter is built by hand."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from typing import Any, ClassVar

from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.verdict import brief
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
            moments = a_schedule(key, limit, seconds)
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


def a_schedule(seed: str, limit: int, seconds: int) -> list[float]:
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
