"""Read a query from its syntax tree: its tables, its scans, and the values that may vary.

A literal in a workload is one example of many: `user_id = 123` today, `user_id = 456` tomorrow. So
a query is measured with the value that's written in it, and with two typical values of the column.
"""

import json
from collections.abc import Callable, Mapping, Set
from typing import Any, TypeAlias

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from course_lib.advisor.conditions import Source
from course_lib.advisor.dialect import Dialect, Node
from course_lib.advisor.pushdown import Pushdown
from course_lib.advisor.scans import read_scans
from course_lib.advisor.schema import Table
from course_lib.advisor.statement import Span, Statement
from course_lib.advisor.values import Typical

DEFAULT_LIMIT = 20  # the value of a parameter in LIMIT
DEFAULT_VALUE = 2  # of a parameter that's compared with nothing of a table
PREFIX = 4  # characters of a value that a pattern begins with

Literal: TypeAlias = tuple[str, str, str]  # table, column and text
TypicalValues: TypeAlias = Callable[[str, str], Typical]


class Reading:
    """A query that has been read, for the indexes that it might use.

    Raises ValueError if the query can't be read or names no table that can be indexed.
    """

    def __init__(self, sql: str, tables: Mapping[str, Table], views: Mapping[str, Node]) -> None:
        self.statement = Statement(sql)
        try:
            tree: Node = sqlglot.parse_one(self.statement.text, dialect=Dialect)
            self.changes = isinstance(tree, exp.Update | exp.Delete)
            self.deletes = isinstance(tree, exp.Delete)
            changed = tree.this.name.lower() if self.changes else ""
            tree = exp.expand(_as_select(tree), dict(views), dialect=Dialect)
            scopes = traverse_scope(tree)
        except (SqlglotError, ValueError, RecursionError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"sqlglot cannot read it: {reason}") from error
        names = {node.name.lower() for node in tree.find_all(exp.Table)}
        self.tables = frozenset(names & tables.keys())
        if not self.tables:
            raise ValueError("it names no table that could have an index")
        self.changed = tables.get(changed)
        # Reading the scans also notes the sources that `_sources` looks for.
        pushdown = Pushdown(scopes, tables)
        scans = [scan for scope in scopes for scan in read_scans(scope, tables, pushdown)]
        self.scans = tuple(scans)
        self._literals, self._parameters = _sources(tree)

    @property
    def literals(self) -> set[Literal]:
        """The literals that may vary."""
        return {(table, key, text) for (table, key, _), text in self._literals.values()}

    def variants(
        self, typical: TypicalValues, constants: Set[Literal]
    ) -> list[tuple[str, dict[str, Any]]]:
        """Return SQL and the values of its parameters, for several executions of the query.

        The first are as it's written; then the literals vary: those in `constants` stay.
        `typical(table, key)` returns two values, the hottest and the median. A state or a kind
        varies to the median alone.
        """
        written = self.statement.text
        ranks = (0, 1) if self.statement.names else (0,)
        variants = [(written, self._values(typical, rank)) for rank in ranks]
        for rank in (0, 1):
            literals: dict[Span, Any] = {}
            for span, ((table, key, _), text) in self._literals.items():
                if (table, key, text) not in constants:
                    values = typical(table, key)
                    # The most frequent state would hide what an index gains for the others.
                    literals[span] = values.median if values.is_state else values[rank]
            if literals:
                text = self.statement.with_literals(literals)
                variants.append((text, self._values(typical, rank)))
        return variants

    def _values(self, typical: TypicalValues, rank: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in self.statement.names:
            source = self._parameters.get(name, DEFAULT_VALUE)
            if isinstance(source, Source):
                values[name] = _in_form(typical(source.table, source.key), source.form, rank)
            else:
                values[name] = source
        return values


def _as_select(tree: Node) -> Node:
    """Return a SELECT that looks for the rows that an UPDATE or DELETE changes."""
    if not isinstance(tree, exp.Update | exp.Delete):
        return tree
    select: Node = exp.Select(expressions=[exp.Star()])
    if isinstance(tree, exp.Update):
        for assignment in tree.expressions:
            select.append("expressions", assignment.expression)
    select = select.from_(tree.this)
    for name in ("where", "with", "with_"):
        if clause := tree.args.get(name):
            select.set(name, clause)
    others = tree.args.get("from") or tree.args.get("from_")
    if others:
        joins = [exp.Join(this=others.this), *(others.this.args.get("joins") or [])]
        select.set("joins", joins)
    return select


def _sources(tree: Node) -> tuple[dict[Span, tuple[Source, str]], dict[str, Source | int]]:
    """Return where the values of literals come from, by their place, and those of parameters."""
    literals: dict[Span, tuple[Source, str]] = {}
    parameters: dict[str, Source | int] = {}
    for node in tree.walk():
        source = node.meta.get("source")
        if isinstance(node, exp.Literal) and source and "span" in node.meta:
            literals[node.meta["span"]] = source, node.name
        elif isinstance(node, exp.Placeholder):
            is_limit = isinstance(node.parent, exp.Limit)
            if source or (is_limit and node.name not in parameters):
                parameters[node.name] = source or DEFAULT_LIMIT
            elif isinstance(node.parent, exp.Offset):
                parameters.setdefault(node.name, 0)
    return literals, parameters


def _in_form(typical: Typical, form: str, rank: int) -> Any:
    """Return a value as a parameter contains it: itself, in a pattern, or in a JSON array.

    A range gets one of the ends, because queries rarely ask for most of a table.
    """
    value = typical[rank]
    forms = {
        "value": value,
        "above": typical.above[rank],
        "below": typical.below[rank],
        "top": typical.top,
        "like": f"{value}"[:PREFIX] + "%",
        "glob": f"{value}"[:PREFIX] + "*",
        "json": json.dumps([value], default=str),
    }
    return forms[form]
