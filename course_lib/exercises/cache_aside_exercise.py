"""Scenarios of a cached value: a hit, falsy values, other processes, a load that fails."""

import asyncio
import copy
import json
from typing import Any

from course_lib.exercises.answers import from_json
from course_lib.exercises.fakes import FAILURE, RecordingLoader
from course_lib.exercises.judging import same
from course_lib.exercises.redis_exercise import Entry, RedisExercise
from course_lib.exercises.verdict import brief
from course_lib.lab.redis_server import Client

VALUE = {"events": 33, "types": ["view", "click"]}
PATIENCE = 1.0  # seconds: even on a busy machine, a load takes less


class CacheAsideExercise(RedisExercise):
    """An exercise whose answer returns a user's statistics, from Redis or loaded."""

    async def hit(self, redis: Client, answer: Any) -> None:
        """Call again for a value that is stored."""
        await redis.pexpire("stats:7", 100_000)
        load = RecordingLoader({7: copy.deepcopy(VALUE)})
        result = await self.call_async(answer, redis, 7, load)
        is_text = isinstance(result, str | bytes)
        entry = await Entry.read(redis, "stats:7")
        mistakes = {
            "always_loads": load.called,
            "text_on_hit": is_text,
            "another_answer": not same(result, VALUE),
            "removed_on_hit": entry.kind == "none",
            "no_ttl": entry.seconds is None,
            "renewed_on_hit": (entry.seconds or 0) > 100,
        }
        got = f"{brief(result)}; load was called for {load.called}; stored: {entry}"
        self.refuse_first(
            mistakes, call=f"{self.call_for(7)}, again", got=got, expected=brief(VALUE)
        )

    async def twice(self, redis: Client, answer: Any, user: int, value: Any) -> None:
        """Call twice for a value, which has to be loaded once, whatever it is."""
        load = RecordingLoader({user: value})
        keys = set(await redis.keys("*"))
        for _ in range(2):
            result = await self.call_async(answer, redis, user, load)
            if same(result, VALUE) and not load.called:
                self.refuse_call("key_without_user", user, brief(result), brief(value))
            if not same(result, value) or isinstance(result, bool):
                self.refuse_call("another_answer", user, brief(result), brief(value))
            if not await redis.exists(f"stats:{user}"):
                new_keys = set(await redis.keys("*")) - keys
                if new_keys:
                    self.refuse_call("shared_key", user, brief(new_keys), f"stats:{user}")
                self.refuse_call("falsy_not_stored", user, f"nothing stored for {value!r}")
            await self.expect_entry(redis, user, value)
        if len(load.called) > 1:
            mistake = "always_loads" if value else "falsy_hit"
            self.refuse_call(mistake, user, f"load was called again for {value!r}")

    async def expect_entry(self, redis: Client, user: int, value: Any) -> None:
        """Expect a user's value in Redis, as JSON and for 300 seconds."""
        entry = await Entry.read(redis, f"stats:{user}")
        mistakes = {
            "no_ttl": entry.seconds is None,
            "another_ttl": not 290 < (entry.seconds or 0) <= 300,
            "another_type": entry.kind != "string",
            "not_json": entry.content != "null" and from_json(entry.content) is None,
            "other_json": not same(from_json(entry.content), value),
        }
        expected = f"a STRING with a TTL of 300 s: {json.dumps(value)}"
        self.refuse_first(mistakes, call=self.call_for(user), got=str(entry), expected=expected)

    async def expect(
        self, redis: Client, answer: Any, user: int, loaded: Any, expected: Any, *, loads: int
    ) -> None:
        """Expect this result after this number of loads."""
        load = RecordingLoader({user: loaded})
        keys = {f"stats:{user}".encode(), *await redis.keys("*")}
        result = await self.call_async(answer, redis, user, load)
        count = len(load.called)
        new_keys = set(await redis.keys("*")) - keys
        if new_keys:
            self.refuse_call("shared_key", user, brief(new_keys), f"stats:{user}")
        if count != loads or not same(result, expected):
            got = f"{brief(result)}, after {count} loads"
            self.refuse_call("not_from_redis", user, got, brief(expected))

    async def failed_load(self, redis: Client, answer: Any) -> None:
        """Try a load that raises an error; it has to reach the caller, and nothing is stored."""
        load = RecordingLoader({13: LookupError(FAILURE)})
        got, has_raised = await self.outcome(answer, redis, 13, load)
        mistakes = {
            "failure_stored": await redis.exists("stats:13"),
            **self.error_mistakes(got, has_raised, hidden="failure_hidden"),
            "loads_another": load.called != [13],
        }
        call = f"{self.call_for(13)}, and load raises LookupError({FAILURE!r})"
        self.refuse_first(mistakes, call=call, got=got, expected="that error")
        load = RecordingLoader({13: copy.deepcopy(VALUE)})
        task = asyncio.ensure_future(self.call_async(answer, redis, 13, load))
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        call = f"{self.call_for(13)} after an error of load"
        if not done:
            expected = "a load: nothing of the one that failed should be left"
            self.refuse("endless", call=call, got="no result in a second", expected=expected)
        result = await task
        if load.called != [13] or not same(result, VALUE):
            got = f"{brief(result)}; load was called for {load.called}"
            self.refuse("failure_stored", call=call, got=got, expected=brief(VALUE))

    def call_for(self, user: int) -> str:
        """Return the call for a user as text."""
        return f"{self.name}(redis, {user}, load)"

    def refuse_call(self, mistake: str, user: int, got: str, expected: str = "") -> None:
        """Refuse the answer for a misconception that the call for a user shows."""
        self.refuse(mistake, call=self.call_for(user), got=got, expected=expected)
