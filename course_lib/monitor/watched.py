"""Read a counter that other code keeps, such as `cache.unavailable`."""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from course_lib.monitor.arguments import is_count

log = logging.getLogger(__package__)


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

    def counts(self) -> dict[str, int]:
        """Return the counts, each of its keys as "name:key"."""
        found = self._read()
        with self._lock:
            for key, times in found.items():
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
