"""Return what a table can hold and JSON can't in a form that JSON can express.

A column of SQLite takes values of any type, whatever its own type is, and the table may be someone
else's:

    infinity              null, as JavaScript and Pydantic write it; SQLite stores NaN as NULL
    bytes                 text, as below
    text, not in UTF-8    text, with U+FFFD in place of the bytes that aren't UTF-8
"""

import math
from collections.abc import Sequence
from typing import Any

CHANGED_TYPES = frozenset({bytes, float})


def json_values(row: Sequence[Any]) -> Sequence[Any]:
    """Return a row's values in a form that JSON can express."""
    if CHANGED_TYPES.isdisjoint(map(type, row)):
        return row
    return [_json_value(value) for value in row]


def text_of(content: bytes) -> str:
    """Return text from the file. It may be in any encoding."""
    return content.decode(errors="replace")


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return text_of(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
