"""Read answers: numbers of any kind, letters, text."""

import json
from typing import Any, SupportsFloat


def as_number(value: object) -> float | None:
    """A number of any kind (int, Fraction, Decimal, numpy's) as a float; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def chosen_letters(answer: Any) -> set[str] | None:
    """The letters of an answer like "bc", "b and c", ["B", "c"] or {"b", "c"}; None for anything else."""
    if isinstance(answer, str | list | tuple | set | frozenset) and all(isinstance(each, str) for each in answer):
        return {letter for letter in "".join(answer).lower().replace("and", "") if letter.isalnum()}
    return None


def decoded(content: Any) -> Any:
    """What JSON makes of a text; None where it is none."""
    try:
        return json.loads(content)
    except (TypeError, ValueError):
        return None


def as_text(content: Any) -> str:
    """Return bytes or text as text."""
    return content.decode(errors="replace") if isinstance(content, bytes) else str(content)
