"""Scenarios of entries that are fresh, stale or missing, for `stale`."""

import asyncio
from typing import Any

from course_lib.exercises.answers import from_json
from course_lib.exercises.judging import same
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.reloaded_entry import FRESH, LAST, NEW, Entry
from course_lib.exercises.verdict import NotAttempted, brief
from course_lib.lab.redis_server import Client

STALE = LAST - 10  # seconds left of an entry's TTL
OLD = {"events": 33}
PATIENCE = 1.0  # seconds: even on a busy machine, a result that needs no reload comes sooner
SHORT_RELOAD = 0.05  # seconds


class ReloadExercise(RedisExercise):
    """An exercise whose answer returns a stored value, and reloads it if it's stale."""

    async def fresh(self, redis: Client, answer: Any, value: Any) -> None:
        """Request a fresh entry, which needs no reload."""
        entry = Entry(redis, "a", {})
        await entry.store(value, FRESH)
        await self.request(answer, entry, value, FRESH)
        if entry.reloads:
            mistake = "reloads_fresh" if value else "falsy_hit"
            self.refuse(mistake, call=called(entry, value, FRESH), got="a reload")

    async def short_reload(self, redis: Client, answer: Any) -> None:
        """Request a stale entry whose reload soon ends; even so, the request doesn't wait for it.

        The request gets the old value, and leaves the entry to the reload.
        """
        entry = Entry(redis, "e", {})
        await entry.store(OLD, STALE)
        asyncio.get_running_loop().call_later(SHORT_RELOAD, entry.may_end.set)
        await self.request(answer, entry, OLD, STALE)
        await entry.end_reload()

    async def after_a_reload(self, redis: Client, answer: Any) -> None:
        """Let a reload end, by an error or without one; the next stale request starts another."""
        for fails in (False, True):
            entry = Entry(redis, "c", {}, fails=fails)
            for reloads in (1, 2):
                await entry.store(OLD, STALE)
                for _ in range(2):
                    await self.request(answer, entry, OLD, STALE)
                await self.expect_reloads(entry, reloads, "never_again")
                await entry.end_reload()

    async def miss(self, redis: Client, answer: Any) -> None:
        """Request an entry that isn't there; one load stores and returns it, or raises."""
        entry = Entry(redis, "d", {})
        entry.may_end.set()
        result = await self.call_async(answer, *entry.arguments())
        if result is ...:
            raise NotAttempted
        mistakes = {"never_loads": not same(result, NEW), "loads_twice": entry.reloads > 1}
        call = f"{entry.call}, with nothing stored"
        got = f"{brief(result)}, after {entry.reloads} reloads"
        self.refuse_first(mistakes, call=call, got=got, expected=brief(NEW))
        entry = Entry(redis, "f", {}, fails=True)
        entry.may_end.set()
        got, has_raised = await self.outcome(answer, *entry.arguments())
        if not has_raised:
            call = f"{entry.call}, with nothing stored, and reload raises an error"
            self.refuse("failure_hidden", call=call, got=got, expected="that error")

    async def request(self, answer: Any, entry: Entry, stored: Any, left: int) -> None:
        """Expect the stored value before the reload ends."""
        call = asyncio.ensure_future(self.call_async(answer, *entry.arguments()))
        done, _ = await asyncio.wait({call}, timeout=PATIENCE)
        if not done:
            await entry.end_reload()
        result = await call
        if result is ...:
            raise NotAttempted
        if done and type(result) is type(stored) and same(result, stored):
            return
        is_new = same(result, NEW)
        when = "" if done else ", after the reload had ended"
        mistakes = {
            "falsy_hit": not stored and is_new,
            "reloads_fresh": left == FRESH and is_new,
            "waits_for_reload": is_new or not done,
            "text_for_value": isinstance(result, bytes | str) and from_json(result) == stored,
            "another_value": True,
        }
        self.refuse_first(
            mistakes,
            call=called(entry, stored, left),
            got=brief(result) + when,
            expected=brief(stored),
        )

    async def expect_reloads(self, entry: Entry, expected: int, fewer: str) -> None:
        """Expect this number of reloads so far; `fewer` is the misconception if there are fewer."""
        await entry.wait_for_reloads(expected)
        if entry.reloads != expected:
            mistake = "reloads_each" if entry.reloads > expected else fewer
            call = f"{called(entry, OLD, STALE)}, several times"
            self.refuse(mistake, call=call, got=f"reloads: {entry.reloads}", expected=f"{expected}")

    async def expect_unchanged(self, entry: Entry) -> None:
        """Expect a stale entry as it was, as long as its reload runs."""
        stored, seconds = await entry.read()
        if not same(stored, OLD) or not STALE - 20 < seconds <= STALE:
            got = f"{brief(stored)}, and {max(seconds, 0):.0f} s left"
            expected = f"{brief(OLD)}, and {STALE} s left"
            self.refuse("changes_entry", call=called(entry, OLD, STALE), got=got, expected=expected)


def called(entry: Entry, stored: Any, left: int) -> str:
    """Return a call with this value stored, as it's shown to the learner."""
    return f"{entry.call}, with {brief(stored)} stored and {left} s left"
