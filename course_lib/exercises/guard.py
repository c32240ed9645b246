"""Run a learner's answer so that nothing it does can hang or end the kernel.

An alarm raises `TimeUp` inside the answer, and again every millisecond, because a bare `except:` would swallow the
first. It is raised only where the answer runs: in a synchronous one, below `_answer` on the stack; in an asynchronous
one, below the `_Leash` of its own task or of one that it made. Anywhere else it would strike the kernel's event loop
and end it. In a destructor it is lost, for nobody can catch what is raised there: the next alarm follows. An
asynchronous answer that swallows both the alarm and its cancellation is cut off: never resumed.
Code that never comes back from C (a huge `sum`, a long statement) is beyond an alarm; connections that are handed to
an answer carry a progress handler for that.
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
LENIENT = 20  # alarms that leave an answer time to tidy up
SOON = (1e-6, 1e-5)  # seconds to the next alarm after those
CANCELLATIONS = 20
# Code in these files takes a lock of the whole process just before the `try:` that releases it. An alarm between the
# two would leave the lock taken, and the next thread that logs or imports would wait forever.
TAKE_LOCKS = {logging.getLogger.__code__.co_filename, "<frozen importlib._bootstrap>"}

_distance = random.Random()
_in_answer = contextvars.ContextVar("_in_answer", default=False)


class TimeUp(BaseException):
    """The answer ran longer than its limit. No `Exception`, so that `except Exception` does not stop it."""


class _Leash(Coroutine[Any, Any, Any]):
    """A coroutine that can be cut off: whatever it swallows, nothing then resumes it."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._is_cut = False

    def cut(self) -> None:
        self._is_cut = True
        # Kept for good: to collect the coroutine would resume it once more, at the interpreter's end too.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._coroutine))

    def send(self, value: Any) -> Any:
        if self._is_cut:
            raise TimeUp
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        if self._is_cut:
            raise TimeUp
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()


def run(answer: Callable[[], T], limit: float) -> T:
    """Call `answer`; raise `TimeUp` where it takes longer than `limit` seconds."""
    with _alarm(limit):
        return _answer(answer)


async def run_async(answer: Coroutine[Any, Any, T], limit: float) -> T:
    """Await `answer` in a task of its own; raise `TimeUp` after `limit` seconds. Tasks that it leaves are cancelled."""
    loop = asyncio.get_running_loop()
    made: dict[asyncio.Task[Any], _Leash] = {}
    factory = loop.get_task_factory()

    def make_and_note(loop: asyncio.AbstractEventLoop, coro: Any, **how: Any) -> Any:
        leash = _Leash(coro) if _in_answer.get() else coro
        task: Any = (
            factory(loop, leash, **how) if factory else asyncio.Task(leash, loop=loop, **how)
        )
        if isinstance(leash, _Leash):
            made[task] = leash
        return task

    loop.set_task_factory(make_and_note)
    context = contextvars.copy_context()
    context.run(_in_answer.set, True)
    task = context.run(loop.create_task, answer)
    try:
        with _alarm(limit):
            try:
                await asyncio.wait({task}, timeout=limit)
                late = not task.done()
            finally:  # also where Stop cancels this wait
                await _cancel(made)
    finally:
        loop.set_task_factory(factory)
        for each in made:
            if each.done() and not each.cancelled():
                each.exception()  # looked at, or asyncio complains on stderr when it is collected
    if late:
        raise TimeUp
    return task.result()


async def _cancel(tasks: dict[asyncio.Task[Any], _Leash]) -> None:
    """Cancel the tasks, a few times over; those that do not heed it are never resumed again."""
    for attempt in range(CANCELLATIONS + 1):
        if not (left := [each for each in tasks if not each.done()]):
            break
        for each in left:
            if attempt == CANCELLATIONS:
                tasks[each].cut()
            each.cancel()
        await asyncio.wait(left, timeout=0.01)


def limited(connection: sqlite3.Connection, seconds: float = 1.0) -> sqlite3.Connection:
    """The connection, its statements interrupted `seconds` from now: an alarm cannot reach into C."""
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    return connection


def _answer(answer: Callable[[], T]) -> T:
    return answer()


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals; a check elsewhere has no limit
        return
    raised = itertools.count()
    is_over = False
    tell = sys.unraisablehook

    def ignore(lost: "sys.UnraisableHookArgs") -> None:
        if not isinstance(lost.exc_value, TimeUp):
            tell(lost)

    def strike(_signal: int, frame: FrameType | None) -> None:
        if is_over:
            return  # an alarm that was on its way: to set the next would outlive this handler and end the process
        here, *callers = _codes(frame)
        is_answer = not BELOW.isdisjoint(callers) and ignore.__code__ not in (here, *callers)
        is_answer = is_answer and here.co_filename not in TAKE_LOCKS
        # `while True: try: ... except: pass` stands outside its `try` for less than a microsecond a round. Only an
        # alarm that follows the last one at once, at no fixed distance, meets it there.
        soon = is_answer and next(raised) >= LENIENT
        signal.setitimer(signal.ITIMER_REAL, _distance.uniform(*SOON) if soon else REPEAT)
        if is_answer:
            raise TimeUp

    handler = signal.signal(signal.SIGALRM, strike)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    sys.unraisablehook = ignore
    try:
        yield
    finally:
        is_over = True
        sys.unraisablehook = tell
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def _codes(frame: FrameType | None) -> Iterator[CodeType]:
    """The codes of what runs in `frame`, and of those who called it, directly or not."""
    while frame:
        yield frame.f_code
        frame = frame.f_back


BELOW = {_answer.__code__, _Leash.send.__code__, _Leash.throw.__code__}
"""An answer is what these call, directly or not."""
