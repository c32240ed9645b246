"""The base of the exercises in which you build a limiter yourself, on a real Redis.

A timed limiter gets the time as an argument, and the check sets it. A slow, obvious model of the
algorithm knows the right decisions. The same model, with a misconception built in, recognizes it.
"""

import asyncio
import itertools
import operator
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from course_lib.exercises.answers import as_truth
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.second_process import in_another_process
from course_lib.exercises.verdict import Refusal, brief
from course_lib.lab.redis_server import Client

CONCURRENT = 50
TWO_PROCESSES = "limit:6"  # the key that two processes count under
NO_NUMBER = re.compile("'NoneType'|'bytes'|multiply sequence")
WRITES = {"ZADD", "INCR", "INCRBY", "SET", "EVAL", "EVALSHA"}


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
        "per_process": (
            "Two processes together allow other requests than one alone: something that they have "
            "to share is in a variable, and each process has its own.",
            "Keep in Redis whatever the decision depends on. A member or token that has to be "
            "unique must be random: a counter in one process repeats another's.",
        ),
        "awaits_queued": (
            "In a pipeline a command is only queued: it has no result before `execute`.",
            "Call the commands without `await`, then `answers = await p.execute()`.",
        ),
        "text_or_none": (
            "`get` returns bytes, or None if there's no such key: you can't calculate with either.",
            "Make it a number: `int(value or 0)`.",
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
        got = [as_truth(decision) for decision in got]
        if None in got:
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

    async def decide(self, answer: Any, *arguments: Any) -> Any:
        """Return the decision of one call; name the errors that Redis's replies lead to."""
        try:
            return await self.call_async(answer, *arguments)
        except Refusal as refusal:
            mistakes = {
                "awaits_queued": "Pipeline'" in refusal.got,
                "text_or_none": NO_NUMBER.search(refusal.got),
            }
            is_type_error = refusal.got.startswith("TypeError")
            call, expected = refusal.call, "True or False"
            if is_type_error:
                self.refuse_first(mistakes, call=call, got=refusal.got, expected=expected)
            raise

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
        "takes_all_back": (
            "Each request is written and then taken back, even if it's allowed: nothing is left "
            "to count.",
            "Take back only a request that isn't allowed.",
        ),
        "expires_too_soon": (
            "A key expires while it still matters for the count.",
            "How long after this request can another one still need this key?",
        ),
    }
    windows_kept: ClassVar[int]
    """The number of windows for which a request counts."""
    variants: ClassVar[Mapping[str, Sequence[str]]] = {}
    """For some misconceptions: the names of several models that they lead to."""

    def model(
        self, moments: Sequence[float], limit: int, seconds: float, mistake: str = ""
    ) -> list[bool]:
        """Return the decisions for requests at these times, with a misconception built in, if any.

        Subclasses implement this. An unknown misconception changes nothing.
        """
        raise NotImplementedError

    async def refined(self, _redis: Client, _key: str, mistake: str) -> str:
        """Return a more exact misconception if what's in Redis shows one."""
        return mistake

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Try one client, another, schedules that tell misconceptions apart, and fifty at once."""
        now = 60_001.5  # soon after the start of a window
        call = f"twice {self.called(redis, 'limit:1', 2, 60, now)}"
        first = [await self.decide(answer, redis, "limit:1", 2, 60, now) for _ in range(2)]
        if not await redis.keys("*"):
            has_written = any(name in WRITES for name, *_ in redis.commands)
            mistake = "takes_all_back" if has_written else "not_in_redis"
            self.refuse(mistake, call=call, got="no key in Redis")
        least = 60 * self.windows_kept - 4
        await self.expect_ttls(redis, call, least, 86_400, "expires_too_soon")
        if all(first) and not await self.call_async(answer, redis, "limit:2", 2, 60, now):
            call = f"{self.called(redis, 'limit:2', 2, 60, now)} after that"
            self.refuse("one_for_all", call=call, got="False")
        for key, limit, seconds in (("limit:3", 4, 60), ("limit:4", 7, 10)):
            await self._schedule(redis, itertools.repeat(answer), key, limit, seconds)
        await self.at_once(answer, 10, redis, "limit:5", 10, 60, now)
        other = in_another_process(answer)
        await self._schedule(redis, itertools.cycle([answer, other]), TWO_PROCESSES, 4, 60)

    async def _schedule(
        self, redis: Client, answers: Iterator[Any], key: str, limit: int, seconds: int
    ) -> None:
        """Send requests for ten windows, and compare the decisions with the model's."""
        moments = _request_times(key, limit, seconds)
        if key == TWO_PROCESSES:  # a member made of the time and a count is unique enough
            moments = [now + number / 1_000 for number, now in enumerate(moments)]
        calls = zip(answers, moments, strict=False)
        replies = [await self.decide(one, redis, key, limit, seconds, now) for one, now in calls]
        got: list[Any] = [as_truth(reply) for reply in replies]
        got = [
            known if known is not None else reply for known, reply in zip(got, replies, strict=True)
        ]
        expected = self.model(moments, limit, seconds)
        call = f"{self.name}(redis, {key!r}, {limit}, {seconds}, now)"
        if key == TWO_PROCESSES and got != expected:
            got_allowed, allowed = f"{got.count(True)} allowed", f"{expected.count(True)} allowed"
            call = f"{call}, by two processes in turn, {len(moments)} times"
            self.refuse("per_process", call=call, got=got_allowed, expected=allowed)
        if all(isinstance(decision, bool) for decision in got) and got != expected:
            known = {
                mistake: [
                    self.model(moments, limit, seconds, variant)
                    for variant in self.variants.get(mistake, (mistake,))
                ]
                for mistake in (*type(self).refusals, "one_too_few")
            }
            known = {
                "never_refuses": [[True] * len(moments)],
                "upside_down": [[not decision for decision in expected]],
                **known,
            }
            mistake = self.recognize(got, known, operator.eq) or "another_answer"
            mistake = await self.refined(redis, key, mistake)
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
    first = 1000.37 * seconds
    moments = [first + seconds, *itertools.accumulate(steps, initial=first)]  # one at the border
    return sorted(now for now in moments if now < 1010 * seconds)
