"""Decide which commands may run now. The others wait in line.

    take_free() --+-- True ------------------------------> the command runs --> release()
                  +-- False --> wait() --+-- our turn -----^
                                         +-- reject_waiting() --> its error is raised

Waiting here instead of in the pool lets all waiting commands be rejected at the same time.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class Slots:
    """A fixed number of slots, one for each command that runs. First come, first served."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take_free(self) -> bool:
        """Take a slot if one is free, and return whether one was. Then `release` it."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Wait in line for a slot and take it. Raises what `reject_waiting` was given."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            has_slot = turn.done() and not turn.cancelled() and turn.exception() is None
            if has_slot:  # cancelled just after the slot had become ours
                self.release()
            raise

    def release(self) -> None:
        """Pass a slot to the first command in line, or free it if none is waiting."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def reject_waiting(self, error: Callable[[], Exception]) -> None:
        """Raise a new `error()` in each command that is waiting."""
        waiting = self._waiting
        self._waiting = deque()
        for turn in waiting:
            if not turn.done():
                turn.set_exception(error())
