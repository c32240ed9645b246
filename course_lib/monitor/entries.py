"""The entries that a monitor keeps for endpoints and statements, and the figures it reports.

    Counters                      everything that one process has counted
      Entries  by name            a bounded number of entries
        Entry                     a histogram of durations, and a count of each status
          Metrics, SlowQuery      the figures of an entry, in seconds

Nothing here is thread-safe: `PerformanceMonitor` holds the lock.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from course_lib.monitor.histogram import NANOSECONDS, Histogram

MAX_ENTRIES = 200  # endpoints, statements and counted names that have an entry of their own
MAX_NAME = 4_000  # characters of an endpoint or a statement
OTHERS = "(others)"

TOO_MANY_REQUESTS = 429
DISCONNECTED = 499  # nginx's status for a client that closed its connection before the response

Name = str | tuple[str, ...]


@dataclass(frozen=True)
class Metrics:
    """Statistics for the requests to one endpoint, or for event-loop lag. Times are in seconds.

    - `errors`: requests that ended with a status of 500 or more, or with an exception.
    - `refused`: requests that were rejected with 429.
    - `disconnected`: clients that closed the connection before the end of the response.
    - `clamped`: durations shorter than a microsecond or longer than a day.
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
    """Statistics for one statement: its text, without values, and the endpoint that runs it."""

    sql: str = ""
    endpoint: str = ""


class Entry(Histogram):
    """The durations of one endpoint or statement, and how many requests got each status."""

    __slots__ = ("statuses",)

    def __init__(self, relative_error: float) -> None:
        super().__init__(relative_error)
        self.statuses: defaultdict[int, int] = defaultdict(int)

    def figures(self) -> dict[str, Any]:
        """Return the values for `Metrics`. Raises ValueError if the entry is empty."""
        count = self.count
        total = self.total / NANOSECONDS
        p50, p90, p99 = self.percentiles(50, 90, 99)
        errors = sum(times for status, times in self.statuses.items() if status >= 500)
        return {
            "count": count,
            "total": total,
            "mean": total / count,
            "p50": p50,
            "p90": p90,
            "p99": p99,
            "max": self.longest / NANOSECONDS,
            "errors": errors,
            "refused": self.statuses.get(TOO_MANY_REQUESTS, 0),
            "disconnected": self.statuses.get(DISCONNECTED, 0),
            "clamped": self.clamped,
        }

    def dump(self) -> list[Any]:
        """Return the histogram's dump, with a list of statuses and their counts at the end."""
        return [*super().dump(), list(self.statuses.items())]

    def add_dump(self, dump: Sequence[Any], times: int = 1) -> None:
        """Add what another entry has counted; subtract it with `times=-1`."""
        *durations, statuses = dump
        super().add_dump(durations, times)
        for status, count in statuses:
            self.statuses[status] += count * times


class Entries(dict[Any, Entry]):
    """Entries by name: an endpoint, or an endpoint and a statement.

    Looking up a new name creates its entry. After 200 entries, all new names share one.
    """

    def __init__(self, relative_error: float, shared_name: Name) -> None:
        self._relative_error = relative_error
        self._shared_name = shared_name

    def __missing__(self, name: Name) -> Entry:
        if len(self) >= MAX_ENTRIES:
            name = self._shared_name
        return self.setdefault(_truncated(name), Entry(self._relative_error))

    def dump(self) -> list[Any]:
        """Return a list of names and the dumps of their entries."""
        return [(name, entry.dump()) for name, entry in self.items()]

    def add_dump(self, dump: Iterable[Any], times: int = 1) -> None:
        """Add what other entries have counted; subtract it with `times=-1`."""
        for name, entry_dump in dump:
            key = tuple(name) if isinstance(name, list) else name  # JSON has no tuples
            self[key].add_dump(entry_dump, times)


class Counters:
    """Everything that a monitor counts: requests, statements, event-loop lag, and named counts."""

    def __init__(self, relative_error: float) -> None:
        self.endpoints = Entries(relative_error, OTHERS)
        self.statements = Entries(relative_error, (OTHERS, OTHERS))
        self.lag = Entry(relative_error)
        self.counts: dict[str, int] = {}

    def add_requests(self, batch: Iterable[tuple[str, float, int]]) -> None:
        """Count requests: the endpoint, duration in seconds and status of each.

        Requests with the same endpoint and status are added together, which is faster than one
        at a time.
        """
        groups: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
        for endpoint, duration, status in batch:
            groups[endpoint, status].append(duration)
        for (endpoint, status), durations in groups.items():
            entry = self.endpoints[endpoint]
            entry.add_all(durations)
            entry.statuses[status] += len(durations)

    def count(self, name: str, times: int) -> None:
        """Add to a named count, or to the shared one if there are too many names."""
        if name not in self.counts and len(self.counts) >= MAX_ENTRIES:
            name = OTHERS
        self.counts[name] = self.counts.get(name, 0) + times

    def dump(self) -> dict[str, Any]:
        """Return everything counted, in a form that JSON can hold."""
        return {
            "endpoints": self.endpoints.dump(),
            "statements": self.statements.dump(),
            "lag": self.lag.dump(),
            "counts": dict(self.counts),
        }

    def add_dump(self, dump: dict[str, Any], times: int = 1) -> None:
        """Add what another process has counted; subtract it with `times=-1`."""
        self.endpoints.add_dump(dump["endpoints"], times)
        self.statements.add_dump(dump["statements"], times)
        self.lag.add_dump(dump["lag"], times)
        for name, count in dump["counts"].items():
            self.count(name, count * times)


def combine(
    relative_error: float, plus: Iterable[dict[str, Any]], minus: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    """Add the dumps in `plus`, subtract those in `minus`, and return the dump of the result."""
    combined = Counters(relative_error)
    for dump in plus:
        combined.add_dump(dump)
    for dump in minus:
        combined.add_dump(dump, times=-1)
    return combined.dump()


def _truncated(name: Name) -> Name:
    if isinstance(name, str):
        return name[:MAX_NAME]
    return tuple(part[:MAX_NAME] for part in name)
