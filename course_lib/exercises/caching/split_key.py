"""Exercise: one key for each part of a response."""

import inspect
from typing import Any, ClassVar

from course_lib.exercises.fakes import RecordingCache, RecordingLoader
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.verdict import NotAttempted, Refusal, brief
from course_lib.lab.redis_server import Client


class SplitKey(RedisExercise):
    """A key contains what the value depends on, and nothing else."""

    lesson = "caching"
    name = "split_key"
    task = """Half of the response of `/api/stats` is the user's own, and half is the same for every
user. Cache each half under its own key, with `await cache.get_or_set(key, loader, ttl)`:

- the **user's** part, `await load_user(user_id)`, for 300 seconds, under a key that contains the
  user; `user_id=` marks it as theirs, so that a write of theirs can remove it
- the **platform's** part, `await load_platform()`, for 60 seconds, under one key for all users

Return `{"user": ..., "platform": ...}`. A loader is an async function without arguments. If yours
takes an argument, wrap it: `lambda: load_user(user_id)`."""
    stub = """async def split_key(cache, user_id, load_user, load_platform):
    user = await cache.get_or_set(
        f"stats:user:{user_id}", lambda: load_user(user_id), ttl=300, user_id=user_id
    )
    platform = ...
    return {"user": user, "platform": platform}"""
    hints = (
        "Which users get the same platform part? So what does its key depend on?",
        "It depends on no user, so the key is the same text for all of them: any name, with "
        "nothing to fill in.",
        "`load_platform` takes no argument, so it's a loader already: no lambda. And its TTL is "
        "different.",
    )
    praise = (
        "What is the same for all users is loaded once for all of them, and each part has the TTL "
        "that suits it."
    )
    refusals: ClassVar = {
        "one_key": (
            "Both parts share one key, so the platform totals are loaded and stored again for "
            "every user.",
            "Two parts, two keys: two calls of `get_or_set`.",
        ),
        "platform_key_has_user": (
            "For a second user the platform totals were loaded again, though they're the same: "
            "their key contains the user.",
            "Take the user out of the platform's key.",
        ),
        "shared_user_key": (
            "A second user gets the first one's totals: the key of the user's part doesn't contain "
            "the user.",
            'Put the user into the key: `f"...{user_id}"`, with the `f` in front.',
        ),
        "lifetimes_swapped": (
            "The TTLs are the wrong way around: 300 seconds is the user's, 60 the platform's.",
            "The third argument of `get_or_set` is the TTL of what that call stores.",
        ),
        "one_lifetime": (
            "Both parts have the same TTL. Another point of two keys is that each can have its "
            "own.",
            "Set 300 seconds for the user's part and 60 for the platform's.",
        ),
        "another_lifetime": (
            "The TTL of a part isn't what the task asks for.",
            "300 seconds for the user's part, 60 for the platform's; `ttl` is in seconds.",
        ),
        "platform_not_cached": (
            "The platform part was loaded again for the same user: it doesn't come from the cache.",
            "Let `cache.get_or_set` call `load_platform`.",
        ),
        "user_not_cached": (
            "The user's part was loaded again for the same user: it doesn't come from the cache.",
            "Let `cache.get_or_set` call the loader.",
        ),
        "falsy_hit": (
            "A falsy part (0, an empty list) was stored, and loaded again.",
            "`get_or_set` can tell a stored 0 from a miss; with `get`, compare with a default of "
            "your own.",
        ),
        "loader_called": (
            "`get_or_set` got the result of calling the loader, not the loader itself.",
            "It calls the loader only on a miss: pass `load_platform` without parentheses, and if "
            "an argument is needed, `lambda: load_user(user_id)`.",
        ),
        "same_key_twice": (
            "Both parts have the same key, so the second call finds what the first one stored.",
            "Two parts, two keys.",
        ),
        "platform_of_one_user": (
            "The platform part was stored as one user's: invalidating that user's entries removes "
            "it for every user.",
            "Pass `user_id=` only for the user's part.",
        ),
        "another_shape": (
            "That's not a response made of two parts.",
            'Return `{"user": ..., "platform": ...}`, with what the loaders returned.',
        ),
    }

    @staticmethod
    async def split_key(cache, user_id, load_user, load_platform):
        """Return the totals of a user and of the platform, each from its own key."""
        user = await cache.get_or_set(
            f"stats:user:{user_id}", lambda: load_user(user_id), ttl=300, user_id=user_id
        )
        platform = await cache.get_or_set("stats:platform", load_platform, ttl=60)
        return {"user": user, "platform": platform}

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Try two users, each twice; then the TTLs, an invalidation, and falsy parts."""
        page = _Page(redis, {1: {"events": 3}, 11: {"events": 5}}, {"events": 1_000})
        await self._parts(answer, page, 1)
        stored = await redis.keys("*:entry:*")
        await self._parts(answer, page, 1)
        again = f"{self.name}(cache, 1, load_user, load_platform), for the second time"
        if len(page.load_user.called) > 1:
            self.refuse("user_not_cached", call=again, got="load_user was called again")
        self._refuse_second_load(page, "platform_not_cached", again)
        await self._parts(answer, page, 11)
        mistake = "one_key" if len(stored) == 1 else "platform_key_has_user"
        self._refuse_second_load(page, mistake, f"{self.name}(cache, 11, ...) after user 1")
        await self._ttls(redis)
        await page.cache.invalidate_user_cache(1)
        await self._parts(answer, page, 11)
        call = f"{self.name}(cache, 11, ...) after the entries of user 1 were invalidated"
        self._refuse_second_load(page, "platform_of_one_user", call)
        await redis.clear()
        await self._falsy_parts(answer, _Page(redis, {3: 0}, []))

    async def _falsy_parts(self, answer: Any, page: "_Page") -> None:
        for _ in range(2):
            await self._parts(answer, page, 3)
        if page.platform_loads + len(page.load_user.called) > 2:
            call = f"{self.name}(cache, 3, ...), twice"
            self.refuse("falsy_hit", call=call, got="a part was loaded again")

    async def _parts(self, answer: Any, page: "_Page", user: int) -> None:
        """Get both parts for a user; refuse any others."""
        call = f"{self.name}(cache, {user}, load_user, load_platform)"
        arguments = (page.cache, user, page.load_user, page.load_platform)
        try:
            result = await self.call_async(answer, *arguments)
        except Refusal:
            if page.cache.was_given_coroutine:
                expected = "a function to call on a miss"
                self.refuse("loader_called", call=call, got="a coroutine", expected=expected)
            raise
        own, platform = page.load_user.values[user], page.platform
        expected_parts = {"user": own, "platform": platform}
        parts = result if isinstance(result, dict) else {}
        if any(part is ... for part in parts.values()):
            raise NotAttempted
        self._refuse_coroutines(parts, call)
        mistakes = {
            "shared_user_key": user == 11 and parts.get("user") == page.load_user.values[1],
            "same_key_twice": result == {"user": own, "platform": own},
            "another_shape": result != expected_parts,
        }
        self.refuse_first(mistakes, call=call, got=brief(result), expected=brief(expected_parts))

    def _refuse_coroutines(self, parts: dict[Any, Any], call: str) -> None:
        unfinished = [part for part in parts.values() if inspect.iscoroutine(part)]
        for part in unfinished:
            part.close()
        if unfinished:
            self.refuse("forgotten_await", call=call, got=brief(parts))

    def _refuse_second_load(self, page: "_Page", mistake: str, call: str) -> None:
        if page.platform_loads > 1:
            self.refuse(mistake, call=call, got="load_platform was called again")

    async def _ttls(self, redis: Client) -> None:
        seconds_of = {"user": 0.0, "platform": 0.0}
        for key in await redis.keys("*:entry:*"):
            content = await redis.get(key) or b""
            part = "platform" if b"1000" in content else "user"
            seconds_of[part] = await redis.pttl(key) / 1000
        user, platform = seconds_of["user"], seconds_of["platform"]
        if 260 < user <= 300 and 50 < platform <= 60:
            return
        mistakes = {
            "lifetimes_swapped": 260 < platform <= 300 and 50 < user <= 60,
            "one_lifetime": min(user, platform) > 0.85 * max(user, platform),
            "another_lifetime": True,
        }
        got = f"user's part {user:.0f} s, platform part {platform:.0f} s"
        self.refuse_first(mistakes, got=got, expected="300 s and 60 s, each up to a tenth less")


class _Page:
    """A cache and the two loaders of a page; counts the loads of the platform part."""

    def __init__(self, redis: Client, users: dict[int, Any], platform: Any) -> None:
        self.cache = RecordingCache(redis)
        self.load_user = RecordingLoader(users)
        self.platform = platform
        self.platform_loads = 0

    async def load_platform(self) -> Any:
        self.platform_loads += 1
        return self.platform
