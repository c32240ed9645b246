"""The base of the exercises in which you build a limiter yourself, on a real Redis."""

import asyncio
import operator
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from course_lib.exercises.answers import as_text, as_truth
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.verdict import Refusal, brief
from course_lib.lab.redis_server import Client

CONCURRENT = 50
NO_NUMBER = re.compile("'NoneType'|'bytes'|multiply sequence")


class WindowExercise(RedisExercise):
    """An exercise whose answer is a limiter: returns True if a request is allowed, else False."""

    lesson = "rate_limiting"
    refusals: ClassVar = {
        "read_then_write": (
            "Too many of fifty concurrent requests were allowed: they read the count before others "
            "had written theirs, so each thought it was among the first.",
            "Write first, and decide by what that write returns.",
        ),
        "not_in_redis": (
            "Nothing is counted in Redis, so no other process can know the count: four workers "
            "would allow four times as many requests.",
            "Count in Redis, under the key.",
        ),
        "one_for_all": (
            "A client that hadn't sent anything yet was rejected: another client's requests were "
            "counted as its own.",
            "Count under the key that you're given; it identifies the client.",
        ),
        "no_expiry": (
            "A key has no TTL: Redis keeps it forever, and one more for each new client.",
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
            "Two processes together don't allow the same requests as one alone: something that "
            "they have to share is in a variable, and each process has its own.",
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
        "score_for_member": (
            "The member and its score are swapped: Redis expects a number as the score.",
            "`p.zadd(key, {member: now})`: the member first, then its time.",
        ),
        "forgets_after_rejection": (
            "A rejected request cleared the count: the next ones were all allowed.",
            "Leave the key alone when you reject; it expires by itself.",
        ),
        "another_answer": (
            "Those aren't the requests that the limit allows.",
            "Follow the steps of the task with the calls that it shows, one by one.",
        ),
    }

    def expect(self, call: str, decisions: Sequence[Any], expected: Sequence[bool]) -> None:
        """Refuse the answer unless these are its decisions, in this order."""
        right = list(expected)
        shown, shown_right = brief(list(decisions)), brief(right)
        if any(decision is None for decision in decisions):
            self.refuse("no_answer", call=call, got=shown, expected=shown_right)
        got = [as_truth(decision) for decision in decisions]
        if None in got:
            self.refuse("wrong_type", call=call, got=shown, expected="True or False")
        if got == right:
            return
        allowed, total = right.count(True), len(got)
        patterns = {
            "never_refuses": [_first_allowed(total, total)],
            "upside_down": [
                _first_rejected(allowed, total),
                _first_rejected(allowed - 1, total),  # >= for <=
            ],
            "one_too_few": [_first_allowed(allowed - 1, total)],
            "one_too_many": [_first_allowed(allowed + 1, total)],
            "forgets_after_rejection": [_forgetting(allowed, total)],
        }
        mistake = self.recognize(got, patterns, operator.eq) or "another_answer"
        self.refuse(mistake, call=call, got=shown, expected=shown_right)

    async def decide(self, answer: Any, *arguments: Any) -> Any:
        """Return the decision of one call; name the errors that Redis's replies lead to."""
        try:
            return await self.call_async(answer, *arguments)
        except Refusal as refusal:
            is_type_error = refusal.got.startswith("TypeError")
            mistakes = {
                "awaits_queued": is_type_error and "ipeline" in refusal.got,
                "text_or_none": is_type_error and NO_NUMBER.search(refusal.got),
                "score_for_member": "ZADD" in refusal.got and "valid float" in refusal.got,
                refusal.misconception: True,
            }
            facts = {"call": refusal.call, "got": refusal.got, "expected": "True or False"}
            self.refuse_first(mistakes, **facts)
            raise

    async def at_once(self, answer: Any, limit: int, *arguments: Any) -> None:
        """Refuse the answer unless it allows exactly `limit` of many concurrent requests."""

        async def all_at_once(redis: Client, *arguments: Any) -> list[Any]:
            # A connection for each, so that none of them is done before the others have begun.
            await asyncio.gather(*(redis.ping() for _ in range(CONCURRENT)))
            requests = [answer(redis, *arguments) for _ in range(CONCURRENT)]
            return await asyncio.gather(*requests)

        decisions = await self.call_async(all_at_once, *arguments)
        allowed = sum(map(bool, decisions))
        if allowed != limit:
            mistake = "read_then_write" if allowed > limit else "another_answer"
            call = f"{CONCURRENT} concurrent calls of {self.called(*arguments)}"
            got, expected = f"{allowed} allowed", f"{limit} allowed"
            self.refuse(mistake, call=call, got=got, expected=expected)

    async def expect_ttls(
        self, redis: Client, call: str, least: float, most: float, *, too_short: str, too_long: str
    ) -> None:
        """Refuse the answer if a key has no TTL, or one that isn't between these seconds.

        `too_short` and `too_long` are the misconceptions that lead to such a TTL.
        """
        for key in await redis.keys("*"):
            seconds = await redis.pttl(key) / 1000
            got = f"a TTL of {seconds:g} s"
            expected = f"{least:g} to {most:g} s"
            if seconds < 0:
                self.refuse("no_expiry", call=call, got=f"{as_text(key)} has no TTL")
            if seconds < least:
                self.refuse(too_short, call=call, got=got, expected=expected)
            if seconds > most:
                self.refuse(too_long, call=call, got=got, expected=expected)


def _forgetting(allowed: int, total: int) -> list[bool]:
    """Return decisions of a limiter that starts over after each request that it rejects."""
    return [number % (allowed + 1) < allowed for number in range(total)]


def _first_rejected(rejected: int, total: int) -> list[bool]:
    """Return decisions that reject the first requests and allow the rest."""
    return [False] * rejected + [True] * (total - rejected)


def _first_allowed(allowed: int, total: int) -> list[bool]:
    """Return decisions that allow the first requests and reject the rest."""
    return [True] * allowed + [False] * (total - allowed)
