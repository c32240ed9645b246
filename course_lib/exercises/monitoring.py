"""The exercises of lesson 4, monitoring: what is measured, logged and worth an alarm; those about figures stand beside.

The middleware is run round small apps that wait in earnest, one of them for more than half a second; what they waited
is the least that it must have recorded.
"""

import asyncio
import contextlib
import inspect
import json
import logging
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise, Refusal, brief
from course_lib.exercises.monitoring_figures import bucket, find_it, merge, percentile
from course_lib.exercises.welcome import as_number

__all__ = ["alert", "bucket", "find_it", "log_line", "merge", "percentile", "timer"]

log = logging.getLogger("timer")

START = {"type": "http.response.start", "status": 200, "headers": []}


def _body(content: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


@dataclass
class Patient:
    """An app that waits, answers in parts, and may fail after that; what a middleware round it did is noted."""

    wait: float = 0.05
    """Seconds before the answer, and between its parts."""
    parts: int = 1
    fails: BaseException | None = None
    asked: list[object] = field(default_factory=list)
    sent: list[object] = field(default_factory=list)
    recorded: list[tuple[object, object]] = field(default_factory=list)
    error: BaseException | None = None

    def record(self, path: object, seconds: object) -> None:
        """What the middleware is to call."""
        self.recorded.append((path, seconds))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        self.asked.append(await receive())
        await asyncio.sleep(self.wait)
        if self.fails:
            raise self.fails
        await send(START)
        for left in reversed(range(self.parts)):
            await send(_body(b"x", more=left > 0))
            await asyncio.sleep(self.wait if left else 0)

    def __repr__(self) -> str:
        return "app"

    @property
    def answer(self) -> list[object]:
        """What it sends."""
        return [START, *[_body(b"x", more=left > 0) for left in reversed(range(self.parts))]]


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
        with _warnings_logged() as warned:
            await self._answers(answer)
            await self._fails(answer)
            await self._two_at_once(answer)
            await self._other_kinds(answer)
            await self._slow_ones(answer, warned)

    async def _answers(self, answer: Any) -> None:
        whole = Patient(fails=None)
        with _clock_set_back():
            await self._send(answer, whole, "/whole")
        self._expect_record(whole, "/whole", 0.05, "never_records", "too_short")
        for part in (whole, in_parts := Patient(wait=0.04, parts=3)):
            if part is in_parts:
                await self._send(answer, in_parts, "/in-parts")
            if part.sent != part.answer or part.asked != ["what the client sends"]:
                self.refuse(
                    "answer_lost",
                    call=_get("/whole"),
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
                    "swallows", call=_get(path), got="no error", expected=type(error).__name__
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
                call=_get("/long and, a little later, GET /short"),
                got=brief(long.recorded),
            )

    async def _other_kinds(self, answer: Any) -> None:
        came: list[str] = []

        async def app(scope: Any, _receive: Any, _send: Any) -> None:
            came.append(scope["type"])

        noted = Patient()
        timed = await self._made(answer, app, noted.record)
        call, got = 'timer(app, record), then {"type": "lifespan"}', ""
        try:
            await timed({"type": "lifespan"}, _receive, _receive)
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
            self.refuse("warns_too_soon", call=_get("/quarter"), got="a warning", expected="none")
        if tasks["/slow"] not in warned:
            self.refuse("no_warning", call=_get("/slow"), got="no warning", expected="one")
        if tasks["/slow-failure"] not in warned:
            self.refuse(
                "slow_failure_unwarned",
                call=_get("/slow-failure"),
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
                coming = timed(scope, _receive, send)
                if not inspect.isawaitable(coming):
                    expected = "an `async def`"
                    self.refuse("wrong_type", call=_get(path), got=brief(coming), expected=expected)
                await coming
            except (Refusal, KeyboardInterrupt):
                raise
            except (Exception, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if task and task.cancelling():
                    raise
                if error is not app.fails:
                    self.refuse("raised", call=_get(path), got=f"{type(error).__name__}: {error}")
                app.error = error
        if any("never awaited" in str(each.message) for each in heard):
            self.refuse("forgotten_await", call=_get(path), got=str(heard[0].message))

    def _expect_record(
        self, app: Patient, path: str, least: float, missing: str, too_short: str
    ) -> None:
        """One record, of this path, and of at least so many seconds; 20 times as many are another unit."""
        call, expected = _get(path), f"record({path!r}, {least:g} or a little more)"
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


async def _receive(*_: object) -> str:
    return "what the client sends"


def _get(path: str) -> str:
    return f"timer(app, record), then GET {path}"


@contextlib.contextmanager
def _clock_set_back() -> Iterator[None]:
    """Somebody sets the machine's clock back by an hour, a moment from now and until the end."""
    real, began = time.time, time.perf_counter()
    time.time = lambda: real() - 3_600 * (time.perf_counter() - began > 0.02)
    try:
        yield
    finally:
        time.time = real


@contextlib.contextmanager
def _warnings_logged() -> Iterator[list[Any]]:
    """Note which task of this thread logs at WARNING; nothing is printed meanwhile."""
    warned: list[Any] = []
    here = threading.current_thread()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if threading.current_thread() is here and record.name != "asyncio":
                warned.append(asyncio.current_task())

    root = logging.getLogger()
    handlers, root.handlers = root.handlers, [Listener(logging.WARNING)]
    try:
        yield warned
    finally:
        root.handlers = handlers


class LogLine(Exercise):
    """One JSON object a line: fields that a program can ask for, and nothing that somebody sent."""

    lesson = "monitoring"
    name = "log_line"
    task = """Write `log_line(request, status, seconds)`: one line of JSON for a request that has been answered, with

- `"level"`: `"WARNING"` where it took more than half a second, else `"INFO"`
- `"request_id"`, and `"route"`: the method and the template, such as `"GET /items/{item_id}"`
- `"status"` and `"duration_ms"`, as numbers

`request` is a dict with `id`, `method`, `route` (the template), `path` (as it was asked for), `query`, `headers` and
`body`. Logs are read by many and kept for long: what the client sent has no place in them."""
    imports = "import json\n\n\n"
    stub = imports + "def log_line(request, status, seconds):\n    return ..."
    hints = (
        "Make a dict of the five fields, and let `json.dumps` write it: that is one line.",
        "Which parts of `request` come from the client, and which from your own code? Only `route` is the latter's.",
        '`"duration_ms": seconds * 1000`, and `"level": "WARNING" if seconds > 0.5 else "INFO"`.',
    )
    praise = "A program can sum it up, and nobody finds a password in it."
    refusals: ClassVar = {
        "not_json": (
            "That is not JSON: no program can be sure where a value ends.",
            "Let `json.dumps` write it; an f-string does not quote, and `str(dict)` is Python's own way.",
        ),
        "several_lines": (
            "One request has to be one line: `grep` and every collector go by lines.",
            "No `indent`.",
        ),
        "leaks_path": (
            "The path as it was asked for is in it, and with it whom it is about. It also makes each user an endpoint "
            "of their own.",
            "Take the template, `route`.",
        ),
        "leaks_query": (
            "The query is in it: tokens and search words stand there.",
            "Only the five fields that were asked for.",
        ),
        "leaks_headers": (
            "The headers are in it, and with them whoever's key and cookies.",
            "Only the five fields that were asked for.",
        ),
        "leaks_body": (
            "The body is in it, here with a password.",
            "Only the five fields that were asked for.",
        ),
        "no_field": ("A field is missing.", "The five names are given in the task."),
        "text_for_number": (
            "A number was written as text: nothing can be summed or compared with it.",
            "No quotes and no unit: the unit stands in the field's name.",
        ),
        "another_unit": (
            "`duration_ms` is not in milliseconds.",
            "A second has a thousand of them.",
        ),
        "no_method": (
            "The method is not in `route`: reading and writing the same thing would be one endpoint.",
            'Method, a space, and the template: `"GET /items/{item_id}"`.',
        ),
        "another_level": (
            "The level is wrong: `WARNING` is for what took more than half a second, whatever the status.",
            "`seconds` are seconds; and an error that came quickly has its status.",
        ),
        "another_value": (
            "A field holds something else than was asked for.",
            "Compare it with the task.",
        ),
    }

    @staticmethod
    def log_line(request, status, seconds):
        """One line of JSON for a request that was answered."""
        return json.dumps(
            {
                "level": "WARNING" if seconds > 0.5 else "INFO",
                "request_id": request["id"],
                "route": f"{request['method']} {request['route']}",
                "status": status,
                "duration_ms": seconds * 1000,
            }
        )

    def judge(self, answer: Callable[[Mapping[str, Any], int, float], str]) -> None:
        """A quick request, a slow one, a quick error, and one whose every part needs quoting."""
        for number, (status, seconds) in enumerate(((200, 0.5), (200, 1.25), (503, 0.004))):
            request = {
                "id": f'7f"{number}',
                "method": "POST" if number else "PUT",
                "route": "/accounts/{account}/login",
                "path": "/accounts/ada@example.org/login",
                "query": "token=t0ken&q=shoes",
                "headers": {"authorization": "Bearer s3cret", "cookie": "session=s3ssion"},
                "body": '{"password": "pa55word"}',
            }
            call = f"log_line(request, {status}, {seconds})"
            result = self.call(answer, request, status, seconds)
            if not isinstance(result, str):
                self.refuse("wrong_type", call=call, got=brief(result), expected="a string")
            self._read(result, request, status, seconds, call)

    def _read(
        self, line: str, request: Mapping[str, Any], status: int, seconds: float, call: str
    ) -> None:
        for mistake, secret in (
            ("leaks_path", "ada@"),
            ("leaks_query", "t0ken"),
            ("leaks_query", "shoes"),
            ("leaks_headers", "s3"),
            ("leaks_body", "pa55"),
        ):
            if secret in line:
                self.refuse(mistake, call=call, got=line)
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            self.refuse("not_json", call=call, got=line, expected="one JSON object")
        if len(line.splitlines()) > 1:
            self.refuse("several_lines", call=call, got=line, expected="one line")
        expected = {
            "level": "WARNING" if seconds > 0.5 else "INFO",
            "request_id": request["id"],
            "route": f"{request['method']} {request['route']}",
            "status": status,
            "duration_ms": seconds * 1000,
        }
        for name, value in expected.items():
            if name not in fields:
                self.refuse("no_field", call=call, got=line, expected=name)
            if fields[name] != value and not self._rounded(fields[name], value):
                mistake = self._mistake(name, fields[name], request)
                self.refuse(
                    mistake, call=call, got=f"{name}: {brief(fields[name])}", expected=brief(value)
                )

    def _rounded(self, found: object, value: object) -> bool:
        number = as_number(found)
        return isinstance(value, float) and number is not None and abs(number - value) <= 0.5

    def _mistake(self, name: str, found: object, request: Mapping[str, Any]) -> str:
        if name in {"status", "duration_ms"} and isinstance(found, str):
            return "text_for_number"
        if name == "duration_ms":
            return "another_unit"
        if name == "route" and found == request["route"]:
            return "no_method"
        return "another_level" if name == "level" else "another_value"


class Alert(Exercise):
    """A share over a stretch of time, and enough requests to speak of one."""

    lesson = "monitoring"
    name = "alert"
    task = """Whom to wake at night, and when? Write the rule `alert(requests, now)`: True where of the **last five
minutes** at least 100 requests are known, and **more than 1%** of those took more than half a second; else False.

`requests` is a list of pairs `(moment, seconds)`: when it was answered, and how long it took. Moments count seconds, as
`now` does; the list goes back for hours, in no order."""
    stub = """def alert(requests, now):
    recent = ...  # those of the last 300 seconds
    return ..."""
    hints = (
        "Three steps: who is recent; how many of those are slow; what share is that, and of how many?",
        "`[seconds for moment, seconds in requests if now - moment <= 300]` are the recent ones.",
        "Ask for `len(recent) >= 100` first: then there is something to divide by.",
    )
    praise = "It rings when many wait, and sleeps through the one request that is slow each day."
    refusals: ClassVar = {
        "one_slow_request": (
            "One slow request in a thousand rings the alarm. It would ring every night, and soon nobody gets up.",
            "Ask for a share: more than 1%.",
        ),
        "count_not_share": (
            "A number of slow requests is much for a small service and nothing for a large one.",
            "Divide by the number of recent requests.",
        ),
        "whole_history": (
            "Older requests than those of the last five minutes were counted.",
            "First pick those with `now - moment <= 300`.",
        ),
        "too_few": (
            "Of three requests at night one was slow: that is a third, and says nothing.",
            "At least 100 requests, or no alarm.",
        ),
        "silent": (
            "A fiftieth of all users waited for more than half a second, and no alarm rang. A mean or a median does "
            "not move when they do.",
            "Count the slow ones, and divide.",
        ),
        "at_the_bound": (
            "Nearly. At least 100 requests, so 100 are enough; more than 1%, so 1% is not; slow is more than 0.5 s.",
            "Compare `<` and `<=`, `>` and `>=` with the task.",
        ),
        "no_requests": (
            "Where nobody comes there is nothing to divide by.",
            "Ask for the 100 first.",
        ),
    }

    @staticmethod
    def alert(requests, now):
        """Whether of the last five minutes' requests more than 1% were slow."""
        recent = [seconds for moment, seconds in requests if now - moment <= 300]
        slow = sum(seconds > 0.5 for seconds in recent)
        return len(recent) >= 100 and slow / len(recent) > 0.01

    def judge(self, answer: Callable[[Sequence[tuple[float, float]], float], bool]) -> None:
        """A quiet hour, a bad one, one long past, one that a good day hides, night, nobody, and the bounds."""
        now = 1_700_000_000.0
        for mistake, expected, said, (count, slow), (old, old_slow) in (
            ("silent", True, "1,000 recent requests, 20 slow", (1_000, 20), (0, 0)),
            ("one_slow_request", False, "1,000 recent requests, 1 slow", (1_000, 1), (0, 0)),
            (
                "whole_history",
                False,
                "500 recent requests, none slow; an hour ago 100 slow",
                (500, 0),
                (500, 100),
            ),
            (
                "whole_history",
                True,
                "500 recent ones, 50 slow; before that 20,000 quick",
                (500, 50),
                (20_000, 0),
            ),
            ("count_not_share", False, "10,000 recent requests, 60 slow", (10_000, 60), (0, 0)),
            ("count_not_share", True, "150 recent requests, 3 slow", (150, 3), (0, 0)),
            ("too_few", False, "3 recent requests, 1 slow", (3, 1), (400, 0)),
            ("no_requests", False, "no request at all", (0, 0), (0, 0)),
            ("at_the_bound", True, "100 recent requests, 2 slow", (100, 2), (0, 0)),
            ("at_the_bound", False, "1,000 recent requests, 10 slow", (1_000, 10), (0, 0)),
        ):
            requests = [
                *_answered(count, slow, now - 290, now),
                *_answered(old, old_slow, now - 7_200, now - 3_600),
            ]
            call = f"alert(requests, now): {said}"
            try:
                result = self.call(answer, requests, now)
            except Refusal as refusal:
                if not requests and refusal.got.startswith("ZeroDivisionError"):
                    self.refuse("no_requests", call=call, got=refusal.got, expected="False")
                raise
            if result not in (True, False) or isinstance(result, float):
                self.refuse("wrong_type", call=call, got=brief(result), expected="True or False")
            if bool(result) != expected:
                self.refuse(mistake, call=call, got=brief(result), expected=str(expected))


def _answered(count: int, slow: int, since: float, until: float) -> list[tuple[float, float]]:
    """So many requests, evenly over a stretch of time and the latest first; so many of them slow, others just not."""
    step = (until - since) / max(count, 1)
    every = count // slow if slow else count + 1
    return [
        (
            until - number * step,
            0.9 if number % every == 0 and number // every < slow else 0.5 - 0.4 * (number % 7 > 0),
        )
        for number in range(count)
    ]


timer = Timer()
log_line = LogLine()
alert = Alert()
