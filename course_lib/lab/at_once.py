"""Send concurrent requests to a limiter, and count those it lets through."""

import asyncio
from collections.abc import Awaitable, Callable


async def admitted(decide: Callable[[], Awaitable[bool]], *, of: int) -> int:
    """Return how many of that many concurrent requests are allowed; `decide` is called for each."""
    decisions = await asyncio.gather(*[decide() for _ in range(of)])
    return sum(map(bool, decisions))
