"""What an API's users wait for: percentiles that merge, slow statements, errors, and a line of JSON for each request.

    monitor = PerformanceMonitor()
    app.add_middleware(PerformanceMiddleware, monitor=monitor)
    monitor.get_performance_metrics()["GET /items/{item_id}"].p90

The monitor counts, the middleware tells it of each request. What durations are counted in is in `histogram.py`, what a
request is counted for in `endpoints.py`, and how the workers of a service add up in `workers.py`.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import math
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Container, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from course_lib.checks import check_namespace
from course_lib.monitor.endpoints import Scope, endpoint_of
from course_lib.monitor.histogram import Histogram
from course_lib.monitor.workers import Total, Workers
from course_lib.redis_client import RedisUnavailable

__all__ = [
    "Histogram",
    "Metrics",
    "PerformanceMiddleware",
    "PerformanceMonitor",
    "SlowQuery",
    "endpoint_of",
]

BATCH = 256  # requests that are counted at once
MAX_ENTRIES = 200  # endpoints, and statements; what comes after these shares one entry
MAX_NAME = 4_000  # characters of an endpoint or a statement
OTHERS = "(others)"
REJECTED, DISCONNECTED = (
    429,
    499,
)  # 499 is nginx's word for a client that closed its connection before the answer
DISCONNECT_CHECK_AFTER = 0.1  # seconds before somebody may have given up waiting
LAG_INTERVAL, MAX_MISSED = (
    0.1,
    600,
)  # between two looks at the event loop; a laptop may have slept for a night

_now, _INFINITE = (
    time.perf_counter,
    math.inf,
)  # looked up once: a request is counted in microseconds

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__package__)
lines = logging.getLogger(f"{__package__}.lines")
"""Takes one JSON object for each request and slow statement: at INFO, what was slow or failed at WARNING."""


class _Entry(Histogram):
    """The durations of an endpoint or a statement, and how often it was answered with which status."""

    __slots__ = ("statuses",)

    def __init__(self, relative_error: float) -> None:
        super().__init__(relative_error)
        self.statuses: defaultdict[int, int] = defaultdict(int)

    def dump(self) -> list[Any]:
        return [*super().dump(), list(self.statuses.items())]

    def add_dump(self, dump: Sequence[Any], times: int = 1) -> None:
        *durations, statuses = dump
        super().add_dump(durations, times)
        for status, count in statuses:
            self.statuses[status] += count * times


class _Entries(dict[Any, _Entry]):
    """Entries by endpoint, or by endpoint and statement: made when first asked for, while there is room."""

    def __init__(self, relative_error: float, others: str | tuple[str, ...]) -> None:
        self._relative_error, self._others = relative_error, others

    def __missing__(self, name: str | tuple[str, ...]) -> _Entry:
        if len(self) >= MAX_ENTRIES:
            name = self._others
        short = (
            name[:MAX_NAME] if isinstance(name, str) else tuple(part[:MAX_NAME] for part in name)
        )
        return self.setdefault(short, _Entry(self._relative_error))

    def dump(self) -> list[Any]:
        return [(name, entry.dump()) for name, entry in self.items()]

    def add_dump(self, dump: Iterable[Any], times: int = 1) -> None:
        for name, counted in dump:
            self[tuple(name) if isinstance(name, list) else name].add_dump(counted, times)


@dataclass(frozen=True)
class Metrics:
    """What became of the requests to an endpoint, or how late the event loop was. All times are in seconds.

    `errors` were answered with a status from 500 on, or ended by an exception; `refused` with 429; `disconnected` counts
    clients that did not wait for the end. `clamped` were shorter than a microsecond or longer than a day.
    """

    count: int
    total: float
    mean: float
    p50: float
    p90: float
    p99: float
    max: float
    errors: int = 0
    refused: int = 0
    disconnected: int = 0
    clamped: int = 0


@dataclass(frozen=True)
class SlowQuery(Metrics):
    """A statement as it was written, the endpoint that ran it, and how long that took."""

    sql: str = ""
    endpoint: str = ""


class PerformanceMonitor:
    """Counts the requests and statements of a process, from any of its threads, and adds up those of several.

    - `slow`: seconds from which a request or a statement is logged at WARNING.
    - `relative_error`: of percentiles, at most.
    - `redis`: an asyncio client, best from `redis_client.connect`, through which the workers of one service, on any
      number of machines, know of one another. While Redis is away each counts on, and tells the others later.
    - `namespace`: of the service; what it has counted is kept for a week after its last worker.

    Memory is bounded, whatever comes: of endpoints, of statements and of names that are counted the first 200 have
    an entry of their own (10 KB at 1%), and all others share one, "(others)".
    """

    def __init__(
        self,
        *,
        slow: float = 0.5,
        relative_error: float = 0.01,
        redis: Redis | None = None,
        namespace: str = "monitor",
    ) -> None:
        check_namespace(namespace)
        self.slow, self.relative_error = slow, relative_error
        self.workers = 1
        """How many processes' requests are counted here; those that have ended since are not among them."""
        self.complete = True
        """Whether those are all; False in what `merged` gives while Redis is away."""
        self._lock = threading.Lock()
        self._pending: list[tuple[str, float, int]] = []  # requests to be counted
        self._endpoints = _Entries(relative_error, OTHERS)
        self._statements = _Entries(relative_error, (OTHERS, OTHERS))
        self._lag = _Entry(relative_error)
        self._counts: dict[str, int] = {}
        prefix = f"{{{namespace}}}:{relative_error:g}:"  # other buckets cannot be added
        self._workers = None if redis is None else Workers(redis, prefix, self._combine)
        self._tasks: list[asyncio.Task[None]] = []

    # --- counting -------------------------------------------------------------------------------------------------

    def log_request(self, endpoint: str, duration: float, status: int = 200) -> None:
        """Count a request, which took `duration` seconds. ValueError for a negative one."""
        if not 0 <= duration < _INFINITE:
            raise ValueError(f"a duration is {duration!r}: give seconds, 0 or more")
        self._pending.append((endpoint, duration, status))
        if len(self._pending) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        """Count the requests that wait for it: those of one endpoint together, which is quicker than one by one."""
        alike: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
        with self._lock:
            batch = self._pending[:]
            del self._pending[
                : len(batch)
            ]  # and not what another thread has put behind these meanwhile
            for endpoint, duration, status in batch:
                alike[endpoint, status].append(duration)
            for (endpoint, status), durations in alike.items():
                entry = self._endpoints[endpoint]
                entry.add_all(durations)
                entry.statuses[status] += len(durations)

    def log_query(self, sql: str, duration: float, *, endpoint: str) -> None:
        """Count a statement, which took `duration` seconds to its last row; log it at WARNING where that is slow.

        `sql` is the statement as it was written: with placeholders, never with the values. `endpoint` ran it; inside a
        request that is `endpoint_of(request.scope)`.
        """
        with self._lock:
            self._statements[endpoint, sql].add(duration)
        if duration >= self.slow:
            _write_line(
                logging.WARNING,
                endpoint=endpoint,
                statement=sql,
                duration_ms=round(duration * 1000, 3),
            )

    def count(self, name: str, times: int = 1) -> None:
        """Count something by its name, such as "cache_hit"."""
        with self._lock:
            if name not in self._counts and len(self._counts) >= MAX_ENTRIES:
                name = OTHERS
            self._counts[name] = self._counts.get(name, 0) + times

    # --- asking ---------------------------------------------------------------------------------------------------

    def get_performance_metrics(self) -> dict[str, Metrics]:
        """What is known of each endpoint, the one that took most time in all first."""
        self._flush()
        with self._lock:
            found = {name: Metrics(**_figures(entry)) for name, entry in self._endpoints.items()}
        return dict(sorted(found.items(), key=lambda item: -item[1].total))

    def get_slow_queries(self, n: int = 10, by: str = "total") -> list[SlowQuery]:
        """The `n` statements that took most time in `total`, or whose `p99` is longest. ValueError for another `by`."""
        if by not in {"total", "p99"}:
            raise ValueError(f"by is {by!r}: order statements by 'total' or by 'p99'")
        with self._lock:
            found = [
                SlowQuery(**_figures(entry), sql=sql, endpoint=endpoint)
                for (endpoint, sql), entry in self._statements.items()
            ]
        return sorted(found, key=lambda query: -getattr(query, by))[:n]

    def get_counts(self) -> dict[str, int]:
        """What was counted by `count`."""
        with self._lock:
            return dict(self._counts)

    def get_event_loop_lag(self) -> Metrics | None:
        """How late the event loop comes to what is due: a wait that no timer inside a request sees.

        It is looked at ten times a second, and a look that it kept from happening counts as late as it came. None
        before the first.
        """
        with self._lock:
            return Metrics(**_figures(self._lag)) if self._lag.count else None

    def overall(self) -> Histogram:
        """The durations of all requests together."""
        whole = Histogram(self.relative_error)
        self._flush()
        with self._lock:
            for entry in self._endpoints.values():
                whole.merge(entry)
        return whole

    # --- adding up ------------------------------------------------------------------------------------------------

    def merge(self, other: "PerformanceMonitor") -> None:
        """Add all that another monitor has counted; nothing is lost or rounded. ValueError for another error bound."""
        if other.relative_error != self.relative_error:
            raise ValueError(
                f"errors of {self.relative_error} and {other.relative_error} cannot be merged"
            )
        self._add_dump(other.dump())
        self.workers += other.workers

    def dump(self) -> Total:
        """All that is counted, as JSON can hold it."""
        self._flush()
        with self._lock:
            return {
                "endpoints": self._endpoints.dump(),
                "statements": self._statements.dump(),
                "lag": self._lag.dump(),
                "counts": dict(self._counts),
            }

    def _add_dump(self, dump: Total, times: int = 1) -> None:
        with self._lock:
            self._endpoints.add_dump(dump["endpoints"], times)
            self._statements.add_dump(dump["statements"], times)
            self._lag.add_dump(dump["lag"], times)
        for name, count in dump["counts"].items():
            self.count(name, count * times)

    def _combine(self, plus: Iterable[Total], minus: Iterable[Total]) -> Total:
        whole = PerformanceMonitor(relative_error=self.relative_error)
        for times, totals in ((1, plus), (-1, minus)):
            for total in totals:
                whole._add_dump(total, times)
        return whole.dump()

    async def merged(self) -> "PerformanceMonitor":
        """A monitor that holds what all workers have counted, those that have ended included; without Redis a copy."""
        whole = PerformanceMonitor(slow=self.slow, relative_error=self.relative_error)
        if self._workers:
            try:
                await self._workers.write(self.dump)
                total, whole.workers = await self._workers.collect()
                whole._add_dump(total)
                return whole
            except RedisUnavailable:
                whole.complete = False
        whole._add_dump(self.dump())
        return whole

    def start(self) -> None:
        """Begin to measure the event loop's lag, and with Redis to write each second; the middleware calls it."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._measure_lag())]
            if self._workers:
                self._tasks.append(asyncio.create_task(self._report_each_second(self._workers)))

    async def stop(self) -> None:
        """End what `start` began, and write for the last time; again is no error."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks and self._workers:
            with contextlib.suppress(RedisUnavailable):
                await self._workers.write(self.dump)

    async def _report_each_second(self, workers: Workers) -> None:
        while True:
            try:
                await workers.write(self.dump)
            except RedisUnavailable:
                pass  # it is told what it missed when it is back
            except RedisError as error:
                log.error(
                    "Redis takes no report, so the other workers do not know of this one: %s", error
                )
                return
            await asyncio.sleep(1)

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += LAG_INTERVAL
            await asyncio.sleep(due - loop.time())
            late = max(loop.time() - due, 0.0)
            missed = int(late / LAG_INTERVAL)
            with self._lock:
                for number in range(min(missed, MAX_MISSED) + 1):
                    self._lag.add(late - number * LAG_INTERVAL)
            due += missed * LAG_INTERVAL


