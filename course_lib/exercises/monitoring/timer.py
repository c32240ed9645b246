"""Exercise: a middleware that times requests.

start the clock --> await app(...) --+--> last byte sent --+--> finally: record, warn if slow
                                     +--> app raises ------+
                                     +--> cancelled -------+
"""

import asyncio
import logging
import time
from typing import Any, ClassVar

from course_lib.exercises.clock_and_log import clock_set_back, warnings_logged
from course_lib.exercises.middleware_exercise import MiddlewareExercise
from course_lib.exercises.waiting_apps import Service, WaitingApp, apps

log = logging.getLogger("timer")


class Timer(MiddlewareExercise):
    """From the start of the request to the last byte of the response, however it ends."""

    lesson = "monitoring"
    limit = 4.0
    name = "timer"
    task = """A middleware wraps an app. `await app(scope, receive, send)` lets the app respond, and
returns when it's done. Complete the four steps:

1. **start** the clock: `time.perf_counter()`, in seconds
2. **let the app respond**
3. **record**, however the request ends: `record(scope["path"], seconds)`
4. **warn** if it took more than half a second: `log.warning(...)`

Let the app's errors reach the caller. When it works, have `timer` return `timed`."""
    imports = 'import logging\nimport time\n\nlog = logging.getLogger("timer")\n\n\n'
    stub = (
        imports
        + """def timer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":  # the app's own start and end, or a websocket
            await app(scope, receive, send)
            return
        start = ...  # 1 start
        await app(scope, receive, send)  # 2 let the app respond
        # 3 record
        # 4 warn

    return ...  # timed"""
    )
    hints = (
        "Which lines run if the app raises an error? Whatever has to happen in any case belongs "
        "in a `finally:`.",
        "`try:` around step 2, and steps 3 and 4 in its `finally:`. Without an `except`, the error "
        "goes on by itself.",
        "In the `finally:`, first `seconds = time.perf_counter() - start`, then `record(...)`, "
        "then an `if` for step 4.",
    )
    praise = (
        "It measures until the app is done, even if the request fails or its client leaves, by a "
        "clock that can't be set."
    )
    refusals: ClassVar = {
        "failure_unrecorded": (
            "The app raised an error, and nothing was recorded: the requests that matter most are "
            "missing.",
            "Put step 3 in the `finally:` of a `try:` around step 2.",
        ),
        "cancelled_unrecorded": (
            "A request was cancelled because its client disconnected, and wasn't recorded: neither "
            "`except Exception` nor a list of errors catches that.",
            "A `finally:` always runs.",
        ),
        "swallows": (
            "The app's error was swallowed: the server thinks that all is well, and sends nothing.",
            "Remove the `except`, or end it with `raise`. A `return` in the `finally:` swallows "
            "the error too.",
        ),
        "first_byte": (
            "A response in three parts was recorded when the first part was sent; the user is "
            "still waiting for the last.",
            "Stop the clock when `await app(...)` has returned.",
        ),
        "too_short": (
            "The recorded time is much shorter than the app waited. Either the clock started too "
            "late, or it stops while the app waits, like `process_time`.",
            "Read `time.perf_counter()` before step 2, and again after it.",
        ),
        "wall_clock": (
            "The machine's clock was set back during the request, and you recorded minus one hour.",
            "`time.time()` is for dates. For durations use `time.perf_counter()`, which can't be "
            "set.",
        ),
        "end_before_start": (
            "You subtracted the end from the start, so the recorded time is negative.",
            "`time.perf_counter() - start`",
        ),
        "rounded": (
            "You recorded a rounded time: most requests would be recorded as 0 or 0.01.",
            "Record the difference as is.",
        ),
        "shared_clock": (
            "Of two concurrent requests, the second overwrote the start of the first, which was "
            "recorded as too short.",
            "Keep `start` in a variable of the inner function, so that each request has its own.",
        ),
        "too_long": (
            "The recorded time is longer than the request took: the clock was started before it.",
            "Start the clock inside `timed`, which runs once for each request.",
        ),
        "not_a_difference": (
            "You recorded a reading of the clock. What counts is how far it has moved since the "
            "start.",
            "Record `time.perf_counter() - start`.",
        ),
        "another_unit": (
            "That's not in seconds.",
            "`perf_counter` counts seconds: record the difference as is.",
        ),
        "another_path": (
            "It was recorded under something other than the path.",
            '`record(scope["path"], seconds)`.',
        ),
        "never_records": (
            "The app responded to the request, and `record` wasn't called.",
            "Put step 3 in the `finally:` of a `try:` around step 2: that always runs.",
        ),
        "records_twice": (
            "One request was recorded twice.",
            "The `finally:` runs in any case: you don't need to record anywhere else.",
        ),
        "answer_lost": (
            "The app wasn't called, or what it and its client send each other got lost, changed or "
            "held back.",
            "Step 2 passes on all three: `await app(scope, receive, send)`.",
        ),
        "not_a_request": (
            "When the server starts and ends, it calls the app with `lifespan`, and for a "
            "connection with `websocket`. Neither is a request.",
            "Leave the first three lines of the skeleton as they are.",
        ),
        "no_warning": (
            "A request took more than half a second, and nothing was logged at WARNING.",
            "Step 4: `if seconds > 0.5:`, and `log.warning(...)`. The threshold is in seconds, and "
            "ERROR is for what failed.",
        ),
        "slow_failure_unwarned": (
            "A request failed after more than half a second, and there was no warning.",
            "Step 4 belongs in the `finally:` too.",
        ),
        "warns_too_soon": (
            "A request that took less than half a second triggered a warning.",
            "Half a second is 0.5, because `perf_counter` counts seconds.",
        ),
    }

    @staticmethod
    def timer(app, record):
        """Return a middleware that records how long each request took, and warns of slow ones."""

        async def timed(scope, receive, send):
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            start = time.perf_counter()
            try:
                await app(scope, receive, send)
            finally:
                seconds = time.perf_counter() - start
                record(scope["path"], seconds)
                if seconds > 0.5:
                    log.warning("%s took %.3f seconds", scope["path"], seconds)

        return timed

    async def judge(self, answer: Any) -> None:
        """Send all requests through one middleware: one by one, two at once, then slow ones."""
        service = Service(apps())
        middleware = await self.middleware(answer, service, service.record)
        with warnings_logged(service):
            with clock_set_back():
                await self.send(middleware, service, "/Users/7")
            service.apps["/Users/7"] = WaitingApp()  # for another request
            await self.send(middleware, service, "/Users/7")
            for path in ("/in-parts", "/fails", "/left"):
                await self.send(middleware, service, path)
            await self.two_at_once(middleware, service)
            for kind in ("lifespan", "websocket"):
                await self.no_request(middleware, service, kind)
            await asyncio.gather(
                self.send_nearly_slow(middleware, service),
                self.send(middleware, service, "/slow"),
                self.send(middleware, service, "/slow-failure"),
            )
        for path, app in service.apps.items():
            self.expect_warning(path, app)
