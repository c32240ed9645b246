"""Check what is handed in for counting: a wrong value would fail later, with all others."""

import math


def check_request(endpoint: str, duration: float, status: int = 200) -> float:
    """Return a duration as a float. Raises TypeError for a wrong type, else as `check_seconds`."""
    if not isinstance(status, int):
        raise TypeError(f"status is {status!r}: pass a whole number, such as 200")
    check_name("endpoint", endpoint)
    return check_seconds(duration)


def check_name(argument: str, name: str) -> str:
    """Return a name. Raises TypeError if it isn't text."""
    if not isinstance(name, str):
        raise TypeError(f"{argument} is {name!r}: pass text")
    return name


def check_seconds(duration: float) -> float:
    """Return a duration as a float.

    Raises TypeError if it isn't a number, ValueError if it's negative, infinite or NaN.
    """
    if isinstance(duration, str | bytes | bool):
        raise TypeError(f"duration is {duration!r}: pass a number of seconds")
    try:
        seconds = float(duration)
    except OverflowError:  # a whole number that's larger than any float
        seconds = math.inf
    if not 0 <= seconds < math.inf:
        raise ValueError(f"duration is {duration!r}: pass seconds, 0 or more")
    return seconds


def check_times(times: int) -> int:
    """Return how often something happened.

    Raises TypeError if it isn't a whole number, ValueError if it's negative: Prometheus takes a
    count that falls for a restart.
    """
    if not isinstance(times, int):
        raise TypeError(f"times is {times!r}: pass a whole number")
    if times < 0:
        raise ValueError(f"times is {times!r}: a count can't fall, so pass 0 or more")
    return times
