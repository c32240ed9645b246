"""The entries that a monitor keeps for endpoints and statements, and the figures it reports.

    Counters                      everything that one process has counted
      Entries  by name            a bounded number of entries
        Entry                     a histogram of durations, a count of each status, and sums
          Metrics, SlowQuery      the figures of an entry, in seconds
      Counts   by name            a bounded number of counts

Nothing here is thread-safe: `PerformanceMonitor` holds the lock.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from course_lib.monitor.histogram import NANOSECONDS, Histogram

MAX_ENTRIES = 200  # endpoints, statements and counted names that have an entry of their own
MAX_NAME = 4_000  # characters of an endpoint or a statement
OTHERS = "(others)"

TOO_MANY_REQUESTS = 429
DISCONNECTED = 499  # nginx's status for a client that closed its connection before the response

OTHER_STATUS = 0  # stands for a status that HTTP doesn't have

Name = str | tuple[str, ...]


Request = tuple[str, float, int, float, int]
"""An endpoint, the duration, the status, the time until the response started, and its bytes."""


@dataclass(frozen=True)
class Metrics:
    """Statistics for the requests to one endpoint, or for event-loop lag. Times are in seconds.

    - `errors`: requests that ended with a status of 500 or more, or with an exception.
    - `rejected`: requests that were rejected with 429.
    - `disconnected`: clients that closed the connection before the end of the response.
    - `clamped`: durations shorter than a microsecond or longer than a day.
    - `first_byte`: the mean time until the response started.
    - `size`: the mean size of the response's body in bytes.
    """

    count: int
    total: float
    mean: float
    p50: float
    p90: float
    p99: float
    max: float
    errors: int = 0
    rejected: int = 0
    disconnected: int = 0
    clamped: int = 0
    first_byte: float = 0.0
    size: float = 0.0

    @property
    def hung_up(self) -> int:
        """The same as `disconnected`, by its former name."""
        return self.disconnected

    @property
    def refused(self) -> int:
        """The same as `rejected`, by its former name."""
        return self.rejected


@dataclass(frozen=True)
class SlowQuery(Metrics):
    """Statistics for one statement: its text, without values, and the endpoint that runs it."""

    sql: str = ""
    endpoint: str = ""


class Entry(Histogram):
    """The durations of one endpoint or statement, and sums of its requests' other figures."""

    __slots__ = ("first_bytes", "size", "statuses")

    def __init__(self, relative_error: float) -> None:
        super().__init__(relative_error)
        self.statuses: defaultdict[int, int] = defaultdict(int)
        self.first_bytes = 0  # the sum of the times until a response started, in nanoseconds
        self.size = 0  # of all responses, in bytes

    def add_requests(self, requests: Sequence[Request]) -> None:
        """Count requests to the same endpoint."""
        endpoints, durations, statuses, first_bytes, sizes = zip(*requests, strict=True)
        self.add_all(durations)
        for status, count in Counter(statuses).items():
            self.statuses[status if 100 <= status <= 999 else OTHER_STATUS] += count
        self.first_bytes += int(sum(first_bytes) * NANOSECONDS)
        if not endpoints[0].startswith("HEAD "):  # servers don't send the body
            self.size += sum(sizes)

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
            "rejected": self.statuses.get(TOO_MANY_REQUESTS, 0),
            "disconnected": self.statuses.get(DISCONNECTED, 0),
            "clamped": self.clamped,
            "first_byte": self.first_bytes / NANOSECONDS / count,
            "size": self.size / count,
        }

    def dump(self) -> list[Any]:
        """Return the histogram's dump, with the sums, and a list of statuses and their counts."""
        statuses = list(self.statuses.items())
        return [*super().dump(), self.first_bytes, self.size, statuses]

    def add_dump(self, dump: Sequence[Any], times: int = 1) -> None:
        """Add what another entry has counted; subtract it with `times=-1`."""
        *durations, first_bytes, size, statuses = dump
        super().add_dump(durations, times)
        for status, count in statuses:
            self.statuses[status] += count * times
        self.first_bytes += first_bytes * times
        self.size += size * times


