"""Read what learners answer: numbers of any kind, letters in any form, text or bytes, JSON."""

import json
from typing import Any, SupportsFloat

from course_lib.exercises import guard


def as_number(value: object) -> float | None:
    """Return a number of any kind (int, Fraction, Decimal, NumPy's) as a float, else None."""
    try:
        # int and float come first, because a protocol is slow to check.
        if isinstance(value, bool) or not isinstance(value, int | float | SupportsFloat):
            return None
        return float(value)
    except guard.TimeUp:
        raise
    except BaseException:  # a learner's class may raise anything
        return None


def as_truth(value: object) -> bool | None:
    """Return True or False, also NumPy's, as a bool; None for anything else."""
    is_numpy = type(value).__module__ == "numpy" and type(value).__name__ in {"bool", "bool_"}
    return bool(value) if isinstance(value, bool) or is_numpy else None


def chosen_letters(answer: Any) -> set[str] | None:
    """Return the letters of "bc", "b and c", ["B", "c"] or {"b", "c"}; None for anything else."""
    if not isinstance(answer, str | list | tuple | set | frozenset):
        return None
    if not all(isinstance(part, str) for part in answer):
        return None
    text = "".join(answer).lower().replace("and", "")
    return {letter for letter in text if letter.isalnum()}


def as_text(content: Any) -> str:
    """Return bytes or text as text."""
    return content.decode(errors="replace") if isinstance(content, bytes) else str(content)


def from_json(content: Any) -> Any:
    """Return the value of a JSON text; None if it isn't JSON."""
    try:
        return json.loads(content)
    except (TypeError, ValueError):
        return None
