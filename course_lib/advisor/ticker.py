"""Report how much time has passed while something long runs."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TICK = 0.2  # seconds between reports


@contextmanager
def report_elapsed(report: Callable[[float], object]) -> Iterator[None]:
    """Call `report` with the seconds that have passed, in a thread, until the block ends."""
    ended = threading.Event()
    start = time.perf_counter()

    def run() -> None:
        while not ended.wait(TICK):
            report(time.perf_counter() - start)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
