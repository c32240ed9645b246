"""Exercise: one key for each part of a response."""

from typing import Any, ClassVar

from course_lib.exercises.page_exercise import Page, PageExercise
from course_lib.lab.redis_server import Client

USERS = (1, 11, 1_100_011, 1_100_012)


class SplitKey(PageExercise):
    """A key contains what the value depends on, and nothing else."""

    lesson = "caching"
    name = "split_key"
    task = """Half of the response of `/api/stats` is the user's own, and half is the same for every
user. Cache each half under its own key, with `await cache.get_or_set(key, loader, ttl)`:

- the **user's** part, `await load_user(user_id)`, for 300 seconds, under a key that contains the
  user; also pass `user_id=user_id`, so that the cache can remove it when this user writes
- the **platform's** part, `await load_platform()`, for 60 seconds, under one key for all users

Return `{"user": ..., "platform": ...}`. A loader is an async function without arguments. If yours
takes an argument, wrap it: `lambda: load_user(user_id)`. If a loader raises an error, let it reach
the caller."""
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
        "ttls_swapped": (
            "The TTLs are the wrong way around: 300 seconds is the user's, 60 the platform's.",
            "The third argument of `get_or_set` is the TTL of what that call stores.",
        ),
        "one_ttl": (
            "Both parts have the same TTL. Another point of two keys is that each can have its "
            "own.",
            "Set 300 seconds for the user's part and 60 for the platform's.",
        ),
        "another_ttl": (
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
            "A falsy part (0, an empty list, None) was stored, and loaded again.",
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
        "user_part_stays": (
            "The user's entries were invalidated, and the user's part is still cached: after a "
            "write, this user sees the old totals for up to five minutes.",
            "Pass `user_id=user_id` with the user's part, so that the cache knows whose it is.",
        ),
        "loader_takes_user": (
            "The cache calls a loader without arguments, and this one needs the user.",
            "Wrap it: `lambda: load_user(user_id)`, with nothing between `lambda` and the colon.",
        ),
        "same_loader": (
            "Each part has a key of its own, but both come from the same loader.",
            "The platform's part comes from `load_platform`, the user's from `load_user`.",
        ),
        "key_changes": (
            "The same request stored a part under a new key each time, so nothing is ever found "
            "again.",
            "Put into a key only what the value depends on: no time, no random number.",
        ),
        "kept_in_process": (
            "A part is stale: your function kept it in a variable. Other processes don't see that, "
            "and no invalidation removes it.",
            "Call `cache.get_or_set` for each request, and keep nothing yourself.",
        ),
        "failure_stored": (
            "A loader raised an error, and something was stored all the same.",
            "Let the error reach the caller: `get_or_set` stores nothing then.",
        ),
        "failure_hidden": (
            "A loader raised an error, and your function returned as if nothing had happened.",
            "Let the error reach the caller: don't catch it.",
        ),
        "another_shape": (
            "The response isn't made of the two parts that the loaders returned.",
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
        """Try similar users, each twice; the TTLs, an invalidation, a failure, falsy parts."""
        page = Page(
            redis,
            {user: {"events": 3 + number} for number, user in enumerate(USERS)},
            {"events": 1_000},
        )
        await self.parts(answer, page, 1)
        stored = await redis.keys("*:entry:*")
        await self.parts(answer, page, 1)
        again = f"{self.name}(cache, 1, load_user, load_platform), for the second time"
        has_new_keys = len(await redis.keys("*:entry:*")) > len(stored)
        self.refuse_first(
            {
                "key_changes": has_new_keys,
                "user_not_cached": len(page.load_user.called) > 1,
                "platform_not_cached": page.platform_loads > 1,
            },
            call=again,
            got=f"load_user was called for {page.load_user.called}, load_platform "
            f"{page.platform_loads} times",
        )
        for user in USERS[1:]:
            await self.parts(answer, page, user)
        mistake = "one_key" if len(stored) == 1 else "platform_key_has_user"
        self.refuse_second_load(page, mistake, f"{self.name}(cache, 11, ...) after user 1")
        await self.ttls(redis)
        await page.cache.invalidate_user_cache(1)
        await self.parts(answer, page, 11)
        call = f"{self.name}(cache, 11, ...) after the entries of user 1 were invalidated"
        self.refuse_second_load(page, "platform_of_one_user", call)
        await redis.clear()
        for loader in ("load_platform", "load_user"):
            page = Page(redis, {1: {"events": 0}}, {"events": 3_000})
            await self.failed_load(answer, page, loader)
            await redis.clear()
        for part in (0, None):
            await self.falsy_parts(answer, Page(redis, {3: part}, []))
            await redis.clear()
        await self.invalidated(answer, Page(redis, {1: {"events": 3}}, {"events": 1_000}))
