"""Let one report run at a time, whichever event loop it runs in.

A monitor may report in several threads, each with an event loop of its own: the server's, and that
of an `asyncio.run(monitor.merged())` in an endpoint that isn't async. A lock of asyncio works in
one loop only, and waiting for a lock of threads would block the loop.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

INTERVAL = 0.005  # seconds between two attempts to take a turn


class Turns:
    """Turns that are taken one after another. A turn ends with its event loop at the latest."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # the end of a deleted coroutine may come while it's held
        self._loop: asyncio.AbstractEventLoop | None = None  # the one whose turn it is

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a turn, and end it when the context ends."""
        loop = asyncio.get_running_loop()
        while not self._begin(loop):
            await asyncio.sleep(INTERVAL)
        try:
            yield
        finally:
            self._end(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> bool:
        with self._lock:
            if self._loop and not self._loop.is_closed():
                return False
            self._loop = loop
            return True

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            if self._loop is loop:  # if it has closed, another may have the turn
                self._loop = None
