"""Run a learner's answer so that nothing it does can hang the kernel or end it.

    running --+--> returns or raises: passed on
              +--> the limit passes: TimeUp is raised inside it, every millisecond --+--> it ends
              |    (a bare `except:` would swallow the first one)                    |
              |                                                                      |
              |    after 20 alarms, at random intervals of microseconds -------------+
              +--> asynchronous, and swallows every cancellation too: never resumed

The alarm is raised only where the answer runs: below `_answer` on the stack if it's synchronous,
below the `_Stoppable` of its task, or of a task that it created, if it's asynchronous. Anywhere
else it would hit the kernel's event loop and end it. In a destructor it's lost, because nothing can
catch an exception raised there; the next alarm follows.

An alarm can't reach code in C that doesn't return (a huge `sum`, a long SQL statement). For SQL,
connections that are passed to an answer have a progress handler (`limited`).
"""

import asyncio
import contextlib
import contextvars
import ctypes
import itertools
import logging
import random
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterator
from types import CodeType, FrameType
from typing import Any, TypeVar

T = TypeVar("T")
REPEAT = 0.001  # seconds between alarms
GRACE = 20  # alarms at that interval, which leave an answer time to clean up
INTERVALS = (1e-6, 1e-5)  # seconds between the alarms after those, at random
CANCELLATIONS = 20
# Code in these files takes a lock of the whole process just before the `try:` that releases it. An
# alarm between the two would never release it, and the next thread that logs or imports would hang.
LOCKING = {logging.getLogger.__code__.co_filename, "<frozen importlib._bootstrap>"}

_chance = random.Random()
_in_answer = contextvars.ContextVar("_in_answer", default=False)


class TimeUp(BaseException):
    """The time limit of an answer is over. Not an Exception, so `except Exception` misses it."""


class _Stoppable(Coroutine[Any, Any, Any]):
    """A coroutine that can be stopped for good: whatever it swallows, it's never resumed."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._is_stopped = False

    def stop(self) -> None:
        self._is_stopped = True
        # Never freed: collecting the coroutine, even at exit, would resume it once more.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._coroutine))

    def send(self, value: Any) -> Any:
        if self._is_stopped:
            raise TimeUp
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        if self._is_stopped:
            raise TimeUp
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()


def run(answer: Callable[[], T], limit: float) -> T:
    """Call `answer` and return its result. Raises TimeUp after `limit` seconds."""
    with _alarm(limit):
        return _answer(answer)


async def run_async(answer: Coroutine[Any, Any, T], limit: float) -> T:
    """Await `answer` in its own task; cancel the tasks that it leaves behind.

    Raises TimeUp after `limit` seconds.
    """
    loop = asyncio.get_running_loop()
    tasks: dict[asyncio.Task[Any], _Stoppable] = {}
    factory = loop.get_task_factory()

    def create_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        stoppable = _Stoppable(coroutine) if _in_answer.get() else coroutine
        task: Any = (factory or _new_task)(loop, stoppable, **options)
        if isinstance(stoppable, _Stoppable):
            tasks[task] = stoppable
        return task

    loop.set_task_factory(create_task)
    context = contextvars.copy_context()
    context.run(_in_answer.set, True)
    task = context.run(loop.create_task, answer)
    try:
        with _alarm(limit):
            try:
                await asyncio.wait({task}, timeout=limit)
                is_late = not task.done()
            finally:  # also if the Stop button cancels this wait
                await _cancel(tasks)
    finally:
        loop.set_task_factory(factory)
        for one in tasks:
            if one.done() and not one.cancelled():
                one.exception()  # retrieved, or asyncio logs it when the task is collected
    if is_late:
        raise TimeUp
    return task.result()


def _new_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
    return asyncio.Task(coroutine, loop=loop, **options)


async def _cancel(tasks: dict[asyncio.Task[Any], _Stoppable]) -> None:
    """Cancel the tasks several times; stop those that keep ignoring it."""
    for attempt in range(CANCELLATIONS + 1):
        running = [task for task in tasks if not task.done()]
        if not running:
            break
        for task in running:
            if attempt == CANCELLATIONS:
                tasks[task].stop()
            task.cancel()
        await asyncio.wait(running, timeout=0.01)


def limited(connection: sqlite3.Connection, seconds: float = 1.0) -> sqlite3.Connection:
    """Return the connection; SQLite interrupts its statements `seconds` from now."""
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    return connection


def _answer(answer: Callable[[], T]) -> T:
    return answer()


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise TimeUp in the answer after these seconds, again and again until the block ends."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals; a check in another has no limit
        return
    alarms = itertools.count()
    is_over = False
    report = sys.unraisablehook

    def ignore_time_up(lost: "sys.UnraisableHookArgs") -> None:
        if not isinstance(lost.exc_value, TimeUp):
            report(lost)

    def on_alarm(_signal: int, frame: FrameType | None) -> None:
        if is_over:
            return  # it was pending; setting another would outlive this handler and end the process
        # An alarm that interrupts this handler counts as one for the frame that it interrupted: the
        # error passes through that frame, which may be about to release a lock.
        codes = [code for code in _codes(frame) if code is not on_alarm.__code__]
        current, *callers = codes
        is_reporting = ignore_time_up.__code__ in (current, *callers)
        is_answer = not ANSWER_CODES.isdisjoint(callers) and not is_reporting
        is_answer = is_answer and current.co_filename not in LOCKING
        # `while True: try: ... except: pass` is outside its `try` for less than a microsecond in
        # each round. Only alarms in quick succession, at random intervals, hit it there.
        is_random = is_answer and next(alarms) >= GRACE
        interval = _chance.uniform(*INTERVALS) if is_random else REPEAT
        signal.setitimer(signal.ITIMER_REAL, interval)
        if is_answer:
            raise TimeUp

    handler = signal.signal(signal.SIGALRM, on_alarm)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    sys.unraisablehook = ignore_time_up
    try:
        yield
    finally:
        is_over = True
        sys.unraisablehook = report
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def _codes(frame: FrameType | None) -> Iterator[CodeType]:
    """Yield the code that runs in `frame`, and that of its direct and indirect callers."""
    while frame:
        yield frame.f_code
        frame = frame.f_back


ANSWER_CODES = {_answer.__code__, _Stoppable.send.__code__, _Stoppable.throw.__code__}
"""Whatever these call, directly or not, belongs to the answer."""
