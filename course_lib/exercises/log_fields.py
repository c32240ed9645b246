"""The misconceptions about a field of a log line; for `log_line`."""

from collections.abc import Mapping
from typing import Any

from course_lib.exercises.answers import as_number


def is_rounded(got: object, value: object) -> bool:
    """Return True if a number is the value, or less than 1 away from it."""
    number = as_number(got)
    return isinstance(value, float) and number is not None and abs(number - value) < 1


def mistake_in(
    name: str, got: object, request: Mapping[str, Any], expected: Mapping[str, Any]
) -> str:
    """Return the misconception about this field."""
    if name in {"status", "duration_ms"} and isinstance(got, str):
        return "text_for_number"
    if name == "duration_ms" and _is_another_unit(got, expected[name]):
        return "another_unit"
    if name == "route" and got == request["route"]:
        return "no_method"
    if name == "level":
        return _level_mistake(got, expected)
    return "another_value"


def _is_another_unit(got: object, value: float) -> bool:
    """Return True if a number of milliseconds is far from the right one, as in another unit."""
    number = as_number(got)
    return number is not None and not value / 100 < number < value * 100


def _level_mistake(got: object, expected: Mapping[str, Any]) -> str:
    """Return the misconception about the level, from the request for which it's wrong."""
    if expected["status"] >= 500:
        return "level_by_status"
    if got not in ("INFO", "WARNING"):
        return "level_word"
    return "level_at_the_bound" if expected["duration_ms"] == 500 else "another_level"
