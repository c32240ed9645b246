"""From the first byte asked to the last byte answered, whatever became of it."""

import asyncio
import inspect
import logging
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.middleware_exercise import (
    Patient,
    clock_set_back,
    receive,
    request_of,
    warnings_logged,
)
from course_lib.exercises.verdict import Refusal, brief

log = logging.getLogger("timer")


class Timer(Exercise):
    """From the first byte asked to the last byte answered, whatever became of it."""

    lesson = "monitoring"
    limit = 4.0
    name = "timer"
    task = """An ASGI middleware is called for each request; `await app(scope, receive, send)` lets the app answer, to
its last byte. Here is the skeleton of one. Complete the four steps:

1. **look** at the clock: `time.perf_counter()`, in seconds
2. **let the app answer**
3. **record**, whatever became of the request: `record(scope["path"], seconds)`
4. **warn**, where it took more than half a second: `log.warning(...)`

An error of the app is not for us to keep: it goes on to whoever called. When it works, let `timer` return `timed`."""
    imports = 'import logging\nimport time\n\nlog = logging.getLogger("timer")\n\n\n'
    stub = (
        imports
        + """def timer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":  # the app's own start and end, or a websocket
            await app(scope, receive, send)
            return
        began = ...  # 1 look
        await app(scope, receive, send)  # 2 let the app answer
        # 3 record
        # 4 warn

    return ...  # timed"""
    )
    hints = (
        "Which lines run when the app raises? What must happen in any case belongs into a `finally:`.",
        "`try:` round step 2, and steps 3 and 4 in its `finally:`. Without an `except`, the error goes on by itself.",
        "In the `finally:` first `seconds = time.perf_counter() - began`, then `record(...)`, then an `if` for step 4.",
    )
    praise = "To the last byte, also when it fails or nobody waits any more, and by a clock that nobody can set."
    refusals: ClassVar = {
        "failure_unrecorded": (
            "The app raised an error, and nothing was recorded: the requests that matter most are missing.",
            "Put step 3 into the `finally:` of a `try:` round step 2.",
        ),
        "cancelled_unrecorded": (
            "A request that was cancelled, for its client had hung up, is not recorded: `except Exception` does not "
            "see that, and neither does a list of errors.",
            "`finally:` sees every end.",
        ),
        "swallows": (
            "The app's error did not come out: the server believes that all is well, and answers with nothing.",
            "Leave the `except` away, or end it with `raise`.",
        ),
        "first_byte": (
            "An answer in three parts was recorded when the first was sent; the user still waits for the last.",
            "Take the time when `await app(...)` has come back.",
        ),
        "too_short": (
            "Much less was recorded than the app waited. Either the clock was looked at too late, or it stands still "
            "while somebody waits, as `process_time` does.",
            "Look at `time.perf_counter()` before step 2, and again after it.",
        ),
        "wall_clock": (
            "Somebody set the machine's clock back meanwhile, and a time of minus one hour was recorded.",
            "`time.time()` is for dates. For durations take `time.perf_counter()`, which nobody can set.",
        ),
        "shared_clock": (
            "Of two requests at the same time the second set the clock of the first: it was recorded as shorter than "
            "it was.",
            "Keep `began` in a variable of the inner function, so that each request has its own.",
        ),
        "another_unit": (
            "That is not in seconds.",
            "`perf_counter` counts seconds: record the difference as it is.",
        ),
        "another_path": (
            "It was recorded under something else than the path.",
            '`record(scope["path"], seconds)`.',
        ),
        "never_records": ("The request was answered, and `record` was not called.", "Step 3."),
        "records_twice": (
            "One request was recorded twice.",
            "What stands in the `finally:` runs in any case: nowhere else is it needed.",
        ),
        "answer_lost": (
            "The app was not called, or what it and its client had to say did not arrive as it was.",
            "Step 2 hands on all three: `await app(scope, receive, send)`.",
        ),
        "not_a_request": (
            "The server tells an app by `lifespan` when it starts and ends. That is no request, and has no path.",
            "Leave the first three lines of the skeleton as they are.",
        ),
        "no_warning": (
            "A request took more than half a second, and nothing was logged at WARNING.",
            "Step 4: `if seconds > 0.5:`, and `log.warning(...)`. The threshold is in seconds.",
        ),
        "slow_failure_unwarned": (
            "A request failed after more than half a second, and there was no warning.",
            "Step 4 belongs into the `finally:` too.",
        ),
        "warns_too_soon": (
            "A request of a quarter of a second set off a warning.",
            "Half a second is 0.5, for `perf_counter` counts seconds.",
        ),
    }

    @staticmethod
    def timer(app, record):
        """Call the app, record how long each request took, and warn of slow ones."""

        async def timed(scope, receive, send):
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            began = time.perf_counter()
            try:
                await app(scope, receive, send)
            finally:
                seconds = time.perf_counter() - began
                record(scope["path"], seconds)
                if seconds > 0.5:
                    log.warning("%s took %.3f seconds", scope["path"], seconds)

        return timed

    async def judge(self, answer: Any) -> None:
        """An answer, one in parts, an error, a client that hangs up, two at once, no request, and slow ones."""
        with warnings_logged() as warned:
            await self._answers(answer)
            await self._fails(answer)
            await self._two_at_once(answer)
            await self._other_kinds(answer)
            await self._slow_ones(answer, warned)

    async def _answers(self, answer: Any) -> None:
        whole = Patient(fails=None)
        with clock_set_back():
            await self._send(answer, whole, "/whole")
        self._expect_record(whole, "/whole", 0.05, "never_records", "too_short")
        for part in (whole, in_parts := Patient(wait=0.04, parts=3)):
            if part is in_parts:
                await self._send(answer, in_parts, "/in-parts")
            if part.sent != part.answer or part.asked != ["what the client sends"]:
                self.refuse(
                    "answer_lost",
                    call=request_of("/whole"),
                    got=brief(part.sent),
                    expected=brief(part.answer),
                )
        self._expect_record(in_parts, "/in-parts", 0.12, "never_records", "first_byte")

    async def _fails(self, answer: Any) -> None:
        for mistake, path, error in (
            ("failure_unrecorded", "/fails", ValueError("the app's own")),
            ("cancelled_unrecorded", "/hung-up", asyncio.CancelledError("the client hung up")),
        ):
            app = Patient(fails=error)
            await self._send(answer, app, path)
            if app.error is None:
                self.refuse(
                    "swallows", call=request_of(path), got="no error", expected=type(error).__name__
                )
            self._expect_record(app, path, 0.05, mistake, "too_short")

    async def _two_at_once(self, answer: Any) -> None:
        long, short = Patient(wait=0.15), Patient(wait=0.02)

        async def both(scope: Any, receive: Any, send: Any) -> None:
            await (long if scope["path"] == "/long" else short)(scope, receive, send)

        timed = await self._made(answer, both, long.record)

        async def later() -> None:
            await asyncio.sleep(0.08)
            await self._call(timed, short, "/short")

        await asyncio.gather(self._call(timed, long, "/long"), later())
        seconds = dict(long.recorded)
        if as_number(seconds.get("/long")) is None or as_number(seconds["/long"]) < 0.149:  # type: ignore[operator]
            self.refuse(
                "shared_clock",
                call=request_of("/long and, a little later, GET /short"),
                got=brief(long.recorded),
            )

    async def _other_kinds(self, answer: Any) -> None:
        came: list[str] = []

        async def app(scope: Any, receive: Any, _send: Any) -> None:
            came.append(scope["type"])

        noted = Patient()
        timed = await self._made(answer, app, noted.record)
        call, got = 'timer(app, record), then {"type": "lifespan"}', ""
        try:
            await timed({"type": "lifespan"}, receive, receive)
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
        if got or noted.recorded or came != ["lifespan"]:
            self.refuse(
                "not_a_request", call=call, got=got or brief(noted.recorded), expected="handed on"
            )

    async def _slow_ones(self, answer: Any, warned: list[asyncio.Task[Any]]) -> None:
        apps = {
            "/quarter": Patient(wait=0.25),
            "/slow": Patient(wait=0.55),
            "/slow-failure": Patient(wait=0.55, fails=ValueError("the app's own")),
        }
        before = len(warned)
        tasks = {
            path: asyncio.create_task(self._send(answer, app, path)) for path, app in apps.items()
        }
        await asyncio.gather(*tasks.values())
        if before or tasks["/quarter"] in warned:
            self.refuse(
                "warns_too_soon", call=request_of("/quarter"), got="a warning", expected="none"
            )
        if tasks["/slow"] not in warned:
            self.refuse("no_warning", call=request_of("/slow"), got="no warning", expected="one")
        if tasks["/slow-failure"] not in warned:
            self.refuse(
                "slow_failure_unwarned",
                call=request_of("/slow-failure"),
                got="no warning",
                expected="one",
            )

    async def _send(self, answer: Any, app: Patient, path: str) -> None:
        """Send one request through a middleware of its own to an app."""
        await self._call(await self._made(answer, app, app.record), app, path)

    async def _made(
        self, answer: Any, app: Any, record: Callable[..., None]
    ) -> Callable[..., Awaitable[None]]:
        if inspect.iscoroutinefunction(answer):
            self.refuse(
                "wrong_type",
                call="timer(app, record)",
                got="a coroutine",
                expected="a middleware, at once",
            )
        timed = await self.call_async(answer, app, record)
        if not callable(timed):
            self.refuse(
                "wrong_type",
                call="timer(app, record)",
                got=brief(timed),
                expected="`timed`, a function",
            )
        made: Callable[..., Awaitable[None]] = timed
        return made

    async def _call(self, timed: Callable[..., Awaitable[None]], app: Patient, path: str) -> None:
        async def send(message: object) -> None:
            app.sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                coming = timed(scope, receive, send)
                if not inspect.isawaitable(coming):
                    expected = "an `async def`"
                    self.refuse(
                        "wrong_type", call=request_of(path), got=brief(coming), expected=expected
                    )
                await coming
            except (Refusal, KeyboardInterrupt):
                raise
            except (Exception, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if task and task.cancelling():
                    raise
                if error is not app.fails:
                    self.refuse(
                        "raised", call=request_of(path), got=f"{type(error).__name__}: {error}"
                    )
                app.error = error
        if any("never awaited" in str(each.message) for each in heard):
            self.refuse("forgotten_await", call=request_of(path), got=str(heard[0].message))

    def _expect_record(
        self, app: Patient, path: str, least: float, missing: str, too_short: str
    ) -> None:
        """One record, of this path, and of at least so many seconds; 20 times as many are another unit."""
        call, expected = request_of(path), f"record({path!r}, {least:g} or a little more)"
        if not app.recorded:
            self.refuse(missing, call=call, got="nothing recorded", expected=expected)
        (found, seconds), *others = app.recorded
        got = f"record({brief(found)}, {brief(seconds)})"
        if others:
            self.refuse(
                "records_twice", call=call, got=got + f", and {len(others)} more", expected=expected
            )
        if found != path:
            self.refuse("another_path", call=call, got=got, expected=expected)
        number = as_number(seconds)
        if number is None:
            self.refuse("wrong_type", call=call, got=got, expected=expected)
        if number < -1_000:
            self.refuse("wall_clock", call=call, got=got, expected=expected)
        if number > 20:
            self.refuse("another_unit", call=call, got=got, expected=expected)
        if not number > 0.98 * least:  # true of nan as well
            self.refuse(too_short, call=call, got=got, expected=expected)
