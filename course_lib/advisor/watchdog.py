"""Interrupt a connection when its time is over, whatever a row costs.

SQLite's progress handler counts instructions. If each takes milliseconds, as with text search or
megabytes of JSON, it's called too seldom. A thread looks at the clock.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

TICK = 0.005  # seconds between two looks at the clock


class Watchdog:
    """A thread that interrupts the watched connection at its end, until it's no longer watched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: sqlite3.Connection | None = None
        self._end = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="advisor-watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def watch(self, connection: sqlite3.Connection, end: float) -> Iterator[None]:
        """Interrupt what the connection runs in this block after `end`, of `perf_counter`."""
        with self._lock:
            self._watched, self._end = connection, end
        try:
            yield
        finally:
            with self._lock:  # so that no interrupt comes afterwards
                self._watched = None

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(TICK):
            with self._lock:
                if self._watched is not None and time.perf_counter() > self._end:
                    self._watched.interrupt()
