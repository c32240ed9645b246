"""Exercise: cache-aside in Redis."""

import copy
import json
from typing import Any, ClassVar

from course_lib.exercises.answers import as_text, from_json
from course_lib.exercises.cache_aside_exercise import VALUE, CacheAsideExercise
from course_lib.exercises.fakes import RecordingLoader
from course_lib.exercises.judging import same
from course_lib.exercises.verdict import brief
from course_lib.lab.redis_server import Client


class CacheAside(CacheAsideExercise):
    """Look up, load, store, return."""

    lesson = "caching"
    name = "cache_aside"
    task = """Cache-aside has four steps. Write them for a user's statistics, in Redis under the key
`stats:{user_id}`:

1. **look up**: `await redis.get(key)` returns the stored text as bytes, or `None` if the key
   doesn't exist
2. **load**, only if nothing was stored: `await load(user_id)`
3. **store** what you loaded, as JSON, for 300 seconds: `await redis.set(key, text, ex=seconds)`
4. **return** the value; on a hit, decode it from JSON first

Any stored value is a hit, even one such as `0` or `[]`. If `load` raises an error, let it reach
the caller."""
    imports = "import json\n\n\n"
    stub = (
        imports
        + """async def cache_aside(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.get(key)  # 1 look up
    # if something was stored: 4 return the decoded value
    # 2 load
    # 3 store
    return ...  # 4 return"""
    )
    hints = (
        "What does `redis.get` return if the key doesn't exist, and only then?",
        "It returns `None`, and only then: test `if stored is not None`, and return "
        "`json.loads(stored)`.",
        "To store: `json.dumps` makes the text, and `await redis.set(..., ex=300)` keeps it for "
        "300 seconds.",
    )
    praise = "Looked up, loaded, stored, returned; and a stored 0 is a hit, as it should be."
    refusals: ClassVar = {
        "falsy_hit": (
            "A falsy value (0, an empty list, None) was stored, and loaded again: once it's "
            "decoded, a plain `if value:` treats it as a miss.",
            "Test whether Redis had something: compare what `redis.get` returned with `is not "
            "None`, before you decode it.",
        ),
        "falsy_not_stored": (
            "A falsy value (0, an empty list, None) was loaded and not stored, so it's loaded "
            "again each time.",
            "Store whatever you loaded, without an `if`.",
        ),
        "failure_stored": (
            "`load` raised an error, and something was stored all the same: for 300 seconds every "
            "request would get it.",
            "Let the error reach the caller. Nothing after `await load(...)` runs then.",
        ),
        "failure_hidden": (
            "`load` raised an error, and your function returned as if nothing had happened.",
            "Let the error reach the caller: don't catch it.",
        ),
        "key_without_user": (
            "The key doesn't contain the user, so every user gets the statistics of the first one.",
            'Put everything that the response depends on into the key: `f"stats:{user_id}"`, with '
            "the `f` in front.",
        ),
        "shared_key": (
            "The key contains only a part of the user's ID, so users whose IDs share that part "
            "get the same statistics.",
            "Put the whole ID into the key: `stats:{user_id}`.",
        ),
        "another_key": (
            "The value isn't stored under the key where the next request looks for it.",
            "Look it up and store it under the same key, `stats:{user_id}`.",
        ),
        "never_stores": (
            "The value was loaded, but nothing was stored.",
            "After step 2 comes step 3: `await redis.set(...)`.",
        ),
        "no_ttl": (
            "The value is stored without a TTL, so it stays forever, however stale it gets.",
            "Set the TTL in the same command: `ex=300`.",
        ),
        "another_ttl": (
            "The TTL isn't 300 seconds.",
            "Pass `ex=300`: `ex` is in seconds, `px` in milliseconds.",
        ),
        "not_json": (
            "The value isn't stored as JSON: no other program can read it, and neither can "
            "`json.loads`.",
            "Make the text with `json.dumps(value)`; `str(value)` uses Python's own notation.",
        ),
        "other_json": (
            "What's stored is JSON, but decoded it isn't the value: another program that reads it "
            "gets something else.",
            "Store `json.dumps(value)`: the value itself, encoded once, with nothing around it.",
        ),
        "text_on_hit": (
            "On a miss your function returns the value, and on a hit the stored text.",
            "Decode what was stored: `json.loads(...)`.",
        ),
        "always_loads": (
            "The value was in the cache, and `load` was called anyway: the cache saves nothing.",
            "Run step 2 only if step 1 found nothing.",
        ),
        "not_from_redis": (
            "Another process had stored or removed a value in Redis, and your function didn't "
            "notice.",
            "Look in Redis each time: no other process can see your variables.",
        ),
        "never_loads": (
            "Nothing was stored, and `load` wasn't called.",
            "If step 1 finds nothing, step 2 is next.",
        ),
        "loads_another": (
            "`load` was called for another user, or more than once.",
            "Step 2 is one call: `await load(user_id)`.",
        ),
        "removed_on_hit": (
            "After a hit the value was gone from Redis: the next request has to load it again.",
            "`redis.get` reads a value and leaves it where it is.",
        ),
        "another_type": (
            "The value isn't stored as a STRING, so `redis.get` can't read it.",
            "One value, one text: `await redis.set(key, json.dumps(value), ex=300)`.",
        ),
        "text_for_value": (
            "Your function returns the JSON text of the value instead of the value itself.",
            "The text is for Redis; return what `load` returned, or what `json.loads` decodes.",
        ),
        "renewed_on_hit": (
            "Each hit restarts the TTL: a popular value is never loaded again, and gets ever more "
            "stale.",
            "Store only what you loaded. A hit only reads, and leaves the key unchanged.",
        ),
        "another_answer": (
            "That's not the user's value.",
            "Return what was loaded or stored.",
        ),
    }

    @staticmethod
    async def cache_aside(redis, user_id, load):
        """Return a user's statistics, from the cache if they're there."""
        key = f"stats:{user_id}"
        stored = await redis.get(key)
        if stored is not None:
            return json.loads(stored)
        value = await load(user_id)
        await redis.set(key, json.dumps(value), ex=300)
        return value

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Try a miss, a hit, falsy values, other processes, and a load that fails."""
        await self._miss(redis, answer)
        await self.hit(redis, answer)
        for user, value in ((8, 0), (9, []), (10, None), (11, {"events": 1})):
            await self.twice(redis, answer, user, value)
        await redis.set("stats:110012", '{"events": 2}', ex=300)
        await self.expect(redis, answer, 110_012, {"events": 3}, {"events": 2}, loads=0)
        await redis.delete("stats:7")
        await self.expect(redis, answer, 7, {"events": 34}, {"events": 34}, loads=1)
        await self.failed_load(redis, answer)

    async def _miss(self, redis: Client, answer: Any) -> None:
        load = RecordingLoader({7: copy.deepcopy(VALUE)})
        result = await self.call_async(answer, redis, 7, load)
        if load.called != [7]:
            mistake = "loads_another" if load.called else "never_loads"
            self.refuse_call(mistake, 7, f"load was called for {load.called}")
        if not same(result, VALUE):
            is_text = same(from_json(result), VALUE)
            mistake = "text_for_value" if is_text else "another_answer"
            self.refuse_call(mistake, 7, brief(result), brief(VALUE))
        keys = [as_text(key) for key in await redis.keys("*")]
        has_user = "7" in "".join(keys)
        is_stored = "stats:7" in keys
        mistakes = {
            "never_stores": not keys,
            "key_without_user": not is_stored and not has_user,
            "another_key": not is_stored,
        }
        shown = f"keys in Redis: {', '.join(keys) or 'none'}"
        self.refuse_first(mistakes, call=self.call_for(7), got=shown, expected="stats:7")
        await self.expect_entry(redis, 7, VALUE)
