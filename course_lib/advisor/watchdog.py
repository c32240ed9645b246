"""Interrupt a connection when its time or its work is over, however much a row costs.

SQLite's progress handler counts instructions. If each takes milliseconds, as with text search or
megabytes of JSON, it's called too seldom. A thread looks at the clock.
"""

import math
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
        self._start = 0.0
        self._start_of_work = 0.0
        self._most_work = math.inf
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="advisor-watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def watch(
        self, connection: sqlite3.Connection, end: float, most_work: float = math.inf
    ) -> Iterator[None]:
        """Interrupt what the connection runs in this block after `end`, of `perf_counter`.

        Interrupt it earlier if it has taken `most_work` seconds of the processor.
        """
        with self._lock:
            self._watched, self._end = connection, end
            self._start, self._start_of_work = time.perf_counter(), time.process_time()
            self._most_work = most_work
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
                if self._watched is not None and self._is_over():
                    self._watched.interrupt()

    def _is_over(self) -> bool:
        now = time.perf_counter()
        # Processor time is that of all threads, but one can't work for longer than time passed.
        work = min(now - self._start, time.process_time() - self._start_of_work)
        return now > self._end or work > self._most_work
