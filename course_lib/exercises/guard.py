"""Run a learner's answer so that nothing it does can hang the kernel or end it.

    running --+--> returns or raises: passed on
              +--> the limit passes, or Stop is pressed:
                   an alarm raises TimeUp inside it, every millisecond --------------+--> it ends
                     (a bare `except:` would swallow the first one)                  |
                   from the 20th alarm on: again wherever Python handles signals ----+

Python handles signals after a call, at the start of a function, and before each round of a loop. So
in the end an answer can't run a line of an `except:` block that does any of these.

TimeUp is raised only while the answer runs. In a destructor it's lost, because nothing can catch an
exception raised there; the next alarm follows. An asynchronous answer runs below `run` too, in an
event loop of its own (`private_loop.py`).

If other programs keep the processors busy, the answer isn't to blame: as long as it has worked for
less than half of its limit, it gets up to four times that limit.

An alarm can't reach code in C that doesn't return (a huge `sum`, a long SQL statement). For SQL,
connections that are passed to an answer have a progress handler (`limited`).

What an answer changes in the process is restored afterwards (`surroundings.py`).
"""

import contextlib
import ctypes
import gc
import importlib
import itertools
import logging
import signal
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import CoroutineType, FrameType
from typing import Any, Self, TypeVar

from course_lib.exercises import surroundings

T = TypeVar("T")
REPEAT = 0.001  # seconds between alarms
GRACE = 20  # alarms, which leave an answer time to clean up
WORKING = 0.05  # of the time: an answer that uses less of a processor waits for something
MOST_LIMITS = 4  # for an answer that works, but gets no processor
DEEPEST = 5_000  # calls; ending an answer that swallows alarms in each of more could take minutes
MOST_PRINTED = 20_000  # characters
CUT = "\n(Your code prints more than that. The rest isn't shown.)\n"
# Ids of the globals of modules in which TimeUp isn't raised. Their code takes a lock of the whole
# process just before the `try:` that releases it. An error between the two would never release it,
# and the next thread that logs or imports would hang.
UNINTERRUPTED = {id(vars(logging)), id(vars(importlib._bootstrap))}

_add_pending_call = ctypes.pythonapi.Py_AddPendingCall
_add_pending_call.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
_is_true = ctypes.cast(ctypes.pythonapi.PyObject_IsTrue, ctypes.c_void_p)
_own_globals = globals()
# An answer may replace the names in these modules.
_clock, _processor_time = time.monotonic, time.process_time
_collect = gc.collect
_set_handler, _set_timer = signal.signal, signal.setitimer


class TimeUp(BaseException):
    """The time limit of an answer is over. Not an Exception, so `except Exception` misses it."""


class Stopped(BaseException):
    """The learner pressed Stop, so the answer was ended. `raise_stop` passes that on."""


def run(answer: Callable[[], T], limit: float) -> T:
    """Call `answer` and return its result; cut what it prints after 20,000 characters.

    Raises TimeUp after `limit` seconds, and Stopped if the learner presses Stop.
    """
    if threading.current_thread() is not threading.main_thread():
        return answer()  # only the main thread receives signals; a check in another has no limit
    with _recursion_limit(), _output_cut():
        alarm = _Alarm(limit)
        try:
            with alarm, surroundings.restored():
                try:
                    return alarm.call(answer)
                finally:
                    # Destructors of young objects: later, nothing would end one that loops. The
                    # alarm goes on every millisecond, so it may ring when the loop has just ended.
                    try:  # noqa: SIM105  an answer may replace the names in contextlib
                        alarm.call(lambda: _collect(1))
                    except TimeUp:
                        pass
        except BaseException as error:
            # What TimeUp interrupted may have made another error of it.
            if alarm.has_rung and not alarm.was_stopped:
                raise TimeUp from error
            raise
        finally:
            _free_logging()
            if alarm.was_stopped:
                raise Stopped


def raise_stop() -> None:
    """Let the handler that the kernel has for Stop do what it does when no check runs."""
    signal.raise_signal(signal.SIGINT)


def limited(connection: sqlite3.Connection, seconds: float = 1.0) -> sqlite3.Connection:
    """Return the connection; SQLite interrupts its statements `seconds` from now.

    That's processor time, up to four times as long by the clock: a statement never waits.
    """
    worked = _processor_time() + seconds
    end = _clock() + MOST_LIMITS * seconds

    def is_over() -> bool:
        return _processor_time() > worked or _clock() > end

    connection.set_progress_handler(is_over, surroundings.INSTRUCTIONS)
    return connection


