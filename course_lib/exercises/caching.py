"""The exercises of lesson 1, caching. Each function is checked on a real Redis, under keys that nobody else sees."""

import asyncio
import copy
import inspect
import json
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from course_lib.cache import Cache
from course_lib.exercises.caching_choices import (
    choose_ttl,
    hit_rate,
    mystery,
    p90_cure,
    redis_types,
)
from course_lib.exercises.engine import Exercise, NotAttempted, Refusal, brief
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.welcome import as_number
from course_lib.lab.redis_server import Client

__all__ = [
    "cache_aside",
    "choose_ttl",
    "hit_rate",
    "invalidate_user",
    "jitter",
    "mystery",
    "p90_cure",
    "redis_types",
    "single_flight",
    "split_key",
]


class Loads:
    """A loader that knows a value for each user, and notes for whom it was called."""

    def __init__(self, values: dict[int, Any]) -> None:
        self.values = values
        self.called: list[Any] = []

    async def __call__(self, user_id: int) -> Any:
        """The value of a user."""
        self.called.append(user_id)
        return self.values.get(user_id)

    def __repr__(self) -> str:
        return "load"


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
        "never_loads": (
            "Nothing was stored, and `load` was not called.",
            "Where step 1 finds nothing comes step 2.",
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
        "another_answer": (
            "That is not the user's value.",
            "What was loaded or found is the answer.",
        ),
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
                self._refuse(
                    "always_loads" if value else "falsy_hit",
                    user,
                    f"load was called again for {value!r}",
                )
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
            self._refuse(
                "loads_another" if load.called else "never_loads",
                7,
                f"load was called for {load.called}",
            )
        if result != value:
            mistake = "text_for_value" if _decoded(result) == value else "another_answer"
            self._refuse(mistake, 7, brief(result), brief(value))
        keys = [_text(key) for key in await redis.keys("*")]
        if (
            "stats:7" not in keys
        ):  # others may stand beside it: a count, or the names of the user's keys
            mistake = (
                "never_stores"
                if not keys
                else "another_key"
                if "7" in "".join(keys)
                else "key_without_user"
            )
            self._refuse(mistake, 7, f"keys in Redis: {', '.join(keys) or 'none'}", "stats:7")
        milliseconds = await redis.pttl("stats:7")
        if not 290_000 < milliseconds <= 300_000:
            seconds = f"a lifetime of {milliseconds / 1000:g} s"
            self._refuse("no_ttl" if milliseconds < 0 else "another_ttl", 7, seconds, "300 s")
        if (kind := _text(await redis.type("stats:7"))) != "string":
            self._refuse("another_type", 7, f"stored: a {kind.upper()}", "a STRING")
        content = _text(await redis.get("stats:7"))
        if _decoded(content) != value:
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


class SplitKey(RedisExercise):
    """A key holds what the answer depends on, and nothing else."""

    lesson = "caching"
    name = "split_key"
    task = """Half of the answer of `/api/stats` is the user's own, half is the same for everybody. Cache each half
under a key of its own, with `await cache.get_or_set(key, loader, ttl)`:

- the **user's** part, `await load_user(user_id)`, for 300 seconds, under a key with the user in it
- the **platform's** part, `await load_platform()`, for 60 seconds, under one key for all

Answer `{"user": ..., "platform": ...}`. A loader is an async function without arguments: where one has to be called
with something, `lambda: load_user(user_id)` makes one."""
    stub = """async def split_key(cache, user_id, load_user, load_platform):
    user = await cache.get_or_set(f"stats:user:{user_id}", lambda: load_user(user_id), ttl=300)
    platform = ...
    return {"user": user, "platform": platform}"""
    hints = (
        "Who is given the same platform's part? What, then, does its key depend on?",
        "It depends on nobody, so its key is the same text for all: a name of your choice, with nothing to fill in.",
        "`load_platform` takes no argument, so it is a loader as it is: no lambda. And its lifetime is another one.",
    )
    praise = "What is the same for everybody is loaded once for everybody, and each part lives as long as suits it."
    refusals: ClassVar = {
        "one_key": (
            "Both parts lie under one key, so for each user the platform's totals are loaded and stored anew.",
            "Two parts, two keys: two calls of `get_or_set`.",
        ),
        "platform_key_has_user": (
            "For a second user the platform's totals were loaded again, and they are the same: its key holds the user.",
            "Take the user out of the platform's key.",
        ),
        "shared_user_key": (
            "A second user is given the first one's totals: the key of the user's part does not hold the user.",
            'Put the user into the key of the user\'s part: `f"...{user_id}"`, with the `f` in front.',
        ),
        "lifetimes_swapped": (
            "The lifetimes are the wrong way round: 300 seconds are the user's, 60 the platform's.",
            "The third argument of `get_or_set` is the lifetime of what that call stores.",
        ),
        "one_lifetime": (
            "Both parts live equally long. The point of two keys is also that each may have its own lifetime.",
            "Give 300 seconds to the user's part and 60 to the platform's.",
        ),
        "another_lifetime": (
            "A part is kept for another time than was asked for.",
            "300 seconds for the user's part, 60 for the platform's; `ttl` counts seconds.",
        ),
        "platform_not_cached": (
            "The platform's part was loaded again for the same user: it does not come from the cache.",
            "Let `cache.get_or_set` call `load_platform`.",
        ),
        "user_not_cached": (
            "The user's part was loaded again for the same user: it does not come from the cache.",
            "Let `cache.get_or_set` call the loader.",
        ),
        "falsy_hit": (
            "A part that was stored and counts as false (0, an empty list) was loaded again.",
            "`get_or_set` knows a stored 0 from nothing; with `get`, compare with a default of your own.",
        ),
        "loader_called": (
            "`get_or_set` was handed what the loader gives when it is called, and not the loader itself.",
            "It calls the loader only at a miss: hand over `load_platform` without parentheses, and where an argument "
            "is needed, `lambda: load_user(user_id)`.",
        ),
        "same_key_twice": (
            "Both parts lie under one key, so the second call finds what the first one stored.",
            "Two parts, two keys.",
        ),
        "platform_of_one_user": (
            "The platform's part was stored as if it were one user's: when that user's entries are removed, it goes "
            "too, for everybody.",
            "`user_id=` belongs to the user's part only.",
        ),
        "another_shape": (
            "That is not the answer of two parts.",
            'Answer `{"user": ..., "platform": ...}`, with what the loaders gave.',
        ),
    }

    @staticmethod
    async def split_key(cache, user_id, load_user, load_platform):
        """The totals of a user and of the platform, each from its own key."""
        user = await cache.get_or_set(f"stats:user:{user_id}", lambda: load_user(user_id), ttl=300)
        platform = await cache.get_or_set("stats:platform", load_platform, ttl=60)
        return {"user": user, "platform": platform}

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Two users, each twice; the lifetimes; and parts that count as false."""
        cache, loads, asked = Cache(redis), Loads({1: {"events": 3}, 11: {"events": 5}, 3: 0}), 0
        platform: Any = {"events": 1_000}

        async def load_platform() -> Any:
            nonlocal asked
            asked += 1
            return platform

        async def parts(user: int) -> None:
            call = f"{self.name}(cache, {user}, load_user, load_platform)"
            try:
                result = await self.call_async(answer, cache, user, loads, load_platform)
            except Refusal as refusal:
                if "pass the function, not the result" in refusal.got:
                    self.refuse(
                        "loader_called",
                        call=call,
                        got="a coroutine",
                        expected="a function to call at a miss",
                    )
                raise
            expected = {"user": loads.values[user], "platform": platform}
            if isinstance(result, dict) and any(part is ... for part in result.values()):
                raise NotAttempted
            self._refuse_coroutines(result, call)
            if user == 11 and isinstance(result, dict) and result.get("user") == loads.values[1]:
                self.refuse(
                    "shared_user_key", call=call, got=brief(result), expected=brief(expected)
                )
            if isinstance(result, dict) and result == {
                "user": loads.values[user],
                "platform": loads.values[user],
            }:
                self.refuse(
                    "same_key_twice", call=call, got=brief(result), expected=brief(expected)
                )
            if result != expected:
                self.refuse("another_shape", call=call, got=brief(result), expected=brief(expected))

        await parts(1)
        stored = await redis.keys("*:entry:*")
        await parts(1)
        again = f"{self.name}(cache, 1, load_user, load_platform), for the second time"
        if len(loads.called) > 1:
            self.refuse("user_not_cached", call=again, got="load_user was called again")
        if asked > 1:
            self.refuse("platform_not_cached", call=again, got="load_platform was called again")
        await parts(11)
        if asked > 1:
            mistake = "one_key" if len(stored) == 1 else "platform_key_has_user"
            self.refuse(
                mistake,
                call=f"{self.name}(cache, 11, ...) after user 1",
                got="load_platform was called again",
            )
        await self._lifetimes(redis)
        await cache.invalidate_user_cache(1)
        await parts(11)
        if asked > 1:
            call = f"{self.name}(cache, 11, ...) after the entries of user 1 were removed"
            self.refuse("platform_of_one_user", call=call, got="load_platform was called again")
        await redis.clear()
        platform, asked, loads.called = [], 0, []
        await parts(3)
        await parts(3)
        if asked + len(loads.called) > 2:
            self.refuse(
                "falsy_hit",
                call=f"{self.name}(cache, 3, ...), twice",
                got="a part was loaded again",
            )

    def _refuse_coroutines(self, result: Any, call: str) -> None:
        parts = result.values() if isinstance(result, dict) else ()
        unfinished = [part for part in parts if inspect.iscoroutine(part)]
        for part in unfinished:
            part.close()
        if unfinished:
            self.refuse("forgotten_await", call=call, got=brief(result))

    async def _lifetimes(self, redis: Client) -> None:
        lives: dict[bool, float] = {}
        for key in await redis.keys("*:entry:*"):
            lives[b"1000" in (await redis.get(key) or b"")] = await redis.pttl(key) / 1000
        user, platform = lives.get(False, 0), lives.get(True, 0)
        right = 260 < user <= 300 and 50 < platform <= 60
        if not right:
            swapped = 260 < platform <= 300 and 50 < user <= 60
            same = min(user, platform) > 0.85 * max(user, platform)
            mistake = (
                "lifetimes_swapped" if swapped else "one_lifetime" if same else "another_lifetime"
            )
            got = f"user's part {user:.0f} s, platform's {platform:.0f} s"
            self.refuse(mistake, got=got, expected="300 s and 60 s, each up to a tenth less")


class InvalidateUser(RedisExercise):
    """Write, then remove what the write has made old: of this user, and of nobody else."""

    lesson = "caching"
    name = "invalidate_user"
    task = """A user adds an event, and all that is cached for them is old. The keys of their entries stand in a SET
`keys:{user_id}`, such as `{"stats:1", "events:1"}` in `keys:1`; other requests may add to both at any time. Write
`invalidate_user(redis, user_id, write)`. Four steps are needed, and their order is yours to find:

- **answer** how many *entries* were removed (the SET is no entry)
- **find** the keys: `await redis.smembers(f"keys:{user_id}")`
- **remove** the entries and the SET: `await redis.delete(*keys)` takes any number of keys, but not none
- **write**: `await write()` puts the event into the database

And mind that user 1 is not user 10."""
    stub = """async def invalidate_user(redis, user_id, write):
    ...
    return ..."""
    hints = (
        "If the entries go first, what may somebody load and store before the write is done?",
        "First `await write()`. Then remove the members of the SET and the SET itself, in one `delete` or in two.",
        "`delete` with no key at all is an error: a user may have nothing cached. And the SET does not count.",
    )
    praise = "Written, then removed: whoever loads after this reads what was written. And user 10 keeps everything."
    refusals: ClassVar = {
        "delete_before_write": (
            "Entries were gone before the write: who asks in between loads the old state and stores it again, for its "
            "whole lifetime, or until a second removal.",
            "First `await write()`, then remove.",
        ),
        "finds_before_write": (
            "The keys were looked up before the write. What somebody stored meanwhile is not among them, and stays: "
            "old, and named by no SET any more.",
            "First `await write()`, then find, then remove.",
        ),
        "forgets_write": (
            "`write` was not called: the event is lost.",
            "Somewhere `await write()` is needed.",
        ),
        "writes_twice": (
            "`write` was called more than once: the event is there twice.",
            "Call it once.",
        ),
        "other_user_gone": (
            "Entries of user 10 are gone as well, when user 1 was asked for: `stats:1*` matches both.",
            "Take the keys from the SET `keys:{user_id}`, which holds this user's and nobody else's.",
        ),
        "searches_all_keys": (
            "To find the keys, all keys of the server were looked through: with a million of them everybody waits.",
            "Read the SET `keys:{user_id}`: it names them.",
        ),
        "flushes": (
            "That would remove everything of everybody.",
            "Remove the keys that `keys:{user_id}` names.",
        ),
        "entries_stay": (
            "Entries of the user are still there, and old.",
            "Remove each key that stands in the SET: `await redis.delete(*keys)`.",
        ),
        "forgets_the_set": (
            "The SET itself is still there: it would name keys that are gone, and grow with each round.",
            "Remove `keys:{user_id}` too.",
        ),
        "counts_the_set": (
            "The SET was counted as an entry.",
            "Count the entries only: remove the SET in a call of its own, or subtract it.",
        ),
        "another_count": (
            "That is not how many entries were removed.",
            "`delete` answers with the number of keys that it removed; or count the members of the SET.",
        ),
        "empty_set": (
            "For a user with nothing cached, `delete` was called without any key, which is an error.",
            "Look first whether there are any; or remove the SET in the same call, so that there is always one.",
        ),
    }

    @staticmethod
    async def invalidate_user(redis, user_id, write):
        """Write, then remove the entries of a user; how many there were."""
        await write()
        keys = await redis.smembers(f"keys:{user_id}")
        await redis.delete(f"keys:{user_id}", *keys)
        return len(keys)

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """User 1 with three entries beside users 10 and 12, then a user with none."""
        entries = {
            1: ["stats:1", "events:1", "page:1:2"],
            10: ["stats:10", "events:10"],
            12: ["stats:12"],
        }
        for user, keys in entries.items():
            for key in keys:
                await redis.set(key, "old")
            await redis.sadd(f"keys:{user}", *keys)
        redis.commands.clear()
        writes: list[int] = []

        async def write() -> None:
            await asyncio.sleep(0.01)  # a removal that does not wait for the write shows
            writes.append(await redis.exists(*entries[1]))
            await redis.set(
                "meanwhile:1", "old"
            )  # another request has missed, and stores what was before the write
            await redis.sadd("keys:1", "meanwhile:1")

        result = await self._call(redis, answer, 1, write)
        call = f"{self.name}(redis, 1, write)"
        left = {_text(key) for key in await redis.keys("*")}
        if writes and writes[0] < len(entries[1]):
            found = f"when `write` was called, {writes[0]} of user 1's {len(entries[1])} entries were left in Redis"
            self.refuse("delete_before_write", call=call, got=found, expected="all of them")
        for mistake, made in {
            "forgets_write": not writes,
            "writes_twice": len(writes) > 1,
            "other_user_gone": not {*entries[10], *entries[12], "keys:10", "keys:12"} <= left,
            "searches_all_keys": any(
                command[0] in {"KEYS", "SCAN"} for command in redis.commands[:-1]
            ),
            "entries_stay": left & set(entries[1]),
            "finds_before_write": "meanwhile:1" in left,
            "forgets_the_set": "keys:1" in left,
            "counts_the_set": result == 5,
            "another_count": isinstance(result, bool) or as_number(result) != 4,
        }.items():
            if made:
                self.refuse(
                    mistake,
                    call=call,
                    got=f"{brief(result)}, and left in Redis: {', '.join(sorted(left))}",
                )
        await self._other_users(redis, answer)

    async def _other_users(self, redis: Client, answer: Any) -> None:
        """A user with one entry, and one with none, for whom the write counts all the same."""
        written = 0

        async def write() -> None:
            nonlocal written
            written += 1

        for user, entries in ((12, 1), (99, 0)):
            written = 0
            result = await self._call(redis, answer, user, write)
            call = f"{self.name}(redis, {user}, write), of a user with {entries} entries"
            left = await redis.exists(f"stats:{user}", f"keys:{user}")
            for mistake, made in {
                "forgets_write": not written,
                "writes_twice": written > 1,
                "entries_stay": left,
                "counts_the_set": as_number(result) == entries + 1,
                "another_count": as_number(result) != entries,
            }.items():
                if made:
                    self.refuse(
                        mistake,
                        call=call,
                        got=f"{brief(result)}, after {written} writes",
                        expected=str(entries),
                    )

    async def _call(
        self, redis: Client, answer: Any, user: int, write: Callable[[], Awaitable[object]]
    ) -> Any:
        try:
            return await self.call_async(answer, redis, user, write)
        except Refusal as refusal:
            known = {
                "wrong number of arguments": "empty_set",
                "FLUSH": "flushes",
            }
            for words, mistake in known.items():
                if words in refusal.got:
                    self.refuse(mistake, call=f"{self.name}(redis, {user}, write)", got=refusal.got)
            raise


class SingleFlight(Exercise):
    """Of concurrent misses, one loads."""

    lesson = "caching"
    limit = 3.0
    name = "single_flight"
    task = """A hundred requests miss at once, and a hundred loads begin. Write `single_flight(flights, key, load)`: of
all who ask for the same key at the same time one calls `await load()`, and the others are given its result.

`flights` is a dict that all callers share; keep in it, by key, the task of the load that is under way:
`asyncio.create_task(load())`. Any number may await one task. `asyncio.shield(task)` lets a caller be cancelled
without the task being cancelled with it. When a load is over, its result or its error serves nobody who comes later."""
    imports = "import asyncio\n\n\n"
    stub = (
        imports
        + """async def single_flight(flights, key, load):
    # nobody is loading this key: make the task, and see to it that it goes when it is done
    return ...  # wait for the task"""
    )
    hints = (
        "Who comes first makes the task and puts it into the dict, before the first `await`. The others find it there.",
        "The load must be a task of its own, not a part of the first caller: else it ends when that caller gives up.",
        "`task.add_done_callback(lambda _: flights.pop(key, None))` removes it when it is over, however it ends.",
    )
    praise = (
        "One load for all who wait, an error for all who wait, and a new load for who comes after."
    )
    refusals: ClassVar = {
        "loads_each": (
            "Each caller loaded for itself.",
            "Between looking into `flights` and writing to it there may be no `await`; and the entry stays until the "
            "load is done (`add_done_callback` takes a function, such as a `lambda`).",
        ),
        "serves_for_ever": (
            "A caller that came after the load was over was given the old result.",
            "Remove the task from `flights` when it is done: a flight is no cache.",
        ),
        "failure_sticks": (
            "After a load that failed, who comes later is given the old error.",
            "Remove the task when it is done, also when it failed.",
        ),
        "failure_hidden": (
            "The load failed, and not everybody who waited for it was given the error.",
            "Let the error come out of the `await`.",
        ),
        "loads_again": (
            "The load failed, and those who had waited for it loaded once more, each for itself: a rush on a database "
            "that is in trouble already.",
            "Hand the error on to all who waited; who asks later may try again.",
        ),
        "one_for_all_keys": (
            "Callers of different keys were given the same result.",
            "Keep the flights by key.",
        ),
        "waits_in_line": (
            "A load of one key waited until that of another was done.",
            "One lock for all makes a queue of everything. Keep a task for each key.",
        ),
        "cancelled_with_first": (
            "The first caller was cancelled, and the others lost their load with it.",
            "`await asyncio.shield(task)`: then a caller's end is not the task's.",
        ),
        "removed_by_a_caller": (
            "One caller gave up, the load went on, and who came then loaded once more: the entry had left with the "
            "caller.",
            "Remove the task when the *task* is done, by its callback, and not when a caller is.",
        ),
        "cancelled_with_waiter": (
            "Of those who waited one was cancelled, and the load ended for all.",
            "Every caller waits by `asyncio.shield(task)`, not the first alone.",
        ),
        "swallows_cancellation": (
            "A caller that was cancelled went on as if nothing had happened.",
            "Let the CancelledError out.",
        ),
        "another_result": ("That is not what the load gave.", "Return what the task gives."),
    }

    @staticmethod
    async def single_flight(flights, key, load):
        """What `load` gives, called once for all who wait for the same key."""
        if key not in flights:
            flights[key] = asyncio.create_task(load())
            flights[key].add_done_callback(lambda _: flights.pop(key, None))
        return await asyncio.shield(flights[key])

    async def judge(self, answer: Any) -> None:
        """Ten at once, one after; two keys; a load that fails; a first caller that gives up."""
        flights: dict[str, Any] = {}
        calls, database_is_there = 0, True

        async def load() -> str:
            nonlocal calls
            calls += 1
            number = calls
            await asyncio.sleep(0.01)
            if not database_is_there:
                raise RuntimeError("no database")
            return f"load {number}"

        results = await asyncio.gather(
            *[self.call_async(answer, flights, "a", load) for _ in range(10)]
        )
        if calls > 1:
            self._refuse("loads_each", "ten calls at once", f"{calls} loads", "1 load")
        self._expect(results, ["load 1"] * 10, "ten calls at once", "another_result")
        await asyncio.sleep(0)
        self._expect(
            [await self.call_async(answer, flights, "a", load)],
            ["load 2"],
            "a later call",
            "serves_for_ever",
        )
        await self._two_keys(answer)
        await asyncio.sleep(0)
        database_is_there = False
        failures = await asyncio.gather(
            *[self.call_async(answer, flights, "a", load) for _ in range(3)], return_exceptions=True
        )
        if not all(isinstance(each, Refusal) and "no database" in each.got for each in failures):
            self._refuse(
                "failure_hidden",
                "three calls of a load that fails",
                brief(failures),
                "three errors",
            )
        if calls > 3:
            self._refuse(
                "loads_again",
                "three calls of a load that fails",
                f"{calls - 2} loads",
                "1 load, three errors",
            )
        database_is_there = True
        await asyncio.sleep(0)
        try:
            self._expect(
                [await self.call_async(answer, flights, "a", load)],
                ["load 4"],
                "a call after",
                "failure_sticks",
            )
        except Refusal as refusal:
            if "no database" not in refusal.got:
                raise
            self._refuse("failure_sticks", "a call after a load that failed", refusal.got, "load 4")
        for victim in (0, 1):
            await self._one_gives_up(answer, victim)

    async def _two_keys(self, answer: Any) -> None:
        flights: dict[str, Any] = {}
        other_begun = asyncio.Event()

        async def waits() -> str:
            await other_begun.wait()
            return "a"

        async def goes_on() -> str:
            other_begun.set()
            return "b"

        both = [
            asyncio.create_task(self.call_async(answer, flights, key, load))
            for key, load in (("a", waits), ("b", goes_on))
        ]
        _, waiting = await asyncio.wait(both, timeout=0.5)
        for task in waiting:
            task.cancel()
        ended = await asyncio.gather(*both, return_exceptions=True)
        results = [] if waiting else ended
        if not results:
            mistake = (
                "waits_in_line"
                if not other_begun.is_set() and len(flights) != 1
                else "one_for_all_keys"
            )
            self._refuse(mistake, "two keys at once", "no answer", "an answer for each")
        self._expect(results, ["a", "b"], "two keys at once", "one_for_all_keys")

    async def _one_gives_up(self, answer: Any, victim: int) -> None:
        """Of three callers the first, or the second, is cancelled; then a fourth comes, and then the load is done."""
        flights: dict[str, Any] = {}
        go_on, calls = asyncio.Event(), 0

        async def load() -> str:
            nonlocal calls
            calls += 1
            number = calls
            await go_on.wait()
            return f"load {number}"

        async def let_them_run() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        callers = [asyncio.ensure_future(answer(flights, "c", load)) for _ in range(3)]
        await let_them_run()
        callers[victim].cancel()
        await let_them_run()
        callers.append(asyncio.ensure_future(answer(flights, "c", load)))
        await let_them_run()
        go_on.set()
        ended = await asyncio.gather(*callers, return_exceptions=True)
        gave_up = ended.pop(victim)
        ended_too = any(isinstance(each, asyncio.CancelledError) for each in ended)
        for mistake, made in {
            "cancelled_with_first": ended_too and victim == 0,
            "cancelled_with_waiter": ended_too,
            "removed_by_a_caller": calls > 1,
            "swallows_cancellation": not isinstance(gave_up, asyncio.CancelledError),
        }.items():
            if made:
                call = f"of three callers the {('first', 'second')[victim]} was cancelled, then came a fourth"
                self._refuse(
                    mistake,
                    call,
                    f"{calls} loads; the others: {brief(ended)}",
                    "1 load, and its result for them",
                )

    def _expect(self, results: list[Any], expected: list[str], call: str, mistake: str) -> None:
        if results != expected:
            self._refuse(mistake, call, brief(results), brief(expected))

    def _refuse(self, mistake: str, call: str, got: str, expected: str) -> None:
        self.refuse(mistake, call=call, got=got, expected=expected)


