"""Bound how many requests wait for something slow."""

from fastapi import HTTPException


class Slots:
    """A number of requests that may be in a block of code at once, of one event loop.

    With all slots taken, `with slots:` raises HTTPException, 503. Waiting in line behind hundreds
    would take longer than most clients wait, and each that waits needs memory.
    """

    def __init__(self, number: int, name: str) -> None:
        self._free = number
        self._message = f"too many {name} are waiting: try again in a second"

    def __enter__(self) -> None:
        if not self._free:
            raise HTTPException(503, self._message, {"Retry-After": "1"})
        self._free -= 1

    def __exit__(self, *_: object) -> None:
        self._free += 1
