"""Time a call that may never return."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable


async def time_of(call: Awaitable[object], *, at_most: float) -> float:
    """Return how many seconds a call takes to return or fail; cancel it after `at_most`."""
    start = time.perf_counter()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(at_most):
            await call
    return time.perf_counter() - start
