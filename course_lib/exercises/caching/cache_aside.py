"""Exercise: cache-aside in Redis."""

import copy
import json
from typing import Any, ClassVar

from course_lib.exercises.answers import as_text, from_json
from course_lib.exercises.fakes import RecordingLoader
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.verdict import brief
from course_lib.lab.redis_server import Client

VALUE = {"events": 33, "types": ["view", "click"]}


class CacheAside(RedisExercise):
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

Any stored value is a hit, even one such as `0` or `[]`."""
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
            "A falsy value (0, an empty list, None) was stored, and loaded again: a plain "
            "`if stored:` or `if value:` treats it as a miss.",
            "Test whether Redis had something: compare what `redis.get` returned with `is not "
            "None`, before you decode it.",
        ),
        "key_without_user": (
            "The key doesn't contain the user, so every user gets the statistics of whoever came "
            "first.",
            'Put everything that the response depends on into the key: `f"stats:{user_id}"`, with '
            "the `f` in front.",
        ),
        "another_key": (
            "The value isn't stored under the key that you looked up, so the next lookup misses.",
            "Store it under the key that you looked up, `stats:{user_id}`.",
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
            "`ex` is in seconds, `px` in milliseconds.",
        ),
        "not_json": (
            "The value isn't stored as JSON: no other program can read it, and neither can "
            "`json.loads`.",
            "Make the text with `json.dumps(value)`; `str(value)` uses Python's own notation.",
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
            "Another process had stored a value in Redis, and your function didn't use it.",
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
        """Try a miss, a hit, falsy values, and a value that another process stored."""
        await self._miss(redis, answer)
        await self._hit(redis, answer)
        for user, value in ((8, 0), (9, []), (10, None), (11, {"events": 1})):
            await self._twice(redis, answer, user, value)
        await redis.set("stats:12", '{"events": 2}', ex=300)
        load = RecordingLoader({12: {"events": 3}})
        result = await self.call_async(answer, redis, 12, load)
        if load.called or result != {"events": 2}:
            self._refuse("not_from_redis", 12, brief(result), "{'events': 2}")

    async def _miss(self, redis: Client, answer: Any) -> None:
        load = RecordingLoader({7: copy.deepcopy(VALUE)})
        result = await self.call_async(answer, redis, 7, load)
        if load.called != [7]:
            mistake = "loads_another" if load.called else "never_loads"
            self._refuse(mistake, 7, f"load was called for {load.called}")
        if result != VALUE:
            mistake = "text_for_value" if from_json(result) == VALUE else "another_answer"
            self._refuse(mistake, 7, brief(result), brief(VALUE))
        await self._stored_key(redis)
        await self._stored_value(redis)

    async def _stored_key(self, redis: Client) -> None:
        """Expect the right key; there may be others beside it, such as a count."""
        keys = [as_text(key) for key in await redis.keys("*")]
        if "stats:7" not in keys:
            has_user = "7" in "".join(keys)
            mistake = "another_key" if has_user else "key_without_user"
            got = f"keys in Redis: {', '.join(keys) or 'none'}"
            self._refuse(mistake if keys else "never_stores", 7, got, "stats:7")

    async def _stored_value(self, redis: Client) -> None:
        milliseconds = await redis.pttl("stats:7")
        if not 290_000 < milliseconds <= 300_000:
            mistake = "no_ttl" if milliseconds < 0 else "another_ttl"
            self._refuse(mistake, 7, f"a TTL of {milliseconds / 1000:g} s", "300 s")
        kind = as_text(await redis.type("stats:7"))
        if kind != "string":
            self._refuse("another_type", 7, f"stored: a {kind.upper()}", "a STRING")
        content = as_text(await redis.get("stats:7"))
        if from_json(content) != VALUE:
            self._refuse("not_json", 7, f"stored: {content}", json.dumps(VALUE))

    async def _hit(self, redis: Client, answer: Any) -> None:
        await redis.pexpire("stats:7", 100_000)
        load = RecordingLoader({7: copy.deepcopy(VALUE)})
        result = await self.call_async(answer, redis, 7, load)
        if load.called:
            self._refuse("always_loads", 7, "load was called again")
        if result != VALUE:
            mistake = "text_on_hit" if isinstance(result, str | bytes) else "another_answer"
            self._refuse(mistake, 7, brief(result), brief(VALUE))
        milliseconds = await redis.pttl("stats:7")
        if not 0 < milliseconds <= 100_000:
            mistake = {-1: "no_ttl", -2: "removed_on_hit"}.get(milliseconds, "renewed_on_hit")
            self._refuse(mistake, 7, "after a hit, the TTL had changed or the key was gone")

    async def _twice(self, redis: Client, answer: Any, user: int, value: Any) -> None:
        load = RecordingLoader({user: value})
        for _ in range(2):
            result = await self.call_async(answer, redis, user, load)
            if result != value or isinstance(result, bool):
                self._refuse("another_answer", user, brief(result), brief(value))
        if len(load.called) > 1:
            mistake = "always_loads" if value else "falsy_hit"
            self._refuse(mistake, user, f"load was called again for {value!r}")

    def _refuse(self, mistake: str, user: int, got: str, expected: str = "") -> None:
        self.refuse(mistake, call=f"{self.name}(redis, {user}, load)", got=got, expected=expected)