def _free_logging() -> None:
    """Release the lock of the logging module if the answer was ended while it had it.

    `UNINTERRUPTED` prevents that nearly always. Without the lock, no other thread can log or start
    a server, so it's released here in any case.
    """
    lock: Any = logging._lock  # type: ignore[attr-defined]
    while lock._is_owned():
        lock.release()


class _Alarm:
    """Raises TimeUp in an answer from some time on, again and again until it ends."""

    def __init__(self, seconds: float) -> None:
        self.was_stopped = False
        self.has_rung = False
        self._seconds = seconds
        self._started = _clock()
        self._worked_before = _processor_time()
        self._is_set = False
        self._is_running = False
        self._alarms = itertools.count()
        self._lost: deque[sys.UnraisableHookArgs] = deque(maxlen=100)

    def call(self, answer: Callable[[], T]) -> T:
        """Call the answer; alarms are raised in what it calls, and nowhere else."""
        self._is_running = True
        try:
            return answer()
        finally:
            self._is_running = False

    def __enter__(self) -> Self:
        self._is_set = True
        # Errors in destructors; `append` works even where no Python function can be called.
        self._report, sys.unraisablehook = sys.unraisablehook, self._lost.append
        self._stop_handler = _set_handler(signal.SIGINT, self._on_stop)
        self._handler = _set_handler(signal.SIGALRM, self._on_alarm)
        # Repeated by the system: near the recursion limit the handler can't even be called.
        self._timer = _set_timer(signal.ITIMER_REAL, self._seconds, REPEAT)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_set = False
        _set_timer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = self._report
        _set_handler(signal.SIGALRM, self._handler)
        _set_handler(signal.SIGINT, self._stop_handler)
        _set_timer(signal.ITIMER_REAL, *self._timer)
        for lost in self._lost:
            is_ours = isinstance(lost.exc_value, TimeUp | RecursionError)
            if not is_ours and not isinstance(lost.object, CoroutineType):
                self._report(lost)
        self._lost.clear()

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.was_stopped = True
        _set_timer(signal.ITIMER_REAL, REPEAT, REPEAT)

    def _on_alarm(self, _signal: int, frame: FrameType | None) -> None:
        # Calls no Python function, because near the recursion limit there's no space for its frame.
        # Nor does it use `frame.f_code`, which calls audit hooks.
        if not self._is_set or not self._is_running:
            return  # it was pending when the answer ended
        if not self.has_rung and not self.was_stopped:
            passed = _clock() - self._started
            worked = _processor_time() - self._worked_before
            is_starved = passed * WORKING < worked < self._seconds / 2
            if is_starved and passed < MOST_LIMITS * self._seconds:
                return
        self.has_rung = True
        # `while True: try: ... except: pass` is outside its `try` for less than a microsecond in
        # each round, so no timer hits it there. Python makes a pending call in the next place where
        # it handles signals.
        if next(self._alarms) >= GRACE:
            _add_pending_call(_is_true, id(self))
        # An alarm that interrupts this handler counts as one for the frame that it interrupted: the
        # error passes through that frame, which may be about to release a lock.
        while frame and frame.f_globals is _own_globals:
            frame = frame.f_back
        if not frame or id(frame.f_globals) in UNINTERRUPTED:
            return
        raise TimeUp

    def __bool__(self) -> bool:
        """Raise TimeUp as an alarm does.

        Only a function in C can be a pending call. `PyObject_IsTrue` is one that calls this method.
        """
        self._on_alarm(signal.SIGALRM, sys._getframe(1))
        return False


@contextlib.contextmanager
def _recursion_limit() -> Iterator[None]:
    """Keep the answer from raising Python's recursion limit too far, and restore it afterwards."""
    before, set_limit = sys.getrecursionlimit(), sys.setrecursionlimit
    sys.setrecursionlimit = lambda limit: set_limit(min(limit, DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit = set_limit
        set_limit(before)


@contextlib.contextmanager
def _output_cut() -> Iterator[None]:
    out, error = _Cut(sys.stdout), _Cut(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        yield


class _Cut:
    """A stream that passes on the first characters only; the browser has to hold them all."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = MOST_PRINTED

    def write(self, text: str) -> int:
        """Write what's left of the allowance, and once that the rest is cut."""
        if self._left > 0:
            is_cut = len(text) > self._left
            self._stream.write(text[: self._left] + CUT if is_cut else text)
            self._left -= len(text)
        return len(text)

    def close(self) -> None:
        """Do nothing: later cells print to the same stream."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
