"""The tools to check an ASGI middleware: apps to wrap, a clock that jumps, the warnings logged.

The apps really wait, one of them for more than half a second. A middleware has to record at least
the time that its app waited.
"""

import asyncio
import contextlib
import inspect
import logging
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from course_lib.asgi import App, Receive, Scope, Send
from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import Refusal, brief

START = {"type": "http.response.start", "status": 200, "headers": []}
REQUEST = {"type": "http.request", "body": b"what the client sends", "more_body": False}


@dataclass
class WaitingApp:
    """An app that waits, responds in parts, and then may fail; records what reaches it."""

    wait: float = 0.05
    """Seconds before the response, and between its parts."""
    parts: int = 1
    failure: BaseException | None = None
    received: list[object] = field(default_factory=list)
    sent: list[object] = field(default_factory=list)
    """The messages that reached the server."""
    recorded: list[tuple[object, object]] = field(default_factory=list)
    error: BaseException | None = None
    """The messages that the middleware let through."""

    def record(self, path: object, seconds: object) -> None:
        """Record a request. The middleware has to call this."""
        self.recorded.append((path, seconds))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        self.received.append(await receive())
        await asyncio.sleep(self.wait)
        if self.failure:
            raise self.failure
        for message in self.response:
            await send(message)
            if message.get("more_body"):
                await asyncio.sleep(self.wait)
        await asyncio.sleep(0)

    def __repr__(self) -> str:
        return "app"

    @property
    def response(self) -> list[dict[str, Any]]:
        """The messages that it sends."""
        parts = [
            {"type": "http.response.body", "body": b"x", "more_body": part < self.parts - 1}
            for part in range(self.parts)
        ]
        return [START, *parts]


class MiddlewareExercise(Exercise):
    """An exercise whose answer makes a middleware from an app and a function that records."""

    async def send(self, answer: Any, app: WaitingApp, path: str) -> None:
        """Send one request to an app, through a middleware of its own."""
        middleware = await self.middleware(answer, app, app.record)
        await self.request(middleware, app, path)

    async def middleware(
        self, answer: Any, app: App, record: Callable[..., None]
    ) -> Callable[..., Awaitable[None]]:
        """Return the middleware that the answer makes. Refuses anything else."""
        call = f"{self.name}(app, record)"
        if inspect.iscoroutinefunction(answer):
            expected = "a middleware, at once"
            self.refuse("wrong_type", call=call, got="a coroutine", expected=expected)
        middleware = await self.call_async(answer, app, record)
        if not callable(middleware):
            expected = "`timed`, a function"
            self.refuse("wrong_type", call=call, got=brief(middleware), expected=expected)
        checked: Callable[..., Awaitable[None]] = middleware
        return checked

    async def request(
        self, middleware: Callable[..., Awaitable[None]], app: WaitingApp, path: str
    ) -> None:
        """Send one request through a middleware; record the app's error, refuse any other."""

        async def send(message: object) -> None:
            app.sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        call = self.get(path)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                response = middleware(scope, receive, send)
                if not inspect.isawaitable(response):
                    got, expected = brief(response), "an `async def`"
                    self.refuse("wrong_type", call=call, got=got, expected=expected)
                await response
            except Refusal:
                raise
            except (Exception, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if task and task.cancelling():
                    raise
                if error is not app.failure:
                    self.refuse("raised", call=call, got=f"{type(error).__name__}: {error}")
                app.error = error
        if any("never awaited" in str(warning.message) for warning in caught):
            self.refuse("forgotten_await", call=call, got=str(caught[0].message))

    def expect_record(
        self, app: WaitingApp, path: str, least: float, missing: str, too_short: str
    ) -> None:
        """Expect one record of this path, of at least these seconds."""
        call, expected = self.get(path), f"record({path!r}, {least:g} or a little more)"
        if not app.recorded:
            self.refuse(missing, call=call, got="nothing recorded", expected=expected)
        (recorded_path, seconds), *others = app.recorded
        number = as_number(seconds)
        got = f"record({brief(recorded_path)}, {brief(seconds)})"
        if others:
            got += f", and {len(others)} more"
        mistakes = {
            "records_twice": others,
            "another_path": recorded_path != path,
            "wrong_type": number is None,
        }
        self.refuse_first(mistakes, call=call, got=got, expected=expected)
        duration = number or 0.0
        mistakes = {
            "wall_clock": duration < -1_000,
            "another_unit": duration > 20,
            too_short: not duration > 0.98 * least,  # true of NaN as well
        }
        self.refuse_first(mistakes, call=call, got=got, expected=expected)

    def get(self, path: str) -> str:
        """Return how a request is shown to the learner."""
        return f"{self.name}(app, record), then GET {path}"


async def receive(*_: object) -> dict[str, Any]:
    """Return what the client sends."""
    return REQUEST


@contextlib.contextmanager
def clock_set_back() -> Iterator[None]:
    """Set `time.time` back by an hour, a moment from now and until the end."""
    real, start = time.time, time.perf_counter()
    time.time = lambda: real() - 3_600 * (time.perf_counter() - start > 0.02)
    try:
        yield
    finally:
        time.time = real


@contextlib.contextmanager
def warnings_logged() -> Iterator[list[Any]]:
    """Record which task of this thread logs at WARNING; no log line is printed."""
    tasks: list[Any] = []
    this_thread = threading.current_thread()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if threading.current_thread() is this_thread and record.name != "asyncio":
                tasks.append(asyncio.current_task())

    root = logging.getLogger()
    handlers, root.handlers = root.handlers, [Listener(logging.WARNING)]
    try:
        yield tasks
    finally:
        root.handlers = handlers
