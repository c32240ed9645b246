"""Check the settings of `connect` and `CircuitBreaker` when they're passed.

A time limit below 0 would make Redis look unavailable for good, so every limit would be off.
"""

from collections.abc import Callable
from typing import Any

from course_lib.checks import check_count, check_seconds

MOST = 10**6  # failures, or connections


def check_failures(name: str, failures: int) -> int:
    """Return a number of failures. Raises ValueError if it isn't one."""
    return check_count(name, failures, MOST)


class Setting:
    """An attribute that is checked when it's set. Reading it costs no more than for any other."""

    def __init__(self, check: Callable[[str, Any], Any]) -> None:
        self._check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __set__(self, instance: object, value: Any) -> None:
        vars(instance)[self._name] = self._check(self._name, value)


def check_settings(
    time_limit: float | None, connect_timeout: float, failures: int, retry_after: float
) -> None:
    """Raise TypeError or ValueError, with what to pass instead, if a setting is invalid."""
    if time_limit is not None:
        check_seconds("time_limit", time_limit)
    check_seconds("connect_timeout", connect_timeout)
    check_failures("failures", failures)
    check_seconds("retry_after", retry_after)
