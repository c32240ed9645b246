"""Performance monitoring: percentiles that merge across workers, slow statements, and counts.

    monitor = PerformanceMonitor()
    app.add_middleware(PerformanceMiddleware, monitor=monitor)
    monitor.get_performance_metrics()["GET /items/{item_id}"].p90

The monitor counts and reports. Around it:

    middleware.py -- log_request --+
    the app       -- log_query   --+--> entries.py --> get_performance_metrics, get_counts, ...
                  -- count       --+        |
    lag.py        -- lag         --+        +--> workers.py <--> Redis --> merged
                                            |
                                        background.py reports once a second
"""

import asyncio
import logging
import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from course_lib.checks import check_namespace
from course_lib.monitor.arguments import (
    check_name,
    check_request,
    check_seconds,
    check_share,
    check_slow,
    check_times,
)
from course_lib.monitor.background import Background
from course_lib.monitor.entries import Counters, Counts, Request
from course_lib.monitor.forks import call_in_child
from course_lib.monitor.histogram import LONGEST
from course_lib.monitor.lines import milliseconds, write_line
from course_lib.monitor.readings import Readings
from course_lib.monitor.siblings import count_siblings
from course_lib.monitor.watched import WatchedCounters
from course_lib.monitor.workers import Workers
from course_lib.redis_client import check_client

BATCH = 256  # requests that are counted together
_INFINITE = math.inf  # looked up once, because every request is compared with it


