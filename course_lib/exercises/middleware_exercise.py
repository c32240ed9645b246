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
from course_lib.exercises.verdict import Refusal, brief, described

START = {"type": "http.response.start", "status": 200, "headers": []}
MISSING = {"/fails": "failure_unrecorded", "/left": "cancelled_unrecorded"}
"""For some paths: the misconception if nothing is recorded."""
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
    """The app's own error, if the middleware let it through."""
    took: float = 0.0
    """Seconds from the call of the middleware to its return."""
    warned: bool = False

    @property
    def least(self) -> float:
        """The seconds that it waits at least."""
        return self.wait * (1 if self.failure else self.parts)

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


def apps() -> dict[str, WaitingApp]:
    """Return the apps that a middleware is tried with, by path."""
    return {
        "/whole": WaitingApp(),
        "/in-parts": WaitingApp(wait=0.04, parts=3),
        "/fails": WaitingApp(failure=ValueError("the app's own")),
        "/left": WaitingApp(failure=asyncio.CancelledError("the client disconnected")),
        "/long": WaitingApp(wait=0.15),
        "/short": WaitingApp(wait=0.02),
        "/nearly-slow": WaitingApp(wait=0.42),
        "/slow": WaitingApp(wait=0.55),
        "/slow-failure": WaitingApp(wait=0.55, failure=ValueError("the app's own")),
    }


class Service:
    """Several apps behind one middleware, each at a path of its own; collects what's recorded."""

    def __init__(self, apps: dict[str, WaitingApp]) -> None:
        self.apps = apps
        self.types: list[str] = []
        """The type of each call that reached it."""
        self.strays: list[tuple[object, object]] = []
        """Records with another path."""
        self.warned_by: list[Any] = []
        """The tasks that logged at WARNING."""

    @property
    def records(self) -> list[tuple[object, object]]:
        """Everything recorded so far."""
        return [*self.strays, *(record for app in self.apps.values() for record in app.recorded)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app at this path respond."""
        self.types.append(scope["type"])
        if scope["type"] == "http":
            await self.apps[scope["path"]](scope, receive, send)

    def record(self, path: Any, seconds: object) -> None:
        """Record a request. The middleware has to call this."""
        app = self.apps.get(path) if isinstance(path, str) else None
        records = app.recorded if app else self.strays
        records.append((path, seconds))

    def __repr__(self) -> str:
        return "app"


class MiddlewareExercise(Exercise):
    """An exercise whose answer makes a middleware from an app and a function that records."""

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
            start = time.perf_counter()
            try:
                response = middleware(scope, receive, send)
                if not inspect.isawaitable(response):
                    got, expected = brief(response), "an `async def`"
                    self.refuse("wrong_type", call=call, got=got, expected=expected)
                await response
            except Refusal:
                raise
            except (Exception, asyncio.CancelledError) as error:
                if error is not app.failure:
                    expected = "the app's own errors, and no others"
                    self.refuse("raised", call=call, got=described(error), expected=expected)
                app.error = error
            finally:
                app.took = time.perf_counter() - start
        if any("never awaited" in str(warning.message) for warning in caught):
            self.refuse("forgotten_await", call=call, got=str(caught[0].message))

    def expect_record(self, app: WaitingApp, path: str, missing: str, too_short: str) -> None:
        """Expect one record of this path, of at least the time that its app waited.

        At most it's the time that the check measured around the middleware.
        """
        least = app.least
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
            "too_long": duration > app.took + 0.001,
        }
        self.refuse_first(mistakes, call=call, got=got, expected=expected)

    async def send(self, middleware: Any, service: Service, path: str) -> None:
        """Send a request; expect its messages, its error and its record."""
        app = service.apps[path]
        task = asyncio.current_task()
        earlier = service.warned_by.count(task)
        await self.request(middleware, app, path)
        app.warned = service.warned_by.count(task) > earlier
        is_lost = not app.failure and app.sent != app.response
        mistakes = {
            "answer_lost": is_lost or app.received != [REQUEST],
            "swallows": app.failure and app.error is None,
        }
        call, expected = self.get(path), brief(app.failure or app.response)
        self.refuse_first(mistakes, call=call, got=brief(app.sent), expected=expected)
        if service.strays:
            expected = f"[({path!r}, {app.least:g} or a little more)]"
            self.refuse("another_path", call=call, got=brief(service.strays), expected=expected)
        missing = MISSING.get(path, "never_records")
        too_short = "first_byte" if app.parts > 1 else "too_short"
        self.expect_record(app, path, missing, too_short)

    async def lifespan(self, middleware: Any, service: Service) -> None:
        """Expect that a call that isn't a request reaches the app, and isn't recorded."""
        calls, before = len(service.types), service.records
        error_text = ""
        try:
            await middleware({"type": "lifespan"}, receive, receive)
        except Exception as error:
            error_text = described(error)
        is_passed_on = service.types[calls:] == ["lifespan"]
        if error_text or not is_passed_on or service.records != before:
            call = f'{self.name}(app, record), then {{"type": "lifespan"}}'
            got = error_text or brief(service.strays)
            self.refuse("not_a_request", call=call, got=got, expected="passed on to the app")

    def expect_warning(self, path: str, app: WaitingApp) -> None:
        """Expect a warning if the request took more than half a second, by its own record."""
        seconds = as_number(app.recorded[0][1]) or 0.0
        got = f"{'a' if app.warned else 'no'} warning, after record({path!r}, {seconds:.2f})"
        mistakes = {
            "warns_too_soon": app.warned and seconds <= 0.5,
            "slow_failure_unwarned": not app.warned and seconds > 0.5 and app.failure,
            "no_warning": not app.warned and seconds > 0.5,
        }
        self.refuse_first(mistakes, call=self.get(path), got=got)

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
def warnings_logged(service: Service) -> Iterator[None]:
    """Record which tasks of this thread log at WARNING; no log line is printed."""
    this_thread = threading.current_thread()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if threading.current_thread() is this_thread and record.name != "asyncio":
                service.warned_by.append(asyncio.current_task())

    root = logging.getLogger()
    before = root.handlers, root.level, logging.root.manager.disable
    loggers = [one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    disabled = [one for one in loggers if one.disabled]
    for one in disabled:
        one.disabled = False
    root.handlers = [Listener(logging.WARNING)]
    # An earlier cell may have turned warnings off, as `basicConfig(level=ERROR)` does.
    logging.disable(logging.NOTSET)
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers, level, threshold = before
        root.setLevel(level)
        logging.disable(threshold)
        for one in disabled:
            one.disabled = True
