"""The base of exercises whose answer is an ASGI middleware: send it requests, judge its records.

`waiting_apps.py` has the apps that it wraps. `clock_and_log.py` disturbs its clock, and records the
warnings that it logs.
"""

import asyncio
import inspect
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

from course_lib.asgi import App
from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import Refusal, brief, described
from course_lib.exercises.waiting_apps import REQUEST, Service, WaitingApp, receive

TRIES = 4  # of a request that must take less than half a second

MISSING = {"/fails": "failure_unrecorded", "/left": "cancelled_unrecorded"}
"""For some paths: the misconception if nothing is recorded."""


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
        app.scope = dict(scope)
        call = self.get(path)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            start = time.perf_counter()
            try:
                response = middleware(scope, receive, send)
                if not inspect.isawaitable(response):
                    got, expected = f"{brief(response)}, at once", "an `async def`"
                    self.refuse("wrong_type", call=call, got=got, expected=expected)
                await response
            except Refusal:
                raise
            except (Exception, asyncio.CancelledError) as error:
                if error is not app.failure:
                    expected = "the app's own errors, and no others"
                    self.refuse_raised(middleware, error, call=call, expected=expected)
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
        clocks = (time.perf_counter, time.monotonic, time.time)
        is_reading = duration > 20 and any(abs(duration - clock()) < 60 for clock in clocks)
        mistakes = {
            "not_a_difference": is_reading,
            "wall_clock": duration < -1_000,
            "another_unit": duration > 20,
            "end_before_start": duration < 0,
            "rounded": duration == round(duration, 2),
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
        is_lost = app.is_lost or (not app.failure and app.sent != app.response)
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

    async def send_nearly_slow(self, middleware: Any, service: Service) -> None:
        """Send a request of less than half a second, again if a busy machine makes it longer."""
        for _ in range(TRIES):
            app = service.apps["/nearly-slow"] = WaitingApp(wait=0.42)
            await self.send(middleware, service, "/nearly-slow")
            if app.took < 0.5:
                break

    async def two_at_once(self, middleware: Any, service: Service) -> None:
        """Send a short request while a long one is waiting; expect both records."""

        async def later() -> None:
            await asyncio.sleep(0.08)
            await self.send(middleware, service, "/short")

        long, short = service.apps["/long"], service.apps["/short"]
        first = asyncio.create_task(self.request(middleware, long, "/long"))
        await asyncio.gather(first, later())
        seconds = as_number(dict(long.recorded).get("/long"))
        if seconds is None or seconds < 0.149:
            call = self.get("/long and, a little later, GET /short")
            self.refuse("shared_clock", call=call, got=brief(long.recorded + short.recorded))

    async def no_request(self, middleware: Any, service: Service, kind: str) -> None:
        """Expect that a call that isn't a request reaches the app, and isn't recorded."""
        calls, before = len(service.types), service.records
        scope = {"type": kind} if kind == "lifespan" else {"type": kind, "path": "/chat"}
        error_text = ""
        try:
            await middleware(scope, receive, receive)
        except Exception as error:
            error_text = described(error)
        is_passed_on = service.types[calls:] == [kind]
        if error_text or not is_passed_on or service.records != before:
            call = f"{self.name}(app, record), then {brief(scope)}"
            got = error_text or brief(service.strays)
            self.refuse("not_a_request", call=call, got=got, expected="passed on to the app")

    def expect_warning(self, path: str, app: WaitingApp) -> None:
        """Expect a warning if the answer recorded more than half a second."""
        seconds = as_number(app.recorded[0][1]) or 0.0
        is_slow = seconds > 0.5
        is_missing = is_slow and not app.warned
        mistakes = {
            "warns_too_soon": app.warned and seconds <= 0.5,
            "slow_failure_unwarned": is_missing and app.failure,
            "no_warning": is_missing,
        }
        warning = "a warning" if app.warned else "no warning"
        got = f"{warning}, after record({path!r}, {seconds:.2f})"
        self.refuse_first(mistakes, call=self.get(path), got=got)

    def get(self, path: str) -> str:
        """Return how a request is shown to the learner."""
        return f"{self.name}(app, record), then GET {path}"
