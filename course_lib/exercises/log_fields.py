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
    if name == "duration_ms":
        return "another_unit"
    if name == "route" and got == request["route"]:
        return "no_method"
    if name == "level":
        return _level_mistake(got, expected)
    return "another_value"


def _level_mistake(got: object, expected: Mapping[str, Any]) -> str:
    """Return the misconception about the level, from the request for which it's wrong."""
    if got in ("info", "warning", "Info", "Warning"):
        return "level_case"
    if expected["duration_ms"] == 500:
        return "level_at_the_bound"
    return "level_by_status" if expected["status"] >= 500 else "another_level"
