"""SQLite's SQL for sqlglot, with every expression kept as it's written.

An index serves an expression only if both are written the same, so nothing may be normalized.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import sqlglot
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

Node: TypeAlias = Any  # of sqlglot's syntax tree, whose classes differ between its releases


class Dialect(SQLite):
    """SQLite's dialect, except that JSON paths and function calls stay as they're written."""

    def to_json_path(self, path: Node | None) -> Node | None:
        """Return a path unchanged: sqlglot would turn `'city'` into `'$.city'`."""
        return path

    class Parser(SQLite.Parser):  # type: ignore[misc,valid-type]  # to mypy it is a variable
        """Parse each function as unknown, so that its call is kept as it's written."""

        FUNCTIONS: Mapping[str, Callable[..., Node]] = {}


def sql_text(node: Node) -> str:
    """Return a syntax tree as SQL."""
    return str(node.sql(dialect=Dialect, normalize_functions=False))


def view_query(statement: str) -> Node | None:
    """Return the SELECT of a CREATE VIEW statement; None if sqlglot can't read it."""
    try:
        return sqlglot.parse_one(statement, dialect=Dialect).expression
    except (SqlglotError, RecursionError):
        return None
