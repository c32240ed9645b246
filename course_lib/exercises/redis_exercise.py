"""The base of exercises whose answers run on Redis: a real server, and keys of their own."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from redis.exceptions import RedisError

from course_lib.exercises.answers import as_text
from course_lib.exercises.engine import Exercise
from course_lib.exercises.fakes import FAILURE
from course_lib.exercises.verdict import Refusal, brief
from course_lib.lab import redis_server
from course_lib.lab.redis_server import Client

SPARE_DATABASE = 15  # the lessons use database 0
# The client of the check that is running. A context variable, because several may run at once.
_redis: ContextVar[Client] = ContextVar("_redis")


@dataclass(frozen=True)
class Entry:
    """A key's type, TTL and content."""

    kind: str
    """Its type in Redis; "none" if there's no such key."""
    seconds: float | None
    """Its TTL; None if it has none."""
    content: str

    @classmethod
    async def read(cls, redis: Client, key: str) -> Self:
        """Return what is stored under a key now."""
        kind = as_text(await redis.type(key))
        milliseconds = await redis.pttl(key)
        seconds = milliseconds / 1_000 if milliseconds >= 0 else None
        content = as_text(await redis.get(key)) if kind == "string" else ""
        return cls(kind, seconds, content)

    def __str__(self) -> str:
        ttl = "no TTL" if self.seconds is None else f"a TTL of {self.seconds:g} s"
        return f"a {self.kind.upper()} with {ttl}: {self.content}"


class DatabaseClient(Client):
    """A client with a database of our own server to itself."""

    def execute_command(self, name: Any, *arguments: Any, **options: Any) -> Any:
        """Send a command. Raises ValueError if it would remove what other cells have stored."""
        if str(name).upper() in {"FLUSHALL", "FLUSHDB"}:
            raise ValueError(f"{name} is not sent: it would remove every key of every user")
        return super().execute_command(name, *arguments, **options)

    async def clear(self) -> int:
        """Remove all keys of this database and return how many there were."""
        keys = await self.keys("*")
        return int(await self.unlink(*keys)) if keys else 0


class RedisExercise(Exercise):
    """An exercise whose answer runs on Redis."""

    limit = 3.0
    refusals: ClassVar = {
        "error_group": (
            "The error came in an ExceptionGroup: a `TaskGroup` wraps the errors of its tasks, so "
            "the caller's `except LookupError` doesn't catch it.",
            "Use `await asyncio.gather(...)`, which raises the error itself.",
        ),
    }
    whole_database: ClassVar[bool] = False
    """True if keys must have no prefix, for scripts; on a server that isn't ours they have one."""

    @asynccontextmanager
    async def resources(self) -> AsyncIterator[None]:
        """Connect to a namespace that looks like an empty Redis, and remove its keys afterwards."""
        redis = self._client()
        _redis.set(redis)
        try:
            yield
        finally:
            for _ in range(3):  # on a busy machine Redis may respond late, once
                try:
                    async with asyncio.timeout(self.limit):
                        await redis.clear()
                        await redis.connection_pool.disconnect()
                        break
                except (TimeoutError, RedisError):
                    if any(command.startswith("EVAL") for command, *_ in redis.commands):
                        redis_server.end_script()

    def _client(self) -> Client:
        if self.whole_database and redis_server.is_ours():
            return DatabaseClient(f"{redis_server.url()}?db={SPARE_DATABASE}")
        return redis_server.client(f"check-{secrets.token_hex(6)}")

    async def judge(self, answer: Any) -> None:
        """Judge the answer on this Redis."""
        await self.judge_on(_redis.get(), answer)

    async def outcome(self, answer: Any, *arguments: Any) -> tuple[str, bool]:
        """Return the result of a call as text and False, or the error it raises and True."""
        try:
            result = await self.call_async(answer, *arguments)
        except Refusal as refusal:
            return refusal.got, True
        return brief(result), False

    @staticmethod
    def error_mistakes(got: str, has_raised: bool, *, hidden: str) -> dict[str, bool]:
        """Return what may be wrong with the `outcome` of a call whose loader or write failed.

        `hidden` is the misconception if no error reached the caller.
        """
        return {
            hidden: not has_raised,
            "error_group": got.startswith("ExceptionGroup"),
            "another_error": got != f"LookupError: {FAILURE}",
        }

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Judge the answer on a Redis without keys. Subclasses implement this."""
        raise NotImplementedError
