"""Wait for a lock on a file, and print a line if that takes long: its owner may be suspended."""

import fcntl
import time
from typing import IO, Any

PRINT_AFTER = 1.0  # seconds
ATTEMPT_EVERY = 0.02


def acquire(file: IO[Any], *, waiting_for: str, give_up_after: float | None = None) -> None:
    """Lock an open file for this process alone; the system releases the lock when it's closed.

    After a second, prints what we're `waiting_for`. Raises TimeoutError after `give_up_after`
    seconds, if that's set.
    """
    start = time.monotonic()
    has_printed = False
    while not _try(file):
        seconds = time.monotonic() - start
        if give_up_after is not None and seconds > give_up_after:
            raise TimeoutError(f"{waiting_for}, for {seconds:.0f} seconds")
        if seconds > PRINT_AFTER and not has_printed:
            print(f"Waiting: {waiting_for}.", flush=True)
            has_printed = True
        time.sleep(ATTEMPT_EVERY)


def _try(file: IO[Any]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
