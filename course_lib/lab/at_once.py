"""Send concurrent requests to a limiter, and count those it lets through."""

import asyncio
from collections.abc import Awaitable, Callable


async def admitted(decide: Callable[[], Awaitable[bool]], *, of: int) -> int:
    """Call `decide` for `of` concurrent requests, and return how many of them are allowed."""
    calls = [decide() for _ in range(of)]
    decisions = await asyncio.gather(*calls)
    return sum(map(bool, decisions))
