"""SQLite's SQL for sqlglot, with every expression kept as it's written.

An index serves an expression only if both are written the same, so nothing may be normalized.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import sqlglot
from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType  # type: ignore[attr-defined]  # in some releases

Node: TypeAlias = Any  # of sqlglot's syntax tree, whose classes differ between its releases


def _literal(token: Node) -> Node:
    """Return a literal that knows its place in the text: `meta["span"]`, start and end."""
    literal = exp.Literal(this=token.text, is_string=token.token_type == TokenType.STRING)
    literal.meta["span"] = token.start, token.end + 1
    return literal


def _negation(generator: Node, node: Node) -> str:
    """Write `x IS NOT NULL`, which SQLite doesn't take for `NOT x IS NULL`."""
    inner = node.this
    if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
        return f"{generator.sql(inner, 'this')} IS NOT NULL"
    return str(generator.not_sql(node))


def _cast(generator: Node, node: Node) -> str:
    """Write a CAST with the type's own name: an index on another name isn't used."""
    return f"CAST({generator.sql(node, 'this')} AS {node.text('to')})"


class Dialect(SQLite):
    """SQLite's dialect, except that JSON paths, types and function calls stay as written."""

    def to_json_path(self, path: Node | None) -> Node | None:
        """Return a path unchanged: sqlglot would turn `'city'` into `'$.city'`."""
        return path

    class Parser(SQLite.Parser):  # type: ignore[misc,valid-type]  # to mypy it is a variable
        """Parse each function as unknown, so that its call is kept as it's written."""

        FUNCTIONS: Mapping[str, Callable[..., Node]] = {}
        PRIMARY_PARSERS: ClassVar[Mapping[Any, Callable[..., Node]]] = {
            **SQLite.Parser.PRIMARY_PARSERS,
            TokenType.NUMBER: lambda _, token: _literal(token),
            TokenType.STRING: lambda _, token: _literal(token),
        }

        def _parse_update(self, *_args: Any, **_options: Any) -> Node:
            """Skip the `OR IGNORE` of `UPDATE OR IGNORE t`, which changes no search."""
            if self._match(TokenType.OR):
                self._advance()
            return super()._parse_update()

        def _parse_cast(self, *_args: Any, **_options: Any) -> Node:
            """Read `x AS type` and keep the words of the type."""
            expression = self._parse_assignment()
            if not self._match(TokenType.ALIAS):
                self.raise_error("Expected AS after CAST")
            first = self._curr
            last = first
            depth = 0
            while self._curr and (depth or self._curr.token_type != TokenType.R_PAREN):
                depth += self._curr.token_type == TokenType.L_PAREN
                depth -= self._curr.token_type == TokenType.R_PAREN
                last = self._curr
                self._advance()
            name = self._find_sql(first, last) if first and last else ""
            return exp.Cast(this=expression, to=exp.Var(this=name))

    class Generator(SQLite.Generator):  # type: ignore[misc,valid-type]
        """Write back what the parser kept."""

        TRANSFORMS: ClassVar[Mapping[Any, Callable[..., str]]] = {
            **SQLite.Generator.TRANSFORMS,
            exp.Cast: _cast,
            exp.Not: _negation,
        }


def sql_text(node: Node) -> str:
    """Return a syntax tree as SQL."""
    return str(node.sql(dialect=Dialect, normalize_functions=False))


def view_query(statement: str) -> Node | None:
    """Return the SELECT of a CREATE VIEW statement; None if sqlglot can't read it.

    If the view names its columns, the SELECT is wrapped in one that gives them these names.
    """
    try:
        view: Node = sqlglot.parse_one(statement, dialect=Dialect)
    except (SqlglotError, RecursionError):
        return None
    query = view.expression
    if query is None:
        return None
    for node in query.walk():
        node.meta.pop("span", None)  # a place in the view, not in the query that uses it
    if isinstance(view.this, exp.Schema):
        names = [exp.to_identifier(column.name) for column in view.this.expressions]
        alias = exp.TableAlias(this=exp.to_identifier("columns_of_the_view"), columns=names)
        query = exp.select("*").from_(exp.Subquery(this=query, alias=alias))
    return query
