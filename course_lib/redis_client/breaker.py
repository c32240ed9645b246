"""Guard calls to Redis with time limits and a circuit breaker.

A Redis that is down, paused or unreachable must not hold up requests. So each command has a time
limit, and after several failures in a row the breaker opens (Nygard, "Release It!", 2007). Until
Redis is back, commands are rejected at once, instead of each running into the time limit:

               `failures` in a row
    closed -------------------------> open: commands raise RedisUnavailable at once
      ^                                |                       ^
      |                                | after `retry_after`   | it fails
      |          it succeeds           v                       |
      +------------------------------ one trial command -------+

In a cluster each node has a breaker of its own, so that one dead node doesn't make the keys of the
others unavailable: `CircuitBreaker.of(redis, key)` returns the breaker of the key's node.

A command's life, in `CircuitBreaker.call`. `refusals.py` tells failures from callers' mistakes:

    start --+-- open, and no trial is due ------------------------------> RedisUnavailable
            +-- wait for a slot --+-- the breaker opens ----------------> RedisUnavailable
                                  +-- run --+-- no reply, or a failure -> RedisUnavailable, counted
                                            +-- a caller's mistake -----> redis-py's error
                                            +-- a reply ----------------> the reply
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary, ref

from redis.asyncio import ConnectionPool, Redis

from course_lib.checks import check_seconds
from course_lib.redis_client import refusals
from course_lib.redis_client.connections import (
    Source,
    check_source,
    forget,
    node_of,
    running_loop,
    source_of,
    split_connections,
)
from course_lib.redis_client.guarded_connection import guard_connections
from course_lib.redis_client.idle_connections import IdleConnections
from course_lib.redis_client.outage_log import OutageLog
from course_lib.redis_client.settings import Setting, check_failures, check_settings
from course_lib.redis_client.slots import Slots
from course_lib.redis_client.time_limits import CONNECT_TIMEOUT, TimeLimits

T = TypeVar("T")


class RedisUnavailable(Exception):  # noqa: N818  a condition that callers handle by their policy
    """Redis didn't reply in time, can't be reached, replied "not now", or the breaker is open.

    `reason` is a word for a metric's label: "timeout", "connection", "protocol" (a garbled reply),
    "open" (the breaker), "wrongtype" (another program keeps replacing our keys), or the code of
    Redis's reply, for example "loading", "busy", "readonly" or "oom".
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class CircuitBreaker:
    """Guards calls to Redis. Each pool and each node has one; get it from `CircuitBreaker.of`.

    - `time_limit`: seconds for a command, counted from when it has a connection. By default 0.08,
      or twice as long as the fastest connection took to make: then Redis is far away.
    - `connect_timeout`: seconds for making a connection: TCP, TLS, password and database.
    - `failures`: failures in a row that open the breaker.
    - `retry_after`: seconds until an open breaker lets a single command through as a trial.

    Each running command needs a connection, so no more run at once than the pool can serve. The
    others wait, and are rejected as soon as the breaker opens.
    """

    failures: int = Setting(check_failures)  # type: ignore[assignment]
    retry_after: float = Setting(check_seconds)  # type: ignore[assignment]
    _of_sources: ClassVar[WeakKeyDictionary[Source, "CircuitBreaker"]] = WeakKeyDictionary()

    def __init__(
        self,
        source: Source,
        *,
        time_limit: float | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        failures: int = 3,
        retry_after: float = 1.0,
    ) -> None:
        check_settings(time_limit, connect_timeout, failures, retry_after)
        check_source(source)
        if source in self._of_sources:
            raise ValueError("source has a breaker already: get it from CircuitBreaker.of(redis)")
        self.failures = failures
        self.retry_after = retry_after
        self._limits = TimeLimits(time_limit, connect_timeout)
        self._source = ref(source)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._of_nodes: dict[str, CircuitBreaker] = {}  # only in a cluster
        self._node_slots, rest = split_connections(source)
        self._idle_connections = IdleConnections(rest)
        self._start("Redis", self._node_slots if isinstance(source, ConnectionPool) else rest)
        guard_connections(source, self)
        self._of_sources[source] = self

    @classmethod
    def of(cls, redis: Redis, key: str | bytes | None = None) -> "CircuitBreaker":
        """Return the breaker of a client's pool. Clients that share a pool share its breaker.

        In a cluster, return the breaker of the node that has `key`. Without a key, or before the
        client has read the cluster's slots, it's one for the whole cluster. Its settings apply to
        the nodes if they are set before the first command.

        From then on, the pool's new connections try each command once, without redis-py's retries:
        those would take longer than the time limit, and also repeat a wrong password.
        """
        source = source_of(redis)
        breaker = cls._of_sources.get(source) or cls(source)
        if key is None or isinstance(source, ConnectionPool):
            return breaker
        node = node_of(source, key)
        return breaker if node is None else breaker._of_node(node)

    @property
    def is_open(self) -> bool:
        """True if Redis is considered unavailable."""
        return self._failed >= self.failures

    @property
    def has_failed(self) -> bool:
        """True if the last command failed."""
        return self._failed > 0

    @property
    def time_limit(self) -> float:
        """Seconds for a command that has a connection."""
        return self._limits.time_limit

    @time_limit.setter
    def time_limit(self, seconds: float) -> None:
        self._limits.time_limit = check_seconds("time_limit", seconds)

    @property
    def connect_timeout(self) -> float:
        """Seconds for making a connection."""
        return self._limits.connect_timeout

    @connect_timeout.setter
    def connect_timeout(self, seconds: float) -> None:
        self._limits.connect_timeout = check_seconds("connect_timeout", seconds)

    async def call(
        self, command: Callable[..., Awaitable[T]], *arguments: Any, **options: Any
    ) -> T:
        """Await `command(*arguments, **options)`. Raises RedisUnavailable if Redis can't do it now.

        Raises redis-py's error if the caller is wrong: about the password, its rights, or the
        command. Raises RuntimeError within another call. Raises CancelledError if its task is
        cancelled, even if the command didn't notice: redis-py uses `asyncio.wait_for`, which loses
        some cancellations before Python 3.12 (https://github.com/python/cpython/issues/86296).
        """
        loop = running_loop()
        if self._loop is not loop:
            self.enter(loop)
        task = self._limits.next_task()
        if self._failed >= self.failures:
            self._reject_unless_trial(loop.time())
        if not self._slots.take_free():
            await self._slots.wait()
        running = self._limits.start(loop, self, task)
        try:
            result = await command(*arguments, **options)
        except asyncio.CancelledError as error:
            if running.is_cancelled or not running.stops:
                raise
            if running.is_rejected:
                raise _opened_while_waiting() from error
            cause = f"no reply within {self.time_limit:g} s"
            self._note_failure(loop.time(), cause)
            raise RedisUnavailable(f"{self._server} is unavailable: {cause}", "timeout") from error
        except Exception as error:
            if running.is_cancelled:
                raise asyncio.CancelledError from error
            await self._raise(error, loop.time())
            raise
        else:
            if running.is_cancelled:
                raise asyncio.CancelledError
        finally:
            self._limits.end(running)
            self._slots.release()
        if self._failed:
            self._note_success()
        return result

    def send(self, redis: Redis, *command: str | bytes | float) -> Coroutine[Any, Any, Any]:
        """Send a command, strings in UTF-8, and await the reply, strings as bytes.

        Use it within a `call`, which limits the time.
        """
        return self._idle_connections.send(redis, *command)

    def connecting(self) -> AbstractAsyncContextManager[None]:
        """Count the time inside against `connect_timeout`; connections call this."""
        return self._limits.connecting()

    def enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve another event loop, without the connections of the last one, which has ended.

        Raises RuntimeError if it hasn't.
        """
        if self._loop and not self._loop.is_closed():
            raise RuntimeError(
                "this Redis client is in use in another event loop: create a client in each, or "
                "use one from redis_client.connect(), which has connections for each event loop"
            )
        source = self._source()
        if self._loop and source is not None:
            forget(source)
            self._idle_connections.forget()
            self._limits.forget()
            self._slots = Slots(self._slot_count)
            self._of_nodes.clear()
        self._loop = loop

    def _start(self, server: str, slot_count: int) -> None:
        """Start closed, for the server of this name. Each node of a cluster fails on its own."""
        self._server = server
        self._slot_count = slot_count
        self._failed = 0  # in a row
        self._retry_at = 0.0  # on the loop's clock, while open
        self._outage_log = OutageLog(server)
        self._slots = Slots(self._slot_count)

    def _of_node(self, name: str) -> "CircuitBreaker":
        """Return the breaker of a cluster's node, with the cluster's settings and connections."""
        loop = running_loop()
        if self._loop is not loop:
            self.enter(loop)
        breaker = self._of_nodes.get(name)
        if breaker is None:
            breaker = copy.copy(self)
            breaker._start(f"Redis at {name}", self._node_slots)
            self._of_nodes[name] = breaker
        return breaker

    def _reject_unless_trial(self, now: float) -> None:
        if now < self._retry_at:
            raise RedisUnavailable(
                f"{self._server} is unavailable; retrying within {self.retry_after:g} s", "open"
            )
        self._retry_at = now + self.retry_after  # this command is the trial

    async def _raise(self, error: Exception, now: float) -> None:
        """Raise RedisUnavailable, or a caller's mistake that redis-py hid in `error`.

        Return if `error` is the caller's mistake itself, so that `call` raises it.
        """
        cause = refusals.unwrap(error)
        reason = refusals.reason(cause)
        if reason is None:
            self._note_success()  # the caller was wrong, not Redis
            if cause is error:
                return
            raise cause from None
        text = str(cause) or type(cause).__name__
        self._note_failure(now, text)
        source = self._source()
        if reason in refusals.FROM_A_REPLICA and isinstance(source, ConnectionPool):
            await self._idle_connections.leave(source)
        message = f"{self._server} is unavailable ({reason}): {text}"
        raise RedisUnavailable(message, reason) from error

    def _note_success(self) -> None:
        if self.is_open:
            self._outage_log.end()
        self._failed = 0

    def _note_failure(self, now: float, cause: str) -> None:
        self._failed += 1
        self._retry_at = now + self.retry_after
        if not self.is_open:
            return
        self._outage_log.begin(cause, self.retry_after)
        self._slots.reject_waiting(_opened_while_waiting)
        self._limits.reject_connecting(self)


def _opened_while_waiting() -> RedisUnavailable:
    return RedisUnavailable(
        "Redis is unavailable: the breaker opened while this command waited", "open"
    )
