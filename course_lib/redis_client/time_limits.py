"""Limit the time of running commands, and apart from it the time of making connections.

    start --> [connecting: `connect_timeout`] --> running: `time_limit` --> end
                |                                   |
                +-- no connection: ConnectionError  +-- no reply: its task is cancelled

A server that is far away needs several round trips for a connection: TCP, TLS, the password, the
database. Each command may still be quick enough.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from redis.exceptions import ConnectionError

STEPS = 16  # in a time limit
TIME_LIMIT = 0.08  # seconds
CONNECT_TIMEOUT = 3.0  # seconds


class Breaker(Protocol):
    """The part of a breaker that its time limits need."""

    @property
    def has_failed(self) -> bool:
        """True if the last command failed."""


class RunningCommand:
    """A command that runs in the current task, and the steps of its time limit that are left."""

    __slots__ = (
        "_cancelling",
        "breaker",
        "is_connecting",
        "is_rejected",
        "steps_left",
        "stops",
        "task",
    )

    def __init__(self, breaker: Breaker, task: "asyncio.Task[Any]") -> None:
        self.task = task
        self.breaker = breaker
        self.steps_left = STEPS + 1  # it starts in the middle of a step
        self.is_connecting = False
        self.stops = 0  # times that `stop` has cancelled its task
        self.is_rejected = False  # stopped because the breaker has opened
        self._cancelling = task.cancelling()  # requests from before it started

    @property
    def is_cancelled(self) -> bool:
        """True if anything but `stop` has cancelled the task since the command started."""
        return self.task.cancelling() > self._cancelling + self.stops

    def stop(self) -> None:
        """Cancel the task. `end` takes that back, so that only the command is cancelled.

        A command can lose it, see `CircuitBreaker.call`; then it's stopped again.
        """
        self.stops += self.task.cancel()
        self.steps_left = STEPS


class TimeLimits:
    """Watches the commands of a breaker, or of all breakers of a cluster."""

    def __init__(self, time_limit: float | None, connect_timeout: float) -> None:
        self.connect_timeout = connect_timeout
        self._time_limit = time_limit
        self._fastest_connection = 0.0  # seconds; 0 before the first
        self._running: dict[asyncio.Task[Any], RunningCommand] = {}
        self._is_watching = False

    @property
    def time_limit(self) -> float:
        """Seconds for a command; by default, more if making a connection takes long."""
        return self._healthy_limit() if self._time_limit is None else self._time_limit

    @time_limit.setter
    def time_limit(self, seconds: float) -> None:
        self._time_limit = seconds

    def next_task(self) -> "asyncio.Task[Any]":
        """Return the current task, to `start` a command in it.

        Raises RuntimeError if it runs one: the second would wait for a slot while the first has
        one, and a failure of the second would look like a success of the first.
        """
        task = asyncio.current_task()
        assert task
        if task in self._running:
            raise RuntimeError(
                "CircuitBreaker.call was called within another call: scripts, caches and limiters "
                "go through the breaker themselves, so call them directly"
            )
        return task

    def start(
        self, loop: asyncio.AbstractEventLoop, breaker: Breaker, task: "asyncio.Task[Any]"
    ) -> RunningCommand:
        """Watch a command that runs in the current task, until `end`."""
        running = self._running[task] = RunningCommand(breaker, task)
        if not self._is_watching:
            self._watch(loop)
        return running

    def end(self, running: RunningCommand) -> None:
        """Watch a command no longer."""
        del self._running[running.task]
        for _ in range(running.stops):
            running.task.uncancel()

    def reject_connecting(self, breaker: Breaker) -> None:
        """Stop the commands of a breaker that have no connection yet."""
        for running in self._running.values():
            is_waiting = running.is_connecting and not running.is_rejected
            if is_waiting and running.breaker is breaker:
                running.is_rejected = True
                running.stop()

    def forget(self) -> None:
        """Forget the commands of an event loop that has ended."""
        self._running.clear()
        self._is_watching = False

    @asynccontextmanager
    async def connecting(self) -> AsyncIterator[None]:
        """Count the time inside against `connect_timeout`. Raises redis-py's ConnectionError."""
        task = asyncio.current_task()
        running = self._running.get(task) if task else None
        if not running or running.is_connecting:
            yield  # not called through the breaker, or inside another `connecting`
            return
        loop = asyncio.get_running_loop()
        limit = self.connect_timeout
        if running.breaker.has_failed:  # no more time than a healthy server needs
            limit = min(limit, self._healthy_limit() if self._fastest_connection else limit / 3)
        started = loop.time()
        stops = running.stops
        running.is_connecting = True
        running.steps_left = 1 + round(STEPS * limit / self.time_limit)
        try:
            yield
        except asyncio.CancelledError:
            if running.stops == stops or running.is_cancelled or running.is_rejected:
                raise
            raise ConnectionError(f"no connection within {limit:g} s") from None
        finally:
            running.is_connecting = False
            running.steps_left = STEPS + 1
        seconds = loop.time() - started
        self._fastest_connection = min(seconds, self._fastest_connection or seconds)

    def _healthy_limit(self) -> float:
        """Return TIME_LIMIT, or more if Redis is far away.

        A connection takes two round trips or more. Twice as long is enough for any command.
        """
        return max(TIME_LIMIT, 2 * self._fastest_connection)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take a step from each command's or connection's time limit, and stop it if none is left.

        A process that is too busy to read a reply is also late for its steps, so the reply is read
        before the time limit ends. A single timer would fire first, and Redis would be blamed.
        """
        for running in self._running.values():
            if running.is_cancelled:  # and still running, so the command may have lost it
                running.steps_left = min(running.steps_left, 2)
            running.steps_left -= 1
            if not running.steps_left:
                running.stop()
        self._is_watching = bool(self._running)
        if self._is_watching:
            loop.call_later(self.time_limit / STEPS, self._watch, loop)
