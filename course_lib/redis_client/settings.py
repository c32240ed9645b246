"""Check the settings of `connect` and `CircuitBreaker` when they're passed.

A time limit below 0 would make Redis look unavailable for good, so every limit would be off.
"""

from course_lib.checks import check_count, check_seconds

MOST = 10**6  # failures, or connections


def check_settings(
    time_limit: float | None, connect_timeout: float, failures: int, retry_after: float
) -> None:
    """Raise TypeError or ValueError, with what to pass instead, if a setting is invalid."""
    if time_limit is not None:
        check_seconds("time_limit", time_limit)
    check_seconds("connect_timeout", connect_timeout)
    check_count("failures", failures, MOST)
    check_seconds("retry_after", retry_after)
