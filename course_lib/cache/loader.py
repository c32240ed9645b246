"""Call a loader, and turn what it returns into the content of an entry."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from course_lib.cache.codec import Values
from course_lib.cache.lease_renewal import LEASE
from course_lib.cache.ttl import Ttl, ttl_in_ms
from course_lib.checks import check_functions, check_not_async, check_switch

log = logging.getLogger(__package__)

Loader = Callable[[], Awaitable[Any]]


class LoadRequest(NamedTuple):
    """A request for a load, from a call of `get_or_set`."""

    key: str
    stored_key: bytes
    loader: Loader
    ttl: Ttl
    stale_ms: int  # how long the value is kept after its TTL
    user: bytes | None
    raw: bool
    jitter: float
    timeout: float  # seconds for the loader
    max_bytes: int

    @property
    def longest_ms(self) -> int:
        """The longest time that the load takes, with a second for storing its value."""
        return int(1000 * (self.timeout + 1))

    @property
    def lease_ms(self) -> int:
        """The TTL of a lease, which is renewed while the load runs."""
        return min(int(1000 * LEASE), self.longest_ms)


class Loaded(NamedTuple):
    """The content for a loaded value, and how long to keep it; 0 if it isn't to be stored."""

    content: bytes
    ms: int


async def call_loader(request: LoadRequest, values: Values) -> Loaded:
    """Return what the loader returns. Raises what the loader does, or TimeoutError."""
    awaitable = request.loader()
    if not inspect.isawaitable(awaitable):
        raise TypeError(
            f"the loader of {request.key!r} returned {type(awaitable).__name__}, which can't "
            "be awaited: make it an `async def`, or if it blocks, pass "
            "`lambda: asyncio.to_thread(function)`"
        )
    try:
        async with asyncio.timeout(request.timeout) as time_limit:
            value = await awaitable
    except TimeoutError:
        if not time_limit.expired():
            raise
        raise TimeoutError(
            f"the load of {request.key!r} took longer than {request.timeout:g} s"
        ) from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise RuntimeError(f"the load of {request.key!r} cancelled itself") from None

    content = values.content(request.key, value, raw=request.raw)
    size = len(content)
    if size > request.max_bytes:
        log.warning(
            "%r is not cached: %d bytes, max_bytes is %d", request.key, size, request.max_bytes
        )
        return Loaded(content, 0)
    ttl_ms = ttl_in_ms(request.ttl, value, request.jitter)
    if not ttl_ms:
        return Loaded(content, 0)
    return Loaded(content, ttl_ms + request.stale_ms)


def check_loader(loader: Loader) -> None:
    """Raise TypeError if a loader can't be called."""
    if inspect.iscoroutine(loader):
        loader.close()
        name = loader.__name__
        raise TypeError(
            f"pass the function, not the result of calling it: `{name}`, not `{name}()`"
        )
    if not callable(loader):
        raise TypeError(f"loader must be an async function without arguments, not {loader!r}")


def check_how_it_returns(raw: bool, on_outcome: Callable[[str], object] | None) -> None:
    """Raise TypeError if an argument of `get_or_set` about its result is of another type."""
    check_switch("raw", raw)
    if on_outcome is not None:
        check_functions(on_outcome=on_outcome)
        check_not_async(on_outcome=on_outcome)