class Jitter(Exercise):
    """What was stored together should not expire together, nor later than was promised."""

    lesson = "caching"
    name = "jitter"
    task = """At a restart a thousand keys are stored in one second, all with a TTL of 300: five minutes later they are
all loaded again in one second. Write `jitter(ttl)`: the lifetime (seconds) of one key, at random, evenly from
`0.9 * ttl` to `ttl`. Never longer than `ttl`, for that is how old a value may be."""
    imports = "import random\n\n\n"
    stub = imports + "def jitter(ttl):\n    return ..."
    hints = (
        "Python's `random.random()` gives a number from 0 to 1, and `random.uniform(a, b)` one from a to b.",
        "From which number to which? Both depend on `ttl`, so both are `ttl` times something.",
        "The lower end is `0.9 * ttl`, the upper end `ttl` itself.",
    )
    praise = "Spread over a tenth of the lifetime, and never beyond it."
    refusals: ClassVar = {
        "no_spread": (
            "All keys were given the same lifetime, so they still expire together.",
            "Ask `random` in each call.",
        ),
        "longer_than_promised": (
            "Some keys live longer than `ttl`: their values become older than was promised.",
            "Take away from `ttl`; do not add to it.",
        ),
        "too_short": (
            "Some keys live for less than nine tenths of `ttl`: more loads than need be.",
            "The lower end is `0.9 * ttl`.",
        ),
        "fixed_seconds": (
            "The spread is the same number of seconds for every TTL: too little for a long one, much for a short one.",
            "Make it a share of `ttl`.",
        ),
        "few_lifetimes": (
            "There are only a few different lifetimes, so what was stored together still expires in a few heaps.",
            "Keep the fraction of what `random.uniform` gives, in seconds, and round nothing.",
        ),
        "piled_up": (
            "Many keys were given the very same lifetime, an end of the range: what is cut off piles up there.",
            "Draw from the range itself, instead of drawing from a wider one and cutting.",
        ),
        "uneven": (
            "The lifetimes crowd in a part of the range: more keys expire together there than need be.",
            "Evenly means that every part of the range is as likely: `random.uniform`.",
        ),
        "a_share_alone": (
            "That is a share, from 0.9 to 1, and no lifetime.",
            "Multiply it by `ttl`.",
        ),
        "milliseconds": (
            "That is a thousand times too long: `ttl` counts seconds.",
            "Give seconds.",
        ),
        "too_narrow": (
            "The lifetimes do not fill the range from `0.9 * ttl` to `ttl`.",
            "`random.uniform` takes the two ends.",
        ),
    }

    @staticmethod
    def jitter(ttl):
        """A lifetime, evenly spread over the last tenth before `ttl`."""
        return random.uniform(0.9 * ttl, ttl)

    def judge(self, answer: Any) -> None:
        """Four hundred lifetimes of a long TTL and of a short one."""
        long, short = self._lifetimes(answer, 1_000), self._lifetimes(answer, 5)
        spread = max(long) - min(long)
        quarters = [
            sum(int(4 * (each - 900) / 100.001) == quarter for each in long) for quarter in range(4)
        ]
        most = max(Counter(long).values())
        for mistake, made, got in (
            ("a_share_alone", max(long) <= 1, f"up to {max(long):.2f} for a TTL of 1000"),
            ("milliseconds", min(long) >= 100_000, f"up to {max(long):,.0f} for a TTL of 1000"),
            ("no_spread", spread == 0, f"always {long[0]:g}"),
            (
                "fixed_seconds",
                abs(spread - (max(short) - min(short))) < 0.1 * spread,
                f"a spread of {spread:.0f} s",
            ),
            (
                "longer_than_promised",
                max(long) > 1_000 or max(short) > 5,
                f"up to {max(long):.1f} for a TTL of 1000",
            ),
            (
                "few_lifetimes",
                len(set(short)) < 20,
                f"{len(set(short))} different lifetimes for a TTL of 5",
            ),
            (
                "too_short",
                min(long) < 899.9 or min(short) < 4.49,
                f"down to {min(long):.1f} for a TTL of 1000",
            ),
            ("piled_up", most > 20, f"{most} of 400 keys with the same lifetime"),
            (
                "too_narrow",
                spread < 93,
                f"from {min(long):.1f} to {max(long):.1f} for a TTL of 1000",
            ),
            (
                "uneven",
                not 55 <= min(quarters) <= max(quarters) <= 150,
                f"by quarters of the range: {quarters} keys",
            ),
        ):
            if made:
                self.refuse(
                    mistake, call=f"{self.name}(1000) and {self.name}(5), 400 times each", got=got
                )

    def _lifetimes(self, answer: Any, ttl: int) -> list[float]:
        found = []
        for _ in range(400):
            result = self.call(answer, ttl)
            seconds = as_number(result)
            if seconds is None or math.isnan(seconds):
                self.refuse(
                    "wrong_type",
                    call=self.called(ttl),
                    got=brief(result),
                    expected="a number of seconds",
                )
            found.append(seconds)
        return found


def _decoded(content: Any) -> Any:
    """What JSON makes of a text; None where it is none."""
    try:
        return json.loads(content)
    except (TypeError, ValueError):
        return None


def _text(content: Any) -> str:
    return content.decode(errors="replace") if isinstance(content, bytes) else str(content)


cache_aside = CacheAside()
split_key = SplitKey()
invalidate_user = InvalidateUser()
single_flight = SingleFlight()
jitter = Jitter()
