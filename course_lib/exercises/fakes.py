"""Stand-ins that a check passes to an answer, and that record how the answer used them."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Self

from fastapi import FastAPI

from course_lib.cache import Cache
from course_lib.limiter import RateLimiter

FAILURE = "no such user"


class RecordingLoader:
    """A loader with a value for each user; records which users it was called for.

    A value that's an error is raised.
    """

    def __init__(self, values: dict[int, Any]) -> None:
        self.values = values
        self.called: list[Any] = []

    async def __call__(self, user_id: int) -> Any:
        """Return the value of a user."""
        self.called.append(user_id)
        value = self.values.get(user_id)
        if isinstance(value, Exception):
            raise value
        return value

    __call__.__qualname__ = "load"  # in the message of a call with other arguments

    def __repr__(self) -> str:
        return "load"


class CountingDatabase:
    """Something to load from. It counts its loads, and can be paused or down."""

    def __init__(self, *, is_paused: bool = False) -> None:
        self.loads = 0
        self.cancelled = 0
        self.is_up = True
        self.is_paused = is_paused
        self.resume = asyncio.Event()

    async def load(self) -> str:
        """Return the number of this load. Raises RuntimeError if the database is down."""
        self.loads += 1
        number = self.loads
        if self.is_paused:
            try:
                await self.resume.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        else:
            await asyncio.sleep(0.01)
        if not self.is_up:
            raise RuntimeError("no database")
        return f"load {number}"


class RecordingCache(Cache):
    """A cache that records whether it was passed a coroutine as a loader."""

    was_given_coroutine = False

    def __repr__(self) -> str:
        return "cache"

    async def get_or_set(self, key: str, loader: Any, *arguments: Any, **options: Any) -> Any:
        """Do what the cache does."""
        self.was_given_coroutine |= inspect.iscoroutine(loader)
        return await super().get_or_set(key, loader, *arguments, **options)


class NamedFunction:
    """A function with a name to show to the learner; its copy is itself."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name, self._function = name, function

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        return self._function(*arguments)

    def __repr__(self) -> str:
        return self._name

    def __deepcopy__(self, _: object) -> Self:
        return self


class RecordingLimiter(RateLimiter):
    """A limiter that records which limits its decorator was given, and what it made."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.limits: list[Any] = []
        self._limited: list[Any] = []

    def limit(self, *arguments: Any, **options: Any) -> Any:
        """Do what the limiter does."""
        self.limits += arguments[:1]
        limit = super().limit(*arguments, **options)

        def recorded(*decorated: Any, **checked: Any) -> Any:
            self._limited.append(limit(*decorated, **checked))
            return self._limited[-1]

        # It may be a dependency, whose arguments FastAPI reads from its signature.
        vars(recorded)["__signature__"] = inspect.signature(limit)
        return recorded

    @property
    def is_applied(self) -> bool:
        """True if its decorator has decorated a function, or was called as a dependency."""
        return bool(self._limited)

    def is_on_a_route(self, app: FastAPI) -> bool:
        """Return True if a limited function responds at a route of the app."""
        endpoints = [getattr(route, "endpoint", None) for route in app.routes]
        return any(limited in endpoints for limited in self._limited)

    def __repr__(self) -> str:
        return "limiter"
