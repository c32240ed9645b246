"""Keep the coroutines of an event loop's tasks; asyncio lets go of a task that nothing will wake.

    a task is made --> kept --+-- returned or raised --> let go by `free_ended`
                              +-- never ends ----------> kept as long as the process lives

When Python frees a coroutine, it resumes it once more with GeneratorExit, so that it can clean up.
That happens anywhere, even at exit, and without a time limit. A coroutine that swallows every error
may then never return.
"""

import asyncio
import ctypes
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")
Resumed = Coroutine[Any, Any, T] | Generator[Any, None, T]


class KeptCoroutines:
    """A task factory that keeps the coroutine of each task."""

    def __init__(self) -> None:
        self._coroutines: list[Resumed[Any]] = []

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Resumed[T], **options: Any
    ) -> asyncio.Task[T]:
        """Return a new task for the coroutine, as asyncio would make it."""
        # First: an alarm can end the next line when the task is already scheduled.
        self._coroutines.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    def free_ended(self) -> None:
        """Let go of the coroutines that have ended; keep the others."""
        for coroutine in self._coroutines:
            if getattr(coroutine, "cr_frame", None):
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))
        self._coroutines.clear()
