"""Measure work in processor time, so that other processes don't make it seem slower.

On a busy machine a query also waits for a processor, which isn't a cost of the query. Waiting for
the disk is one: if the disk was read, all the time that passed counts.
"""

import sys
import time

if sys.platform == "win32":  # there, the time of a thread advances in steps of 15 ms
    _worked = time.perf_counter

    def _blocks_read() -> int:
        return 0

else:
    import resource

    _worked = time.thread_time
    # If a system doesn't count the reads of a thread, those of the process count.
    _WHO = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)

    def _blocks_read() -> int:
        return resource.getrusage(_WHO).ru_inblock


class Stopwatch:
    """Times what this thread does from now on."""

    def __init__(self) -> None:
        self._blocks_read = _blocks_read()
        self._started = time.perf_counter()
        self._worked = _worked()

    def seconds(self) -> float:
        """Return the seconds of work so far, with waits for the disk and without others."""
        worked = _worked() - self._worked
        passed = time.perf_counter() - self._started
        return passed if _blocks_read() > self._blocks_read else worked