class PerformanceMonitor(Readings):
    """Count the requests and statements of a process, and merge the counts of several processes.

    - `slow`: requests and statements that take this many seconds or more are logged at WARNING.
    - `relative_error`: the largest error of a percentile; 0.01 is 1%.
    - `redis`: an asyncio client, preferably from `redis_client.connect`. Through it, all workers of
      a service, on any number of machines, share their counts. While Redis is unavailable, each
      worker keeps counting, and reports later.
    - `namespace`: the service's name in Redis. Counts are kept for a week after the last report.

    Any thread may call it. Memory is bounded: the first 200 endpoints, statements and counted names
    each have an entry of their own (10 KB at 1%), and all others share one, "(others)".
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
        if redis is not None:
            check_client(redis)
        self.slow = check_slow(slow)
        self.relative_error = check_share("relative_error", relative_error)
        self.workers = 1
        """The number of live processes whose requests are counted here."""
        self.uncounted_workers: int | None = None
        """The other processes of this server that `merged` can't read; None before `merged`."""
        self.complete = True
        """False if `merged` couldn't read the other workers' counts from Redis."""
        self.background = Background(self._count_lag, self._report if redis else None)
        self._redis = redis
        # The error bound decides the buckets, and only equal buckets can be added.
        self._prefix = f"{{{namespace}}}:{relative_error:g}:"
        self._watched = WatchedCounters()
        self._start_at_zero()
        call_in_child(self, PerformanceMonitor._start_at_zero)

    def _start_at_zero(self) -> None:
        """Forget everything counted: a forked child is another worker."""
        self.in_progress = 0
        self.open_websockets = 0
        self._lock = threading.RLock()  # a signal handler may count too
        self._pending = []
        self._counters = Counters(self.relative_error)
        self._workers: Workers | None = None
        if self._redis is not None:
            self._workers = Workers(self._redis, self._prefix, self.relative_error)
        self.background.forget()
        self._watched.start_at_zero()

    # --- counting -----------------------------------------------------------------------------

    def log_request(
        self,
        endpoint: str,
        duration: float,
        status: int = 200,
        first_byte: float = 0.0,
        size: int = 0,
    ) -> None:
        """Count a request that took `duration` seconds.

        `first_byte` is the time until the response started, `size` the bytes of its body.
        Raises ValueError if the duration is negative, infinite or NaN, TypeError if a type is
        wrong; what was refused is counted as "monitor_refused".
        """
        if not (
            type(duration) is float  # faster than isinstance(), which is in check_request()
            and type(endpoint) is str
            and type(status) is int
            and 0 <= duration < _INFINITE
            and first_byte == size == 0
        ):
            try:
                duration = check_request(endpoint, duration, status)
                first_byte = min(check_seconds("first_byte", first_byte), LONGEST)
                check_times("size", size)
            except (TypeError, ValueError):
                self._count_refused()
                raise
        self.add_request((endpoint, duration, status, first_byte, size))

    def add_request(self, request: Request) -> None:
        """Count a request whose values are known to be right; `log_request` checks them."""
        self._pending.append(request)
        if len(self._pending) >= BATCH:
            self._flush()

    def log_query(self, sql: str, duration: float, *, endpoint: str) -> None:
        """Count a statement that took `duration` seconds to its last row; log it if it's slow.

        Pass `sql` with its placeholders, never with the values. `endpoint` is the endpoint that ran
        it; inside a request, that's `endpoint_of(request.scope)`. Raises what `log_request` does.
        """
        try:
            duration = check_request(endpoint, duration)
            check_name("sql", sql)
        except (TypeError, ValueError):
            self._count_refused()
            raise
        with self._lock:
            self._counters.statements[endpoint, sql].add(duration)
        if duration >= self.slow:
            rounded = milliseconds(duration)
            write_line(logging.WARNING, endpoint=endpoint, statement=sql, duration_ms=rounded)

    def count(self, name: str, times: int = 1) -> None:
        """Count anything by a name, such as "cache_hit".

        Raises TypeError if a type is wrong, ValueError if `times` is negative or over 2**50.
        """
        try:
            check_name("name", name)
            check_times("times", times)
        except (TypeError, ValueError):
            self._count_refused()
            raise
        with self._lock:
            self._counters.counts.add(name, times)

    def watch(self, name: str, counter: Mapping[str, int]) -> None:
        """Include a counter that other code keeps, each of its keys as "name:key".

        For example `monitor.watch("cache_unavailable", cache.unavailable)`. Counters with the same
        name add up. A value that isn't a count is left out and logged. Raises TypeError for a
        counter that isn't a mapping.
        """
        self._watched.add(name, counter)

    def _count_lag(self, lags: Sequence[float]) -> None:
        with self._lock:
            self._counters.lag.add_all(lags)

    def _count_refused(self) -> None:
        with self._lock:
            self._counters.counts.add("monitor_refused", 1)

    # --- merging ------------------------------------------------------------------------------

    def merge(self, other: "PerformanceMonitor") -> None:
        """Add everything that another monitor has counted. Nothing is lost or rounded.

        Raises ValueError if its relative error differs.
        """
        if other.relative_error != self.relative_error:
            errors = f"{self.relative_error} and {other.relative_error}"
            raise ValueError(f"relative errors of {errors} can't be merged: use the same for both")
        self._add_dump(other.dump())
        self.workers += other.workers

    def dump(self) -> dict[str, Any]:
        """Return everything counted, in a form that JSON can hold."""
        self._flush()
        with self._lock:
            dump = self._counters.dump()
        gauges = Counts(dump["gauges"])
        gauges.add("in_progress", max(self.in_progress, 0))  # below 0 if forked in a request
        gauges.add("open_websockets", max(self.open_websockets, 0))
        return {**dump, "counts": self.get_counts(), "gauges": gauges}

    def _add_dump(self, dump: dict[str, Any]) -> None:
        with self._lock:
            self._counters.add_dump(dump)

    async def merged(self) -> "PerformanceMonitor":
        """Return a new monitor with the counts of all workers, including those that have ended.

        Without Redis, it's a copy. If Redis is unavailable, it's a copy with `complete` False.
        """
        merged = PerformanceMonitor(slow=self.slow, relative_error=self.relative_error)
        total = None
        merged.uncounted_workers = 0 if self._workers else await asyncio.to_thread(count_siblings)
        if self._workers:
            has_reported = await self._workers.report(self.dump)
            collected = await self._workers.collect() if has_reported else None
            total, merged.workers, merged.complete = collected or (None, 1, False)
        # In a thread, because adding up many names takes a while.
        await asyncio.to_thread(lambda: merged._add_dump(total or self.dump()))
        return merged

    # --- the background task ------------------------------------------------------------------

    def start(self) -> None:
        """Start measuring event-loop lag and, with Redis, reporting once a second.

        The middleware calls it when the app starts. Calling it again does nothing.
        """
        self.background.start()

    async def stop(self) -> None:
        """Stop what `start` started, and report one last time. Calling it again does nothing."""
        await self.background.stop()

    async def _report(self) -> None:
        if self._workers:
            await self._workers.report(self.dump)
