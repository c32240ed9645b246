"""Log a message that clients can trigger at will once in ten seconds, with a count of the rest."""

import logging
import threading
import time

PAUSE = 10.0  # seconds between two lines of the same message
MOST_MESSAGES = 100

OUT_OF_FILES = "socket.accept() out of system resource"  # a line of asyncio's, with a traceback


class RepeatedLines(logging.Filter):
    """Let each warning pass once in `PAUSE` seconds; the next one says how many were left out.

    What identifies a warning is its message without its arguments. Errors pass, because two of
    the same message can have different tracebacks; the exception is asyncio's `OUT_OF_FILES`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True if the line is to be logged."""
        message, *_ = str(record.msg).split("\n", 1)
        if record.levelno != logging.WARNING and message != OUT_OF_FILES:
            return True
        now = time.monotonic()
        with self._lock:
            if now - self._last.get(message, -PAUSE) < PAUSE:
                self._left_out[message] = self._left_out.get(message, 0) + 1
                return False
            if len(self._last) >= MOST_MESSAGES:
                self._last.clear()
                self._left_out.clear()
            self._last[message] = now
            left_out = self._left_out.pop(message, 0)
        if left_out:
            record.msg = f"{record.msg} ({left_out:,} more since the last such line)"
        return True


repeated_lines = RepeatedLines()