def _figures(entry: _Entry) -> dict[str, Any]:
    count, total = entry.count, entry.total / 1e9
    p50, p90, p99 = entry.percentiles(50, 90, 99)
    return {
        **{"count": count, "total": total, "mean": total / count, "max": entry.longest / 1e9},
        **{"p50": p50, "p90": p90, "p99": p99},
        "errors": sum(times for status, times in entry.statuses.items() if status >= 500),
        "refused": entry.statuses.get(REJECTED, 0),
        "disconnected": entry.statuses.get(DISCONNECTED, 0),
        "clamped": entry.clamped,
    }


# --- the middleware ---------------------------------------------------------------------------------------------------


class PerformanceMiddleware:
    """Times each request to the last byte of its answer, by the template of its route: "GET /items/{item_id}".

    Plain ASGI, for FastAPI and Starlette: `app.add_middleware(PerformanceMiddleware, monitor=monitor)`, added last, so
    that it stands round all others. An exception counts as 500, a client that hangs up as 499. What no route answers
    shares one entry, "(unknown path)". The endpoints in `ignore`, such as "GET /metrics", are neither counted nor
    logged.

    An answer whose request has a line in the log bears the number of that line in `X-Request-ID` (not a stream that
    turns out to be slow, or fails, after it has begun).
    """

    def __init__(
        self, app: App, *, monitor: PerformanceMonitor, ignore: Container[str] = ()
    ) -> None:
        self.app, self.monitor, self.ignore = app, monitor, ignore
        self._process, self._numbers = secrets.token_hex(4), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await (self._lifespan if scope["type"] == "lifespan" else self.app)(
                scope, receive, send
            )
            return
        request = _Request(self, scope, receive, send)
        try:
            await self.app(scope, request.receive, request.send)
        except BaseException as error:
            request.record_failure(error)
            raise
        if not request.recorded:
            request.record_failure(None)

    def new_request_id(self) -> str:
        """A number for a request, which no other worker gives."""
        return f"{self._process}-{next(self._numbers)}"

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the monitor's own tasks run as long as the app does, whose Redis must still be open at the end."""

        async def receive_and_stop() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.monitor.stop()
            return message

        self.monitor.start()
        try:
            await self.app(scope, receive_and_stop, send)
        finally:
            await self.monitor.stop()


