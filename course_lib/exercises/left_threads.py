"""End the threads that an answer leaves running, as if they had called `sys.exit()`.

A thread that prints forever would fill the notebook and end the kernel; one that computes forever
would slow down every later measurement.
"""

import contextlib
import ctypes
import sys
import threading
from collections.abc import Iterator
from types import FrameType, FunctionType, MethodType

_raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in_thread.argtypes = [ctypes.c_ulong, ctypes.py_object]


@contextlib.contextmanager
def ended_afterwards(answer: object) -> Iterator[None]:
    """Raise SystemExit in threads that were started in this context and run the answer's code.

    A thread that waits in C code gets it when it goes on.
    """
    before = set(sys._current_frames())
    try:
        yield
    finally:
        own_globals = _globals_of(answer)
        for thread, frame in sys._current_frames().items():
            is_new = thread not in before and thread != threading.get_ident()
            if is_new and own_globals is not None and _runs(frame, own_globals):
                _raise_in_thread(thread, SystemExit)


def _globals_of(answer: object) -> object:
    """Return the globals of a function; None for any other object, whose code isn't called here.

    A class of the learner's may define any attribute, and this runs outside the time limit.
    """
    if type(answer) in (FunctionType, MethodType):
        return getattr(answer, "__globals__", None)
    return None


def _runs(frame: FrameType | None, own_globals: object) -> bool:
    """Return True if a function with these globals is on the thread's stack."""
    while frame:
        if frame.f_globals is own_globals:
            return True
        frame = frame.f_back
    return False
