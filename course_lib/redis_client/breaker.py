"""Guard calls to Redis with a time limit and a circuit breaker.

A Redis that is down, paused or unreachable must not hold up requests. So each command has a time
limit, and after several failures in a row the breaker opens (Nygard, "Release It!", 2007). Until
Redis is back, commands are rejected at once, instead of each running into the time limit:

               `failures` in a row
    closed -------------------------> open: commands raise RedisUnavailable at once
      ^                                |                       ^
      |                                | after `retry_after`   | it fails
      |          it succeeds           v                       |
      +------------------------------ one trial command -------+

A command's life, in `CircuitBreaker.call`:

    open? --> wait for a slot --> run, watched by the time limit --> success or failure is noted
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import ConnectionError, OutOfMemoryError, ReadOnlyError, TimeoutError

from course_lib.redis_client.idle_connections import IdleConnections
from course_lib.redis_client.slots import Slots

T = TypeVar("T")

log = logging.getLogger(__package__)


class RedisUnavailable(Exception):  # noqa: N818  a condition that callers handle by their policy
    """Redis didn't reply in time, can't be reached, rejected a write, or the breaker is open.

    `reason` is a word or two for a metric's label: "timeout", "connection", "rejected", "open".
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class CircuitBreaker:
    """Guards calls to Redis. Each connection pool has one; get it from `CircuitBreaker.of`.

    - `time_limit`: seconds for a command, counted from when it has a connection.
    - `failures`: failures in a row that open the breaker.
    - `retry_after`: seconds until an open breaker lets a single command through as a trial.

    Each running command needs a connection, so no more run at once than the pool can serve. The
    others wait, and are rejected as soon as the breaker opens.
    """

    STEPS: ClassVar[int] = 16
    """The number of steps in a time limit."""
    _of_pools: ClassVar[WeakKeyDictionary[ConnectionPool, "CircuitBreaker"]] = WeakKeyDictionary()

    def __init__(
        self,
        connections: int,
        *,
        time_limit: float = 0.08,
        failures: int = 3,
        retry_after: float = 1.0,
    ) -> None:
        self.time_limit = time_limit
        self.failures = failures
        self.retry_after = retry_after
        most_idle = connections // 5
        self._idle_connections = IdleConnections(most_idle)
        self._slots = Slots(connections - most_idle)  # only scripts can use the idle ones
        self._running: set[_RunningCommand] = set()
        self._watching: asyncio.AbstractEventLoop | None = None
        self._failed = 0  # in a row
        self._retry_at = 0.0  # on the loop's clock, while open

    @classmethod
    def of(cls, redis: Redis) -> "CircuitBreaker":
        """Return the breaker of a client's pool. Clients that share a pool share its breaker."""
        pool = redis.connection_pool
        breaker = cls._of_pools.get(pool)
        if breaker is None:
            breaker = cls(pool.max_connections)
            cls._of_pools[pool] = breaker
        return breaker

    @property
    def is_open(self) -> bool:
        """True if Redis is considered unavailable."""
        return self._failed >= self.failures

    async def call(
        self, command: Callable[..., Awaitable[T]], *arguments: Any, **options: Any
    ) -> T:
        """Await `command(*arguments, **options)`. Raises RedisUnavailable if it fails."""
        loop = asyncio.get_running_loop()
        if self._failed >= self.failures:
            self._reject_unless_trial(loop.time())
        if not self._slots.take_free():
            await self._slots.wait()
        running = _RunningCommand(self.STEPS + 1)  # it starts in the middle of a step
        self._running.add(running)
        if self._watching is not loop:
            self._watch(loop)
        try:
            result = await command(*arguments, **options)
        except (OutOfMemoryError, ReadOnlyError) as error:
            self._note_success()  # it replies, but can't take this command
            raise RedisUnavailable(f"Redis rejected the command: {error}", "rejected") from error
        except (ConnectionError, TimeoutError, OSError) as error:
            self._note_failure(loop.time(), error)
            raise RedisUnavailable(
                f"Redis is unavailable: {_cause(error)}", "connection"
            ) from error
        except asyncio.CancelledError as error:
            if not running.timed_out:
                raise
            self._note_failure(loop.time(), error)
            raise RedisUnavailable(
                f"Redis is unavailable: no reply within {self.time_limit:g} s", "timeout"
            ) from error
        except Exception:
            self._note_success()  # the command was wrong, not Redis
            raise
        finally:
            self._running.remove(running)
            if running.overdue:
                running.task.uncancel()
            self._slots.release()
        if self._failed:
            self._note_success()
        return result

    def send(self, redis: Redis, *command: str | bytes | float) -> Coroutine[Any, Any, Any]:
        """Send a command on an idle connection; await the reply, strings as bytes.

        Use it within a `call`, which limits the time.
        """
        return self._idle_connections.send(redis, *command)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take a step from each running command's time limit, and cancel commands with none left.

        A process that is too busy to read a reply is also late for its steps, so the reply is read
        before the time limit ends. A single timer would fire first, and Redis would be blamed.
        """
        for running in self._running:
            running.steps_left -= 1
            if not running.steps_left:
                running.overdue = running.task.cancel()
        self._watching = loop if self._running else None
        if self._running:
            loop.call_later(self.time_limit / self.STEPS, self._watch, loop)

    def _reject_unless_trial(self, now: float) -> None:
        if now < self._retry_at:
            raise RedisUnavailable(
                f"Redis is unavailable; retrying within {self.retry_after:g} s", "open"
            )
        self._retry_at = now + self.retry_after  # this command is the trial

    def _note_success(self) -> None:
        if self.is_open:
            log.info("Redis is back")
        self._failed = 0

    def _note_failure(self, now: float, error: BaseException) -> None:
        self._failed += 1
        self._retry_at = now + self.retry_after
        if self._failed == self.failures:
            log.warning(
                "Redis is unavailable (%s); retrying every %g s", _cause(error), self.retry_after
            )
        if self.is_open:
            self._slots.reject_waiting(_opened_while_waiting)


class _RunningCommand:
    """A command that is running, and the steps of its time limit that are left."""

    __slots__ = ("_cancelling", "overdue", "steps_left", "task")

    def __init__(self, steps: int) -> None:
        task = asyncio.current_task()
        assert task
        self.task = task
        self.steps_left = steps
        self.overdue = False  # True once the time limit has cancelled it
        self._cancelling = task.cancelling()  # requests from before it started

    @property
    def timed_out(self) -> bool:
        """True if the time limit cancelled the task and nothing else did."""
        return self.overdue and self.task.cancelling() <= self._cancelling + 1


def _opened_while_waiting() -> RedisUnavailable:
    return RedisUnavailable(
        "Redis is unavailable: the breaker opened while this command waited", "open"
    )


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__
