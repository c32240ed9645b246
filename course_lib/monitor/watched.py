"""Read counters that other code keeps, such as `cache.unavailable`."""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from course_lib.monitor.arguments import check_counter, check_name, is_count

log = logging.getLogger(__package__)


class WatchedCounters:
    """Counters by name. Those with the same name add up."""

    def __init__(self) -> None:
        self._counters: list[WatchedCounter] = []

    def add(self, name: str, counter: Mapping[str, int]) -> None:
        """Watch a counter. Does nothing if it's watched under this name already.

        Raises TypeError if the name isn't text, or if the counter isn't a mapping.
        """
        check_name("name", name)
        check_counter(counter)
        if not any([known.is_of(name, counter) for known in self._counters]):
            self._counters.append(WatchedCounter(name, counter))

    def counts(self) -> Counter[str]:
        """Return all counts, each under "name:key"."""
        counts: Counter[str] = Counter()
        for counter in self._counters:
            counts.update(counter.counts())
        return counts

    def start_at_zero(self) -> None:
        """Leave out what's counted so far: in a forked child, that's its parent's."""
        for counter in self._counters:
            counter.start_at_zero()


class WatchedCounter:
    """A counter whose counts never fall here, because Prometheus takes a fall for new events.

    If other code clears it, its counts go on from where they were. A value that can't be read
    keeps its last count.
    """

    def __init__(self, name: str, counter: Mapping[str, int]) -> None:
        self._name = name
        self._counter = counter
        self._lock = threading.Lock()
        self._last: dict[str, int] = {}
        self._cleared: Counter[str] = Counter()  # what each key had counted before it fell

    def is_of(self, name: str, counter: Mapping[str, int]) -> bool:
        """Return True if this is a counter, under a name."""
        return self._name == name and self._counter is counter

    def start_at_zero(self) -> None:
        """Leave out what's counted so far. Another thread may have had the lock at the fork."""
        self._lock = threading.Lock()
        self._last = self._read()
        self._cleared = Counter({name: -times for name, times in self._last.items()})

    def counts(self) -> dict[str, int]:
        """Return the counts, each of its keys as "name:key"."""
        with self._lock:  # also while reading: an older value would look like a fall
            for key, times in self._read().items():
                last = self._last.get(key, 0)
                if times < last:
                    self._cleared[key] += last
                self._last[key] = times
            return {name: times + self._cleared[name] for name, times in self._last.items()}

    def _read(self) -> dict[str, int]:
        """Return the valid values. Returns none if the counter raises: it's other code's."""
        try:
            values = {f"{self._name}:{key}": times for key, times in dict(self._counter).items()}
        except Exception:
            _warn_of(self._name)
            return {}
        for name, times in values.items():
            if not is_count(times):
                _warn_of(name)
        return {name: times for name, times in values.items() if is_count(times)}


@lru_cache  # once for each counter
def _warn_of(counter: str) -> None:
    problem = "The watched counter %r can't be read as whole numbers of 0 or more: it's left out"
    log.warning(problem, counter)
