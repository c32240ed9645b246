"""Check what is handed in for counting: a wrong value would fail later, with all others."""

import math
from collections.abc import Container, Iterable, Mapping

from course_lib.monitor.endpoints import METHODS, OTHER, UNKNOWN

MOST_TIMES = 2**50  # the largest count that is taken at once; larger ones could overflow


def check_request(endpoint: str, duration: float, status: int = 200) -> float:
    """Return a duration as a float. Raises TypeError for a wrong type, else as `check_seconds`."""
    if not isinstance(status, int):
        raise TypeError(f"status is {status!r}: pass a whole number, such as 200")
    check_name("endpoint", endpoint)
    return check_seconds("duration", duration)


def check_name(argument: str, name: str) -> str:
    """Return a name. Raises TypeError if it isn't text."""
    if not isinstance(name, str):
        raise TypeError(f"{argument} is {name!r}: pass text")
    return name


def check_seconds(argument: str, value: float) -> float:
    """Return a number of seconds as a float.

    Raises TypeError if it isn't a number, ValueError if it's negative, infinite or NaN.
    """
    if isinstance(value, str | bytes | bool):
        raise TypeError(f"{argument} is {value!r}: pass a number of seconds")
    try:
        seconds = float(value)
    except OverflowError:  # a whole number that's larger than any float
        seconds = math.inf
    except TypeError:
        raise TypeError(f"{argument} is {value!r}: pass a number of seconds") from None
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{argument} is {value!r}: pass seconds, 0 or more")
    return seconds


def check_times(argument: str, times: int) -> int:
    """Return how often something happened.

    Raises TypeError if it isn't a whole number, ValueError if it's out of range. It can't be
    negative, because Prometheus takes a count that falls for a restart.
    """
    if not isinstance(times, int):
        raise TypeError(f"{argument} is {times!r}: pass a whole number")
    if not is_count(times):
        raise ValueError(f"{argument} is {times!r}: pass a number from 0 to {MOST_TIMES:,}")
    return times


def is_count(value: object) -> bool:
    """Return True if a value can be added to a count."""
    return isinstance(value, int) and 0 <= value <= MOST_TIMES


def check_share(argument: str, share: float) -> float:
    """Return a share. Raises TypeError if it isn't a number; a histogram checks its range."""
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise TypeError(f"{argument} is {share!r}: pass a share, such as 0.01 for 1%")
    return share


def check_slow(slow: float) -> float:
    """Return the duration from which a request is slow. Raises TypeError or ValueError."""
    if isinstance(slow, bool) or not isinstance(slow, int | float):
        raise TypeError(f"slow is {slow!r}: pass seconds, or math.inf if nothing is slow")
    if not slow >= 0:
        raise ValueError(f"slow is {slow!r}: pass seconds, 0 or more")
    return slow


def check_counter(counter: Mapping[str, int]) -> Mapping[str, int]:
    """Return a counter that's watched. Raises TypeError if it isn't a mapping."""
    if not isinstance(counter, Mapping):
        raise TypeError(f"counter is {counter!r}: pass a dict, or a collections.Counter")
    return counter


def check_endpoints(argument: str, endpoints: Container[str]) -> Container[str]:
    """Return a set of endpoints.

    Raises ValueError at one without a method, which would match no request, and TypeError if
    they're text or no container. A container that can't be iterated over isn't checked.
    """
    if not isinstance(endpoints, Container):
        raise TypeError(f"{argument} is {endpoints!r}: pass a list, such as ['GET /metrics']")
    if isinstance(endpoints, str):
        raise TypeError(f"{argument} is {endpoints!r}: pass a list, such as [{endpoints!r}]")
    if not isinstance(endpoints, Iterable):
        return endpoints
    checked = frozenset(endpoints)
    for endpoint in checked:
        check_name(f"one of {argument}", endpoint)
        method, _, path = endpoint.partition(" ")
        if endpoint != UNKNOWN and not (path and method in METHODS | {OTHER}):
            raise ValueError(f"{argument} has {endpoint!r}: name the method too, like 'GET /path'")
    return checked
