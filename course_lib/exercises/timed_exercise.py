"""The base of the exercises whose limiter gets the time as an argument, which the check sets.

A slow, obvious model of the algorithm knows the right decisions. The same model, with a
misconception built in, recognizes it.
"""

import itertools
import operator
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from course_lib.exercises.answers import as_truth
from course_lib.exercises.second_process import in_another_process
from course_lib.exercises.window_exercise import WindowExercise
from course_lib.lab.redis_server import Client

NOW = 1_700_000_041.5  # seconds; soon after the start of a window
A_DAY = 86_400  # seconds
TWO_PROCESSES = "limit:6"  # the key that two processes count under
WRITES = {"ZADD", "INCR", "INCRBY", "SET", "EVAL", "EVALSHA"}
EXPIRES_AT = {"EXPIREAT", "PEXPIREAT"}


class TimedExercise(WindowExercise):
    """A limiter that gets the time as an argument, compared with a model of the algorithm."""

    refusals: ClassVar = {
        "takes_all_back": (
            "Each request is written and then taken back, even if it's allowed: nothing is left "
            "to count.",
            "Take back only a request that isn't allowed.",
        ),
        "expires_too_soon": (
            "A key expires while it still matters for the count.",
            "How long after this request can another one still need this key? Set the TTL in "
            "seconds from now, at each request.",
        ),
        "expires_too_late": (
            "A key stays in Redis long after its requests have stopped counting, so each client "
            "takes up memory for good.",
            "`expire` takes the number of seconds from now on, not the time at which to expire.",
        ),
    }
    windows_kept: ClassVar[int]
    """The number of windows for which a request counts."""
    variants: ClassVar[Mapping[str, Sequence[str]]] = {}
    """For some misconceptions: the names of several models that they lead to."""

    def model(
        self, times: Sequence[float], limit: int, seconds: float, mistake: str = ""
    ) -> list[bool]:
        """Return the decisions for requests at these times, with a misconception built in, if any.

        Subclasses implement this. An unknown misconception changes nothing.
        """
        raise NotImplementedError

    async def refined(self, _answer: Any, _redis: Client, _key: str, mistake: str) -> str:
        """Return a more exact misconception if what's in Redis shows one."""
        return mistake

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Try one client, another, schedules that tell misconceptions apart, and fifty at once."""
        await self._two_clients(redis, answer)
        for key, limit, seconds in (("limit:3", 4, 60), ("limit:4", 7, 10)):
            await self._schedule(redis, itertools.repeat(answer), key, limit, seconds)
        await self.at_once(answer, 10, redis, "limit:5", 10, 60, NOW)
        by_turns = itertools.cycle([answer, in_another_process(answer)])
        await self._schedule(redis, by_turns, TWO_PROCESSES, 4, 60)

    async def _two_clients(self, redis: Client, answer: Any) -> None:
        """Send two requests of one client and then a third, and one of another client.

        Look at what is stored after the second, and after the third, which is rejected.
        """
        decisions = []
        for _ in range(2):
            decision = await self.decide(answer, redis, "limit:1", 2, 60, NOW)
            decisions.append(decision)
        call = f"twice {self.called(redis, 'limit:1', 2, 60, NOW)}"
        if not await redis.keys("*"):
            commands = {name for name, *_ in redis.commands}
            mistakes = {
                "expires_too_soon": commands & EXPIRES_AT,  # by the server's clock that's past
                "takes_all_back": commands & WRITES,
                "not_in_redis": True,
            }
            self.refuse_first(mistakes, call=call, got="no key in Redis")
        least = 60 * self.windows_kept - 4
        soon, late = "expires_too_soon", "expires_too_late"
        await self.expect_ttls(redis, call, least, A_DAY, too_short=soon, too_long=late)
        if not all(decisions):
            return
        await self.decide(answer, redis, "limit:1", 2, 60, NOW)
        call = f"three times {self.called(redis, 'limit:1', 2, 60, NOW)}"
        await self.expect_ttls(redis, call, least, A_DAY, too_short=soon, too_long=late)
        if not await self.decide(answer, redis, "limit:2", 2, 60, NOW):
            call = f"{self.called(redis, 'limit:2', 2, 60, NOW)} after that"
            self.refuse("one_for_all", call=call, got="False")

    async def _schedule(
        self, redis: Client, answers: Iterator[Any], key: str, limit: int, seconds: int
    ) -> None:
        """Send requests for ten windows, and compare the decisions with the model's."""
        times = _request_times(key, limit, seconds)
        if key == TWO_PROCESSES:  # a member made of the time and a count is unique enough
            times = [now + number / 1_000 for number, now in enumerate(times)]
        got: list[Any] = []
        for answer, now in zip(answers, times, strict=False):
            reply = await self.decide(answer, redis, key, limit, seconds, now)
            truth = as_truth(reply)
            got.append(reply if truth is None else truth)
        expected = self.model(times, limit, seconds)
        call = f"{self.name}(redis, {key!r}, {limit}, {seconds}, now)"
        if key == TWO_PROCESSES and got != expected:
            self.refuse(
                "per_process",
                call=f"{call}, by two processes in turn, {len(times)} times",
                got=f"{got.count(True)} allowed",
                expected=f"{expected.count(True)} allowed",
            )
        are_truths = all(isinstance(decision, bool) for decision in got)
        if are_truths and got != expected:
            known = self._known_mistakes(times, limit, seconds, expected)
            mistake = self.recognize(got, known, operator.eq) or "another_answer"
            mistake = await self.refined(next(answers), redis, key, mistake)
            self._refuse_difference(mistake, call, times, got, expected)
        self.expect(f"{call}, {len(times)} times", got, expected)

    def _refuse_difference(
        self,
        mistake: str,
        call: str,
        times: Sequence[float],
        got: Sequence[bool],
        expected: Sequence[bool],
    ) -> None:
        """Refuse the answer; show its first wrong decision and the requests just before it."""
        wrong = _first_difference(got, expected)
        latest = times[max(0, wrong - 7) : wrong + 1]
        shown = ", ".join(f"{now:.2f}" for now in latest)
        self.refuse(
            mistake,
            call=f"{call}, most recently at {shown}",
            got=f"{got[wrong]} for the last of these",
            expected=str(expected[wrong]),
        )

    def _known_mistakes(
        self, times: Sequence[float], limit: int, seconds: int, expected: Sequence[bool]
    ) -> dict[str, list[list[bool]]]:
        """Return the decisions that each misconception leads to, the simplest first."""
        known = {
            "never_refuses": [[True] * len(times)],
            "upside_down": [[not decision for decision in expected]],
        }
        for mistake in (*type(self).refusals, "one_too_few"):
            variants = self.variants.get(mistake, (mistake,))
            known[mistake] = [self.model(times, limit, seconds, name) for name in variants]
        return known


def _first_difference(got: Sequence[bool], expected: Sequence[bool]) -> int:
    pairs = zip(got, expected, strict=True)
    return next(number for number, (one, other) in enumerate(pairs) if one != other)


def _request_times(seed: str, limit: int, seconds: int) -> list[float]:
    """Return times within ten windows: a burst, then single requests, groups, and equal times."""
    generator = random.Random(seed)
    burst = [0.01] * (limit + 2)
    gaps = []
    for _ in range(20 * limit):
        share = generator.choice([0, 0.2, 0.5])
        gaps.append(share * generator.uniform(0.5, 1) * seconds / limit)
    for number in range(len(gaps)):
        pause = generator.choice([0, 0, 0, 0, 0, 0, 0.9])
        gaps[number] += pause * seconds
    first = 1000.37 * seconds
    times = itertools.accumulate([*burst, *gaps], initial=first)
    within_ten_windows = [now for now in times if now < 1010 * seconds]
    at_the_border = first + seconds
    return sorted([at_the_border, *within_ten_windows])
