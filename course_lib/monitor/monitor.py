"""Performance monitoring: percentiles that merge across workers, slow statements, and counts.

    monitor = PerformanceMonitor()
    app.add_middleware(PerformanceMiddleware, monitor=monitor)
    monitor.get_performance_metrics()["GET /items/{item_id}"].p90

The monitor counts and reports. Around it:

    middleware.py -- log_request --+
    the app       -- log_query   --+--> entries.py --> get_performance_metrics, get_counts, ...
                  -- count       --+        |
    lag.py        -- lag         --+        +--> workers.py <--> Redis --> merged
"""

import asyncio
import contextlib
import logging
import math
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from course_lib.checks import check_namespace
from course_lib.monitor.entries import Counters, Metrics, SlowQuery, combine
from course_lib.monitor.histogram import Histogram
from course_lib.monitor.lag import measure_lag
from course_lib.monitor.lines import milliseconds, write_line
from course_lib.monitor.workers import Workers
from course_lib.redis_client import RedisUnavailable

BATCH = 256  # requests that are counted together
REPORT_INTERVAL = 1  # seconds between two reports to Redis
_INFINITE = math.inf  # looked up once, because every request is compared with it

log = logging.getLogger(__package__)


class PerformanceMonitor:
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
        self.slow = slow
        self.relative_error = relative_error
        self.workers = 1
        """The number of live processes whose requests are counted here."""
        self.complete = True
        """False if `merged` couldn't read the other workers' counts from Redis."""
        self._lock = threading.Lock()
        self._pending: list[tuple[str, float, int]] = []  # requests that aren't counted yet
        self._counters = Counters(relative_error)
        self._workers: Workers | None = None
        if redis is not None:
            # The error bound decides the buckets, and only equal buckets can be added.
            prefix = f"{{{namespace}}}:{relative_error:g}:"
            self._workers = Workers(redis, prefix, partial(combine, relative_error))
        self._tasks: list[asyncio.Task[None]] = []

    # --- counting -----------------------------------------------------------------------------

    def log_request(self, endpoint: str, duration: float, status: int = 200) -> None:
        """Count a request that took `duration` seconds.

        Raises ValueError if the duration is negative, infinite or NaN.
        """
        if not 0 <= duration < _INFINITE:
            raise ValueError(f"duration is {duration!r}: pass seconds, 0 or more")
        self._pending.append((endpoint, duration, status))
        if len(self._pending) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        """Count the pending requests."""
        with self._lock:
            batch = self._pending[:]
            del self._pending[: len(batch)]  # not what other threads have just appended
            self._counters.add_requests(batch)

    def log_query(self, sql: str, duration: float, *, endpoint: str) -> None:
        """Count a statement that took `duration` seconds to its last row; log it if it's slow.

        Pass `sql` with its placeholders, never with the values. `endpoint` is the endpoint that ran
        it; inside a request, that's `endpoint_of(request.scope)`.
        """
        with self._lock:
            self._counters.statements[endpoint, sql].add(duration)
        if duration >= self.slow:
            rounded = milliseconds(duration)
            write_line(logging.WARNING, endpoint=endpoint, statement=sql, duration_ms=rounded)

    def count(self, name: str, times: int = 1) -> None:
        """Count anything by a name, such as "cache_hit"."""
        with self._lock:
            self._counters.count(name, times)

    def _count_lag(self, lags: Sequence[float]) -> None:
        with self._lock:
            self._counters.lag.add_all(lags)

    # --- reporting ----------------------------------------------------------------------------

    def get_performance_metrics(self) -> dict[str, Metrics]:
        """Return the metrics of each endpoint, sorted by total time, largest first."""
        self._flush()
        with self._lock:
            entries = self._counters.endpoints.items()
            metrics = [(endpoint, Metrics(**entry.figures())) for endpoint, entry in entries]
        metrics.sort(key=lambda item: item[1].total, reverse=True)
        return dict(metrics)

    def get_slow_queries(self, n: int = 10, by: str = "total") -> list[SlowQuery]:
        """Return the `n` statements with the largest total time, or the largest P99 if `by="p99"`.

        Raises ValueError for any other `by`.
        """
        if by not in {"total", "p99"}:
            raise ValueError(f"by is {by!r}: sort statements by 'total' or by 'p99'")
        with self._lock:
            queries = [
                SlowQuery(**entry.figures(), sql=sql, endpoint=endpoint)
                for (endpoint, sql), entry in self._counters.statements.items()
            ]
        queries.sort(key=lambda query: getattr(query, by), reverse=True)
        return queries[:n]

    def get_counts(self) -> dict[str, int]:
        """Return everything that was counted by `count`."""
        with self._lock:
            return dict(self._counters.counts)

    def get_event_loop_lag(self) -> Metrics | None:
        """Return how late the event loop runs what's due, or None before the first check.

        It's checked ten times a second; see `lag.py`.
        """
        with self._lock:
            lag = self._counters.lag
            return Metrics(**lag.figures()) if lag.count else None

    def overall(self) -> Histogram:
        """Return the durations of all requests in one histogram."""
        durations = Histogram(self.relative_error)
        self._flush()
        with self._lock:
            for entry in self._counters.endpoints.values():
                durations.merge(entry)
        return durations

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
            return self._counters.dump()

    def _add_dump(self, dump: dict[str, Any]) -> None:
        with self._lock:
            self._counters.add_dump(dump)

    async def merged(self) -> "PerformanceMonitor":
        """Return a new monitor with the counts of all workers, including those that have ended.

        Without Redis, it's a copy. If Redis is unavailable, it's a copy with `complete` False.
        """
        merged = PerformanceMonitor(slow=self.slow, relative_error=self.relative_error)
        total = None
        if self._workers:
            try:
                await self._workers.write(self.dump)
                total, merged.workers = await self._workers.collect()
            except RedisUnavailable:
                merged.complete = False
        merged._add_dump(total or self.dump())
        return merged

    # --- background tasks ---------------------------------------------------------------------

    def start(self) -> None:
        """Start measuring event-loop lag and, with Redis, reporting once a second.

        The middleware calls it when the app starts. Calling it again does nothing.
        """
        if self._tasks:
            return
        self._tasks = [asyncio.create_task(measure_lag(self._count_lag))]
        if self._workers:
            self._tasks.append(asyncio.create_task(self._report(self._workers)))

    async def stop(self) -> None:
        """Stop what `start` started, and report one last time. Calling it again does nothing."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks and self._workers:
            with contextlib.suppress(RedisUnavailable):
                await self._workers.write(self.dump)

    async def _report(self, workers: Workers) -> None:
        while True:
            try:
                await workers.write(self.dump)
            except RedisUnavailable:
                pass  # a report holds the running total, so the next one makes up for this one
            except RedisError as error:
                log.error(
                    "Could not report to Redis; this worker is missing from the merged metrics: %s",
                    error,
                )
                return
            await asyncio.sleep(REPORT_INTERVAL)
