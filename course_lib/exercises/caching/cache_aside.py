"""Look, load, store, answer."""

import copy
import json
from typing import Any, ClassVar

from course_lib.exercises.answers import as_text, decoded
from course_lib.exercises.engine import brief
from course_lib.exercises.fakes import Loads
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.lab.redis_server import Client


class CacheAside(RedisExercise):
    """Look, load, store, answer."""

    lesson = "caching"
    name = "cache_aside"
    task = """Cache-aside has four steps. Write them for a user's statistics, in Redis under the key `stats:{user_id}`:

1. **look**: `await redis.get(key)` gives the stored text as bytes, or None where there is nothing
2. **load**: only where nothing was found, `await load(user_id)`
3. **store** what was loaded, as JSON, for 300 seconds: `await redis.set(key, text, ex=seconds)`
4. **answer** with the value; on a hit too, where it has to be made from the JSON again

Whatever was stored counts as found, a value such as `0` or `[]` too."""
    imports = "import json\n\n\n"
    stub = (
        imports
        + """async def cache_aside(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.get(key)  # 1 look
    # if there was something: 4 answer, with the value made from it
    # 2 load
    # 3 store
    return ...  # 4 answer"""
    )
    hints = (
        "What does `redis.get` give when there is nothing, and only then?",
        "It gives None, and only then: ask `if stored is not None`, and answer with `json.loads(stored)`.",
        "To store: `json.dumps` makes the text, and `await redis.set(..., ex=300)` keeps it for 300 seconds.",
    )
    praise = "Looked, loaded, stored, answered; and a stored 0 is a hit, as it should be."
    refusals: ClassVar = {
        "falsy_hit": (
            "A stored value that counts as false (0, an empty list, None) was there, and was loaded again: a mere "
            "`if stored:` or `if value:` takes it for a miss.",
            "Ask whether Redis had anything: `is not None`, of what `redis.get` gave, before it is decoded.",
        ),
        "key_without_user": (
            "The key does not hold the user, so everybody is given the statistics of whoever came first.",
            'Put into the key all that the answer depends on: `f"stats:{user_id}"`, with the `f` in front.',
        ),
        "another_key": (
            "The value is stored under another key than the one that was asked for; who looks there finds nothing.",
            "Store under the key that you looked under, `stats:{user_id}`.",
        ),
        "never_stores": (
            "The value was loaded, and nothing was stored.",
            "After step 2 comes step 3: `await redis.set(...)`.",
        ),
        "no_ttl": (
            "Stored without a lifetime, the value stays for ever, however old it becomes.",
            "Give it a lifetime in the same command: `ex=300`.",
        ),
        "another_ttl": (
            "The value is stored for another time than 300 seconds.",
            "`ex` counts seconds, `px` milliseconds.",
        ),
        "not_json": (
            "What is stored is not the value as JSON: no other program could read it, and `json.loads` cannot.",
            "Make the text with `json.dumps(value)`; `str(value)` is Python's own way of writing.",
        ),
        "text_on_hit": (
            "At the miss your function gives the value, and at a hit the stored text.",
            "Decode what was found: `json.loads(...)`.",
        ),
        "always_loads": (
            "The value was in the cache, and `load` was called all the same: the cache saves nothing.",
            "Only where step 1 finds nothing comes step 2.",
        ),
        "not_from_redis": (
            "Another process had stored a value in Redis, and yours did not use it.",
            "Look in Redis each time: what lies in a variable no other process sees.",
        ),
        "never_loads": ("Nothing was stored, and `load` was not called.", "Where step 1 finds nothing comes step 2."),
        "loads_another": (
            "`load` was called for another user, or more than once.",
            "Step 2 is one call: `await load(user_id)`.",
        ),
        "removed_on_hit": (
            "After a hit the value was gone from Redis: the next request has to load it again.",
            "`redis.get` reads a value and leaves it where it is.",
        ),
        "another_type": (
            "The value is not stored as a STRING, so `redis.get` cannot read it.",
            "One value, one text: `await redis.set(key, json.dumps(value), ex=300)`.",
        ),
        "text_for_value": (
            "Your function gives the JSON text of the value instead of the value itself.",
            "The text is for Redis; answer with what `load` gave, or with what `json.loads` makes of the text.",
        ),
        "renewed_on_hit": (
            "Each hit begins the lifetime anew: what is asked for often is never loaded again, and grows old.",
            "Store only what was loaded. A hit is read, and leaves the key as it is.",
        ),
        "another_answer": ("That is not the user's value.", "What was loaded or found is the answer."),
    }

    @staticmethod
    async def cache_aside(redis, user_id, load):
        """A user's statistics, from the cache if they are there."""
        key = f"stats:{user_id}"
        stored = await redis.get(key)
        if stored is not None:
            return json.loads(stored)
        value = await load(user_id)
        await redis.set(key, json.dumps(value), ex=300)
        return value

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """A miss, a hit, another user, values that count as false, and what another process has stored."""
        await self._miss(redis, answer)
        await self._hit(redis, answer)
        for user, value in ((8, 0), (9, []), (10, None), (11, {"events": 1})):
            load = Loads({user: value})
            for _ in range(2):
                await self._compare(answer, redis, user, load)
            if len(load.called) > 1:
                self._refuse("always_loads" if value else "falsy_hit", user, f"load was called again for {value!r}")
        await redis.set("stats:12", '{"events": 2}', ex=300)
        load = Loads({12: {"events": 3}})
        result = await self.call_async(answer, redis, 12, load)
        if load.called or result != {"events": 2}:
            self._refuse("not_from_redis", 12, brief(result), "{'events': 2}")

    async def _miss(self, redis: Client, answer: Any) -> None:
        value = {"events": 33, "types": ["view", "click"]}
        load = Loads({7: copy.deepcopy(value)})
        result = await self.call_async(answer, redis, 7, load)
        if load.called != [7]:
            self._refuse("loads_another" if load.called else "never_loads", 7, f"load was called for {load.called}")
        if result != value:
            mistake = "text_for_value" if decoded(result) == value else "another_answer"
            self._refuse(mistake, 7, brief(result), brief(value))
        keys = [as_text(key) for key in await redis.keys("*")]
        if "stats:7" not in keys:  # others may stand beside it: a count, or the names of the user's keys
            mistake = "never_stores" if not keys else "another_key" if "7" in "".join(keys) else "key_without_user"
            self._refuse(mistake, 7, f"keys in Redis: {', '.join(keys) or 'none'}", "stats:7")
        milliseconds = await redis.pttl("stats:7")
        if not 290_000 < milliseconds <= 300_000:
            seconds = f"a lifetime of {milliseconds / 1000:g} s"
            self._refuse("no_ttl" if milliseconds < 0 else "another_ttl", 7, seconds, "300 s")
        if (kind := as_text(await redis.type("stats:7"))) != "string":
            self._refuse("another_type", 7, f"stored: a {kind.upper()}", "a STRING")
        content = as_text(await redis.get("stats:7"))
        if decoded(content) != value:
            self._refuse("not_json", 7, f"stored: {content}", json.dumps(value))

    async def _hit(self, redis: Client, answer: Any) -> None:
        await redis.pexpire("stats:7", 100_000)
        load = Loads({7: {"events": 33, "types": ["view", "click"]}})
        result = await self.call_async(answer, redis, 7, load)
        if load.called:
            self._refuse("always_loads", 7, "load was called again")
        if result != load.values[7]:
            mistake = "text_on_hit" if isinstance(result, str | bytes) else "another_answer"
            self._refuse(mistake, 7, brief(result), brief(load.values[7]))
        left = await redis.pttl("stats:7")
        if not 0 < left <= 100_000:
            mistake = {-1: "no_ttl", -2: "removed_on_hit"}.get(left, "renewed_on_hit")
            self._refuse(mistake, 7, "after a hit, the lifetime was changed or the key was gone")

    async def _compare(self, answer: Any, redis: Client, user: int, load: Loads) -> None:
        result = await self.call_async(answer, redis, user, load)
        if result != load.values[user] or isinstance(result, bool):
            self._refuse("another_answer", user, brief(result), brief(load.values[user]))

    def _refuse(self, mistake: str, user: int, got: str, expected: str = "") -> None:
        self.refuse(mistake, call=f"{self.name}(redis, {user}, load)", got=got, expected=expected)
