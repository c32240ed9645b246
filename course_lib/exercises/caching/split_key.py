"""A key holds what the answer depends on, and nothing else."""

import inspect
from typing import Any, ClassVar

from course_lib.cache import Cache
from course_lib.exercises.engine import NotAttempted, Refusal, brief
from course_lib.exercises.fakes import Loads
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.lab.redis_server import Client


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
                if "hand over the loader itself" in refusal.got:
                    self.refuse("loader_called", call=call, got="a coroutine", expected="a function to call at a miss")
                raise
            expected = {"user": loads.values[user], "platform": platform}
            if isinstance(result, dict) and any(part is ... for part in result.values()):
                raise NotAttempted
            self._refuse_coroutines(result, call)
            if user == 11 and isinstance(result, dict) and result.get("user") == loads.values[1]:
                self.refuse("shared_user_key", call=call, got=brief(result), expected=brief(expected))
            if isinstance(result, dict) and result == {"user": loads.values[user], "platform": loads.values[user]}:
                self.refuse("same_key_twice", call=call, got=brief(result), expected=brief(expected))
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
            self.refuse(mistake, call=f"{self.name}(cache, 11, ...) after user 1", got="load_platform was called again")
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
            self.refuse("falsy_hit", call=f"{self.name}(cache, 3, ...), twice", got="a part was loaded again")

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
            mistake = "lifetimes_swapped" if swapped else "one_lifetime" if same else "another_lifetime"
            got = f"user's part {user:.0f} s, platform's {platform:.0f} s"
            self.refuse(mistake, got=got, expected="300 s and 60 s, each up to a tenth less")
