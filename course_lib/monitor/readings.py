"""Read what a monitor has counted: metrics of endpoints, slow statements, lag, and counts."""

import threading
from collections import Counter

from course_lib.monitor.arguments import check_times
from course_lib.monitor.entries import (
    MAX_NAME,
    OTHERS,
    Counters,
    Counts,
    Metrics,
    Request,
    SlowQuery,
)
from course_lib.monitor.histogram import Histogram
from course_lib.monitor.watched import WatchedCounters


class Readings:
    """The counters of a monitor, with the methods that read them. Any thread may call them."""

    relative_error: float
    _lock: threading.RLock
    _pending: list[Request]
    """Requests that aren't counted yet."""
    _counters: Counters
    _watched: WatchedCounters

    def _flush(self) -> None:
        """Count the pending requests."""
        with self._lock:
            batch = self._pending[:]
            del self._pending[: len(batch)]  # not what other threads have just appended
            self._counters.add_requests(batch)

    def get_performance_metrics(self) -> dict[str, Metrics]:
        """Return the metrics of each endpoint, sorted by total time, largest first."""
        self._flush()
        with self._lock:
            entries = self._counters.endpoints.items()
            counted = [(endpoint, entry) for endpoint, entry in entries if entry.count]
            metrics = [(endpoint, Metrics(**entry.figures())) for endpoint, entry in counted]
        metrics.sort(key=lambda item: item[1].total, reverse=True)
        return dict(metrics)

    def get_slow_queries(self, n: int = 10, by: str = "total") -> list[SlowQuery]:
        """Return the `n` statements with the largest total time, or the largest P99 if `by="p99"`.

        Raises ValueError for any other `by` or a negative `n`, TypeError if `n` isn't a number.
        """
        check_times("n", n)
        if by not in {"total", "p99"}:
            raise ValueError(f"by is {by!r}: sort statements by 'total' or by 'p99'")
        with self._lock:
            queries = [
                SlowQuery(**entry.figures(), sql=sql, endpoint=endpoint)
                for (endpoint, sql), entry in self._counters.statements.items()
            ]
        queries.sort(key=lambda query: getattr(query, by), reverse=True)
        return queries[:n]

    def workload(self, n: int = 100) -> list[tuple[str, int]]:
        """Return the `n` statements with the largest total time, and how often each ran.

        `advisor.recommend_indexes` takes this list. Statements of 4,000 characters or more aren't
        in it, because only their beginning is kept.
        """
        calls: Counter[str] = Counter()
        for query in self.get_slow_queries(n):
            if query.sql != OTHERS and len(query.sql) < MAX_NAME:  # else the text isn't known
                calls[query.sql] += query.count
        return list(calls.items())

    def get_counts(self) -> dict[str, int]:
        """Return everything that was counted by `count`, or that is watched."""
        watched = self._watched.counts()
        with self._lock:
            for name in watched:
                # Keep its place among the names: if it moved to "(others)", counts would jump.
                self._counters.counts.add(name, 0)
            counts = Counts(self._counters.counts)
        for name, times in watched.items():
            counts.add(name, times)
        return dict(counts)

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
