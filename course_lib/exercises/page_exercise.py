"""A page of two cached parts, and scenarios of its requests, for `split_key`."""

import inspect
from typing import Any

from course_lib.exercises.fakes import FAILURE, RecordingCache, RecordingLoader
from course_lib.exercises.judging import same
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.verdict import NotAttempted, Refusal, brief
from course_lib.lab.redis_server import Client


class Page:
    """A cache and the two loaders of a page; counts the loads of the platform part."""

    def __init__(self, redis: Client, users: dict[int, Any], platform: Any) -> None:
        self.cache = RecordingCache(redis)
        self.load_user = RecordingLoader(users)
        self.platform = platform
        self.platform_loads = 0

    def fail(self, loader: str) -> None:
        """Let a loader raise an error; user 1's, if it's `load_user`."""
        self._replace(loader, LookupError(FAILURE))

    def recover(self, loader: str) -> None:
        """Let it return another value than before."""
        self._replace(loader, {"events": 2_000})

    def loads(self, loader: str) -> int:
        """Return how often a loader was called."""
        return len(self.load_user.called) if loader == "load_user" else self.platform_loads

    def _replace(self, loader: str, value: Any) -> None:
        if loader == "load_user":
            self.load_user.values[1] = value
        else:
            self.platform = value

    async def load_platform(self) -> Any:
        """Return the platform part, or raise it if it is an error."""
        self.platform_loads += 1
        if isinstance(self.platform, Exception):
            raise self.platform
        return self.platform


class PageExercise(RedisExercise):
    """An exercise whose answer returns a page made of two cached parts."""

    async def failed_load(self, answer: Any, page: Page, loader: str) -> None:
        """Let a loader fail, which must not be stored; then another value is right."""
        failing = f"{self.name}(cache, 1, ...), and {loader} raises LookupError({FAILURE!r})"
        page.fail(loader)
        arguments = (page.cache, 1, page.load_user, page.load_platform)
        got, has_raised = await self.outcome(answer, *arguments)
        page.recover(loader)
        call = f"{self.name}(cache, 1, ...) after {loader} had raised an error"
        loads = page.loads(loader)
        await self.parts(answer, page, 1, "kept_in_process" if not loads else "failure_stored")
        if page.loads(loader) == loads:
            self.refuse("failure_stored", call=call, got=f"{loader} wasn't called again")
        mistakes = self.error_mistakes(got, has_raised, hidden="failure_hidden")
        self.refuse_first(mistakes, call=failing, got=got, expected="that error")

    async def invalidated(self, answer: Any, page: Page) -> None:
        """Invalidate the entries of user 1, whose part has to be loaded again."""
        await self.parts(answer, page, 1)
        await page.cache.invalidate_user_cache(1)
        await self.parts(answer, page, 1)
        if len(page.load_user.called) < 2:
            call = f"{self.name}(cache, 1, ...) after the entries of user 1 were invalidated"
            self.refuse("user_part_stays", call=call, got="load_user wasn't called again")

    async def falsy_parts(self, answer: Any, page: Page) -> None:
        """Get falsy parts twice; each has to be loaded once."""
        for _ in range(2):
            await self.parts(answer, page, 3)
        if page.platform_loads + len(page.load_user.called) > 2:
            call = f"{self.name}(cache, 3, ...), twice"
            self.refuse("falsy_hit", call=call, got="a part was loaded again")

    async def parts(
        self, answer: Any, page: Page, user: int, otherwise: str = "another_shape"
    ) -> None:
        """Get both parts for a user; refuse any others."""
        call = f"{self.name}(cache, {user}, load_user, load_platform)"
        arguments = (page.cache, user, page.load_user, page.load_platform)
        try:
            result = await self.call_async(answer, *arguments)
        except Refusal as refusal:
            if page.cache.was_given_coroutine:
                loader = "a function to call on a miss"
                self.refuse("loader_called", call=call, got="a coroutine", expected=loader)
            if "missing 1 required positional argument: 'user_id'" in refusal.got:
                self.refuse("loader_takes_user", call=call, got=refusal.got)
            raise
        parts = result if isinstance(result, dict) else {}
        if any(part is ... for part in parts.values()):
            raise NotAttempted
        self._refuse_coroutines(parts, call)
        expected = {"user": page.load_user.values[user], "platform": page.platform}
        if not same(result, expected):
            mistakes = self._mistakes(result, page, user)
            mistakes[otherwise] = True
            self.refuse_first(mistakes, call=call, got=brief(result), expected=brief(expected))

    def _mistakes(self, result: Any, page: Page, user: int) -> dict[str, bool]:
        """Return, for each misconception about the parts, whether the result shows it."""
        own = page.load_user.values[user]
        others = [value for other, value in page.load_user.values.items() if other != user]
        parts = result if isinstance(result, dict) else {}
        is_own_twice = same(result, {"user": own, "platform": own})
        are_two_parts = set(parts) == {"user", "platform"}
        return {
            "shared_user_key": any(same(parts.get("user"), value) for value in others),
            "same_loader": is_own_twice and user in page.load_user.called[:-1],
            "same_key_twice": is_own_twice,
            "kept_in_process": are_two_parts and same(parts["platform"], {"events": 1_000}),
        }

    def _refuse_coroutines(self, parts: dict[Any, Any], call: str) -> None:
        unfinished = [part for part in parts.values() if inspect.iscoroutine(part)]
        for part in unfinished:
            part.close()
        if unfinished:
            self.refuse("forgotten_await", call=call, got=brief(parts))

    def refuse_second_load(self, page: Page, mistake: str, call: str) -> None:
        """Refuse the answer if the platform part was loaded more than once."""
        if page.platform_loads > 1:
            self.refuse(mistake, call=call, got="load_platform was called again")

    async def ttls(self, redis: Client) -> None:
        """Expect the TTLs of the task for both parts."""
        seconds_of = {"user": 0.0, "platform": 0.0}
        for key in await redis.keys("*:entry:*"):
            content = await redis.get(key) or b""
            part = "platform" if b"1000" in content else "user"
            seconds_of[part] = await redis.pttl(key) / 1000
        user, platform = seconds_of["user"], seconds_of["platform"]
        if 260 < user <= 300 and 50 < platform <= 60:
            return
        mistakes = {
            "ttls_swapped": 260 < platform <= 300 and 50 < user <= 60,
            "one_ttl": min(user, platform) > 0.85 * max(user, platform),
            "another_ttl": True,
        }
        got = f"user's part {user:.0f} s, platform part {platform:.0f} s"
        self.refuse_first(mistakes, got=got, expected="300 s and 60 s, each up to a tenth less")
