"""Read TTLs: a number of seconds, a timedelta, or a function of the value."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from course_lib.checks import check_not_async, check_seconds

Seconds = float | timedelta
Ttl = Seconds | Callable[[Any], Seconds | None]


def seconds(name: str, value: Seconds) -> float:
    """Return a number of seconds or a timedelta in seconds. Raises TypeError or ValueError."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    return check_seconds(name, value)


def check_ttl(ttl: Ttl) -> Ttl:
    """Return a TTL. Raises TypeError or ValueError if it's invalid."""
    if callable(ttl):
        check_not_async(ttl=ttl)
    else:
        seconds("ttl", ttl)
    return ttl


def check_jitter(jitter: float) -> float:
    """Return a share of the TTL. Raises TypeError or ValueError if it isn't from 0 to below 1."""
    if isinstance(jitter, bool) or not isinstance(jitter, int | float):
        raise TypeError(f"jitter must be a number, a share of the TTL, not {jitter!r}")
    if not 0 <= jitter < 1:
        raise ValueError(f"jitter is {jitter!r}: pass a share of the TTL, from 0 to below 1")
    return jitter


def ttl_in_ms(ttl: Ttl, value: Any, jitter: float) -> int:
    """Return how long to keep a value, in milliseconds; 0 if it isn't to be stored.

    That's when the function returns None; 0 means the same. Each TTL is shortened by a random share
    of up to `jitter`. Raises TypeError or ValueError if the TTL is invalid.
    """
    if callable(ttl):
        check_not_async(ttl=ttl)
        chosen = ttl(value)
        if not chosen:
            return 0
        ttl = chosen
    shortened = seconds("ttl", ttl) * (1 - jitter * random.random())
    return max(int(1000 * shortened), 1)
