"""An event loop for answers alone, so that nothing an answer does reaches the kernel's loop.

    the kernel's loop awaits a check --> it's paused --> the answer runs in the private loop
                                                           |
    it goes on <-- tasks that are left are cancelled <-----+ returns, raises, TimeUp, SystemExit,
                     |                                       the loop is stopped
                     +--> they ignore it, or left timers: the loop is given up, with all in it

In the kernel's loop a task that raises SystemExit, or a callback that doesn't return, would end the
kernel. The loop is kept from one check to the next, because a lock of the learner's belongs to the
first loop that it's used in.
"""

import asyncio
import atexit
import contextlib
import contextvars
import sys
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

from course_lib.exercises import guard
from course_lib.exercises.kept_coroutines import KeptCoroutines

T = TypeVar("T")
CANCELLATIONS = 20  # attempts to cancel the tasks that an answer leaves behind
CLEAN_UP = 0.5  # seconds for all of them

_threads = threading.local()


class PrivateLoop:
    """Runs coroutines one after another, in one context, while the caller's own loop waits."""

    def __init__(self) -> None:
        self._context = contextvars.copy_context()
        self._pause = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._pause.enter_context(_running_loop_paused())
        return self

    def __exit__(self, *_: object) -> None:
        self._pause.close()

    def run(self, coroutine: Coroutine[Any, Any, T], limit: float) -> T:
        """Return the coroutine's result; cancel the tasks that it leaves behind.

        Raises what the coroutine or one of its tasks raises, TimeUp after `limit` seconds, and
        Stopped if the learner presses Stop.
        """
        loop = _loop()
        _set_up(loop)
        executor = ThreadPoolExecutor(thread_name_prefix="answer")
        loop.set_default_executor(executor)
        task = loop.create_task(coroutine, context=self._context)
        try:
            return guard.run(lambda: loop.run_until_complete(task), limit)
        except RuntimeError:
            if task.done():
                raise
            raise asyncio.CancelledError("the event loop was stopped") from None
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            _clean_up(loop)


def _loop() -> asyncio.BaseEventLoop:
    """Return this thread's private loop; make a new one if the last was given up."""
    loop: asyncio.BaseEventLoop | None = getattr(_threads, "loop", None)
    if loop is None or loop.is_closed():
        loop = _threads.loop = asyncio.SelectorEventLoop()
        _threads.coroutines = KeptCoroutines()
        atexit.register(loop.close)
    return loop


def _set_up(loop: asyncio.BaseEventLoop) -> None:
    """Give the loop its settings, which an answer may have changed."""
    loop.set_debug(False)
    loop.set_exception_handler(lambda *_: None)  # of tasks that no one awaits anymore
    loop.set_task_factory(_threads.coroutines)


def _clean_up(loop: Any) -> None:
    """Cancel the tasks that are left, several times; give up a loop that is busy or broken."""
    _set_up(loop)
    is_broken = True
    try:
        guard.run(lambda: loop.run_until_complete(_cancel_others()), CLEAN_UP)
        is_broken = False
    except guard.Stopped:
        raise
    except BaseException:
        pass  # a task may raise anything when it's cancelled, and an answer may damage the loop
    finally:
        _threads.coroutines.free_ended()
        if is_broken or _is_busy(loop):
            _give_up(loop)


async def _cancel_others() -> None:
    for _ in range(CANCELLATIONS):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if not others:
            break
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=0.01)


def _is_busy(loop: Any) -> bool:
    """Return True if a task, a callback or a timer is left in the loop, or it didn't stop."""
    timers = [timer for timer in loop._scheduled if not timer.cancelled()]
    return bool(asyncio.all_tasks(loop) or loop._ready or timers or loop.is_running())


def _give_up(loop: Any) -> None:
    # The loop does this when it stops, unless an alarm ends the code that stops it.
    loop._thread_id = None
    asyncio._set_running_loop(None)
    atexit.unregister(loop.close)
    _threads.loop = None
    try:
        loop.close()
    except Exception:
        loop._closed = True  # it's broken, and its destructor would try again


@contextlib.contextmanager
def _running_loop_paused() -> Iterator[None]:
    """Let another event loop run in this thread, while the one that's running waits."""
    running, task = asyncio.get_running_loop(), asyncio.current_task()
    if task:
        asyncio.tasks._leave_task(running, task)
    asyncio._set_running_loop(None)
    hooks = sys.get_asyncgen_hooks()
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
        asyncio._set_running_loop(running)
        if task:
            asyncio.tasks._enter_task(running, task)
