"""Call a function repeatedly while something slow runs, to see what other callers experience.

    with Bystander(write) as writer:        a thread calls `write`, with a pause after each call
        connection.execute("CREATE INDEX ...")
    writer.longest                          the slowest call, in seconds

If a call fails, the calls stop, and its error is raised at the end of the block.
"""

import threading
import time
from collections.abc import Callable
from typing import Self

PAUSE = 0.005  # seconds between two calls


class Bystander:
    """Calls a function from a thread until the block ends, and keeps the seconds of each call."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.seconds: list[float] = []
        self._call = call
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def longest(self) -> float:
        """The seconds of the slowest call."""
        return max(self.seconds)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Wait for the call in progress. Raises the error of a call that failed."""
        self._ended.set()
        self._thread.join()
        if self._error and exception == (None, None, None):
            raise self._error

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                start = time.perf_counter()
                self._call()
                self.seconds.append(time.perf_counter() - start)
                time.sleep(PAUSE)
        except Exception as error:
            self._error = error
