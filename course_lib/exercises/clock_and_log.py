"""Disturb and observe what surrounds an answer: the clock, and the warnings that it logs."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

from course_lib.exercises.waiting_apps import Service


@contextlib.contextmanager
def clock_set_back() -> Iterator[None]:
    """Set `time.time` back by an hour, a moment from now and until the end."""
    real, start = time.time, time.perf_counter()

    def set_back() -> float:
        is_set_back = time.perf_counter() - start > 0.02
        return real() - 3_600 if is_set_back else real()

    with _clock(set_back):
        yield


@contextlib.contextmanager
def clock_at(timestamp: float) -> Iterator[None]:
    """Let `time.time` stand still at a timestamp."""
    with _clock(lambda: timestamp):
        yield


@contextlib.contextmanager
def _clock(read: Callable[[], float]) -> Iterator[None]:
    """Replace `time.time`."""
    real = time.time
    time.time = read
    try:
        yield
    finally:
        time.time = real


@contextlib.contextmanager
def warnings_logged(service: Service) -> Iterator[None]:
    """Record which tasks of this thread log at WARNING; no log line is printed."""
    this_thread = threading.current_thread()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            is_theirs = threading.current_thread() is this_thread and record.name != "asyncio"
            if is_theirs and record.levelno == logging.WARNING:
                service.warned_by.append(asyncio.current_task())

    root = logging.getLogger()
    before = root.handlers, root.level, logging.root.manager.disable
    disabled = _disabled_loggers()
    for logger in disabled:
        logger.disabled = False
    root.handlers = [Listener(logging.WARNING)]
    # An earlier cell may have turned warnings off, as `basicConfig(level=ERROR)` does.
    logging.disable(logging.NOTSET)
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers, level, threshold = before
        root.setLevel(level)
        logging.disable(threshold)
        for logger in disabled:
            logger.disabled = True


def _disabled_loggers() -> list[logging.Logger]:
    named = logging.root.manager.loggerDict.values()
    loggers = [logger for logger in named if isinstance(logger, logging.Logger)]
    return [logger for logger in loggers if logger.disabled]
