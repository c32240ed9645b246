"""A statement as its author wrote it: its parameters, and its text with other literals.

What is planned, timed and explained is this text. Nothing generated from a syntax tree runs.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, TypeAlias

Span: TypeAlias = tuple[int, int]  # start and end in the text
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]

BYTE_ORDER_MARK = "\ufeff"  # at the start of files that Windows programs write

_TOKEN = re.compile(
    r"""--[^\n]* | /\*.*?(?:\*/|\Z)
      | '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^]]*\]
      | (?P<parameter> \?\d* | [:@$][\w$]+(?:::[\w$]+)*(?:\([^)\s]*\))? )
      | [\w$]+ | .""",
    re.VERBOSE | re.DOTALL,
)


class Statement:
    """An SQL text. In `text`, every parameter is written `:p1`, with the number SQLite gives it.

    `names` maps these to the names in the original: "5" for `?5` and the fifth `?`, "a" for `:a`.
    """

    def __init__(self, sql: str) -> None:
        numbers: dict[str, int] = {}
        highest = 0
        parts = []
        for match in _TOKEN.finditer(sql.removeprefix(BYTE_ORDER_MARK)):
            token = match[0]
            if not match["parameter"]:
                parts.append(token)
                continue
            if token == "?":
                token = f"?{highest + 1}"
            if token.startswith("?"):
                numbers[token] = int(token[1:])
            number = numbers.setdefault(token, highest + 1)
            highest = max(highest, number)
            parts.append(f":p{number}")
        self.text = "".join(parts)
        self.names = {f"p{number}": token[1:] for token, number in numbers.items()}
        self._highest = highest

    def bound(self, values: Parameters) -> dict[str, Any]:
        """Return the value of each parameter in `text`.

        Raises ValueError, with the names, if some have none, or one that SQLite can't store; or if
        a sequence has too many.
        """
        if not isinstance(values, Mapping):
            if len(values) > self._highest:
                counted = f"{self._highest} parameters, and {len(values)} values were passed"
                raise ValueError(f"it has {counted}: pass one for each")
            values = {str(number): value for number, value in enumerate(values, 1)}
            given = {key: values.get(key.removeprefix("p")) for key in self.names}
            missing = [
                name for key, name in self.names.items() if key.removeprefix("p") not in values
            ]
        else:
            given = {key: values.get(name) for key, name in self.names.items()}
            missing = [name for name in self.names.values() if name not in values]
        if missing:
            raise ValueError(f"it has no value for the parameter {', '.join(missing)}: pass one")
        return {key: _stored(value, self.names[key]) for key, value in given.items()}

    def with_literals(self, literals: Mapping[Span, Any]) -> str:
        """Return the text with other values at the places of these literals."""
        text = self.text
        for (start, end), value in sorted(literals.items(), reverse=True):
            text = text[:start] + as_literal(value) + text[end:]
        return text


def _stored(value: object, name: str) -> Any:
    """Return a value as SQLite stores it: a date as text, if Python's adapters do that."""
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            (stored,) = connection.execute("SELECT ?", [value]).fetchone()
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise ValueError(
                f"SQLite can't store the value of the parameter {name}: {value!r}"
            ) from error
        return stored


def as_literal(value: Any) -> str:
    """Return a value of SQLite as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value).replace("inf", "9e999")  # as SQLite writes infinity