class _Request:
    """One request on its way: when it began, what it was answered, whether its client is still there."""

    __slots__ = (
        *("middleware", "scope", "receive_from_server", "send_to_server", "started"),
        *("status", "request_id", "recorded", "disconnected", "receiving", "unread"),
    )

    def __init__(
        self, middleware: PerformanceMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.middleware, self.scope, self.receive_from_server, self.send_to_server = (
            middleware,
            scope,
            receive,
            send,
        )
        self.status = 0  # until the answer begins
        self.request_id = ""  # where there is a line in the log
        self.recorded = False
        self.disconnected = False  # the client
        self.receiving = False  # the app waits for a message
        self.unread: Message | None = None  # what the app has not asked for yet
        self.started = _now()

    async def receive(self) -> Message:
        """What the server has for the app."""
        if self.unread:
            message, self.unread = self.unread, None
            return message
        self.receiving = True
        try:
            message = await self.receive_from_server()
        finally:
            self.receiving = False
        if message["type"] == "http.disconnect":
            self.disconnected = True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Hand on what the app answers. No coroutine of its own: most answers begin without a wait here."""
        if self.status or message["type"] != "http.response.start":
            return self.send_body(message)
        self.status = status = message["status"]
        duration = _now() - self.started
        if (
            status >= 500
            or duration >= self.middleware.monitor.slow
            or lines.isEnabledFor(logging.INFO)
        ):
            self.request_id = self.middleware.new_request_id()
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self.request_id.encode()),
            ]
        if duration > DISCONNECT_CHECK_AFTER and not self.receiving and not self.unread:
            return self.start_late_response(message)
        return self.send_to_server(message)

    async def start_late_response(self, message: Message) -> None:
        """Hand on the beginning of an answer that took its time, after a look at whether anybody waits for it."""
        await self.check_disconnect()
        await self.send_to_server(message)

    async def send_body(self, message: Message) -> None:
        """Hand on what comes after the beginning, and count the request with its last byte."""
        try:
            await self.send_to_server(message)
        except OSError:
            self.disconnected = True
            raise
        if self.status and not message.get("more_body"):
            self.record(DISCONNECTED if self.disconnected else self.status, None)

    async def check_disconnect(self) -> None:
        """See if the client has hung up: nobody tells an app that does not ask, and what it sends goes nowhere."""
        asking = asyncio.ensure_future(self.receive_from_server())
        await asyncio.sleep(0)
        if not asking.done():
            asking.cancel()
        elif not asking.exception():
            self.unread = asking.result()
            self.disconnected = self.unread["type"] == "http.disconnect"

    def record_failure(self, error: BaseException | None) -> None:
        """Count the request where the app has ended, and its answer has not."""
        if self.disconnected or (
            error and not isinstance(error, Exception)
        ):  # a server may cancel what nobody waits for
            self.record(DISCONNECTED, error)
        else:
            self.record(
                500 if error or not self.status else DISCONNECTED, error
            )  # Starlette ends a stream nobody listens to

    def record(self, status: int, error: BaseException | None) -> None:
        """Count the request, once: at the last byte, which background tasks come after, or when it has failed."""
        if self.recorded:
            return
        self.recorded = True
        duration = _now() - self.started
        endpoint, middleware = endpoint_of(self.scope), self.middleware
        if endpoint in middleware.ignore:
            return
        monitor = middleware.monitor
        monitor.log_request(endpoint, duration, status)
        warn = status >= 500 or duration >= monitor.slow
        if warn or self.request_id:
            about = {
                "request_id": self.request_id or middleware.new_request_id(),
                "route": endpoint,
                "status": status,
            }
            failure = {"error": type(error).__name__} if error else {}
            level = logging.WARNING if warn else logging.INFO
            _write_line(level, **about, duration_ms=round(duration * 1000, 3), **failure)


def _write_line(level: int, **fields: Any) -> None:
    """Log one JSON object: names and figures, and nothing that a client sent."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    lines.log(
        level, "%s", json.dumps({"time": moment, "level": logging.getLevelName(level), **fields})
    )