class Entries(dict[Any, Entry]):
    """Entries by name: an endpoint, or an endpoint and a statement.

    Looking up a new name creates its entry. After 200 entries, all new names share one.
    """

    def __init__(self, relative_error: float, shared_name: Name) -> None:
        self._relative_error = relative_error
        self._shared_name = shared_name

    def __missing__(self, name: Name) -> Entry:
        key = _clean(name) if isinstance(name, str) else tuple(map(_clean, name))
        if key not in self and len(self) >= MAX_ENTRIES:
            key = self._shared_name
        return self.setdefault(key, Entry(self._relative_error))

    def dump(self) -> list[Any]:
        """Return a list of names and the dumps of their entries."""
        return [(name, entry.dump()) for name, entry in self.items()]

    def add_dump(self, dump: Iterable[Any], times: int = 1) -> None:
        """Add what other entries have counted; subtract it with `times=-1`."""
        for name, entry_dump in dump:
            self[_key(name)].add_dump(entry_dump, times)

    def reserve(self, dumps: Iterable[Iterable[Any]]) -> None:
        """Create entries for the names in several dumps: the first 200 in alphabetical order."""
        names = {_key(name) for dump in dumps for name, _ in dump}
        for name in sorted(names - {self._shared_name})[:MAX_ENTRIES]:
            self.__missing__(name)

    def remove_empty(self) -> None:
        """Remove the entries that have nothing left after a subtraction."""
        for name in [name for name, entry in self.items() if not any(entry.counts)]:
            del self[name]


class Counts(dict[str, int]):
    """Counts by name. After 200 names, all new names share one."""

    def add(self, name: str, times: int) -> None:
        """Add to a count."""
        if name not in self:
            name = _clean(name)
        if name not in self and len(self) >= MAX_ENTRIES:
            name = OTHERS
        self[name] = self.get(name, 0) + times

    def add_dump(self, dump: dict[str, int], times: int = 1) -> None:
        """Add what another process has counted; subtract it with `times=-1`."""
        for name, count in dump.items():
            self.add(name, count * times)

    def reserve(self, dumps: Iterable[Iterable[str]]) -> None:
        """Create counts for the names in several dumps: the first 200 in alphabetical order."""
        names = {name for dump in dumps for name in dump}
        for name in sorted(names - {OTHERS})[:MAX_ENTRIES]:
            self.add(name, 0)


class Counters:
    """Everything that a monitor counts: requests, statements, event-loop lag, and named counts.

    `gauges` are figures of this moment, such as the requests in progress.
    """

    def __init__(self, relative_error: float) -> None:
        self.endpoints = Entries(relative_error, OTHERS)
        self.statements = Entries(relative_error, (OTHERS, OTHERS))
        self.lag = Entry(relative_error)
        self.counts = Counts()
        self.gauges = Counts()

    def add_requests(self, batch: Iterable[Request]) -> None:
        """Count requests.

        Requests to the same endpoint are added together, which is faster than one at a time.
        """
        groups: defaultdict[str, list[Request]] = defaultdict(list)
        for request in batch:
            groups[request[0]].append(request)
        for endpoint, requests in groups.items():
            self.endpoints[endpoint].add_requests(requests)

    def dump(self) -> dict[str, Any]:
        """Return everything counted, in a form that JSON can hold."""
        return {
            "endpoints": self.endpoints.dump(),
            "statements": self.statements.dump(),
            "lag": self.lag.dump(),
            "counts": dict(self.counts),
            "gauges": dict(self.gauges),
        }

    def add_dump(self, dump: dict[str, Any], times: int = 1) -> None:
        """Add what another process has counted; subtract it with `times=-1`."""
        self.endpoints.add_dump(dump["endpoints"], times)
        self.statements.add_dump(dump["statements"], times)
        self.lag.add_dump(dump["lag"], times)
        self.counts.add_dump(dump["counts"], times)
        self.gauges.add_dump(dump["gauges"], times)

    def reserve(self, dumps: Sequence[dict[str, Any]]) -> None:
        """Create entries for the names in several dumps, whatever the order of the dumps.

        Otherwise that order would decide which names share an entry, and counts would move from
        one entry to another.
        """
        self.endpoints.reserve([dump["endpoints"] for dump in dumps])
        self.statements.reserve([dump["statements"] for dump in dumps])
        self.counts.reserve([dump["counts"] for dump in dumps])

    def remove_empty(self) -> None:
        """Remove what has nothing left after a subtraction."""
        self.endpoints.remove_empty()
        self.statements.remove_empty()


def _key(name: Any) -> Name:
    """Return a name that may have been in JSON, which has no tuples."""
    return tuple(name) if isinstance(name, list) else name


def _clean(name: str) -> str:
    """Return a name of bounded length, without half a character, which UTF-8 can't say."""
    return name[:MAX_NAME].encode(errors="replace").decode()
