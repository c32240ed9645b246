"""Read a query from its syntax tree: its tables, its scans, and the values that may vary.

A literal in a workload is one example of many: `user_id = 123` today, `user_id = 456` tomorrow. So
a query is measured with the value that's written in it, and with two typical values of the column.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, TypeAlias

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from course_lib.advisor.dialect import Dialect, Node, sql_text
from course_lib.advisor.scans import read_scans
from course_lib.advisor.schema import Table

DEFAULT_LIMIT = 20  # the value of a parameter in LIMIT

Literal: TypeAlias = tuple[str, str, str]  # table, column and text
TypicalValues: TypeAlias = Callable[[str, str], Sequence[Any]]


class Reading:
    """A query that has been read. `tree` is its syntax tree, with views replaced by their queries.

    In the tree, a literal that a column must equal, and a parameter compared with a column, have
    that table and column as `meta["column"]`.

    Raises ValueError if the query can't be read or names no table that can be indexed.
    """

    def __init__(self, sql: str, tables: Mapping[str, Table], views: Mapping[str, Node]) -> None:
        try:
            tree: Node = sqlglot.parse_one(sql, dialect=Dialect)
            self.tree = exp.expand(tree, dict(views), dialect=Dialect)
            scopes = traverse_scope(self.tree)
        except (SqlglotError, ValueError, RecursionError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"sqlglot cannot read it: {reason}") from error
        names = {node.name.lower() for node in self.tree.find_all(exp.Table)}
        self.tables = frozenset(names & tables.keys())
        if not self.tables:
            raise ValueError("it names no table that could have an index")
        # Reading the scans also notes the columns that `_variables` looks for.
        self.scans = tuple(scan for scope in scopes for scan in read_scans(scope, tables))
        variables = _variables(self.tree)
        self.parameters = [node for node in variables if not isinstance(node, exp.Literal)]
        if not all(map(_has_a_value, self.parameters)):
            raise ValueError(
                "it has a parameter that is not compared with a column: write a value in its place"
            )

    @property
    def literals(self) -> set[Literal]:
        """The literals that may vary."""
        literals = (node for node in _variables(self.tree) if isinstance(node, exp.Literal))
        return {(*node.meta["column"], node.name) for node in literals}

    def variants(
        self, typical: TypicalValues, constants: Set[Literal]
    ) -> list[tuple[str, dict[str, Any]]]:
        """Return the query twice: with the hottest and with the median values of its columns.

        Each is SQL and the values of its parameters. `typical(table, column)` returns the two
        values; the literals in `constants` stay as they are. If nothing can vary, return [].
        """
        if not self.parameters and self.literals <= constants:
            return []
        return [self._filled(typical, constants, rank) for rank in (0, 1)]

    def _filled(
        self, typical: TypicalValues, constants: Set[Literal], rank: int
    ) -> tuple[str, dict[str, Any]]:
        tree = self.tree.copy()
        parameters = dict[str, Any]()
        for node in _variables(tree):
            column = node.meta.get("column")
            if not isinstance(node, exp.Literal):
                name = f"p{len(parameters)}"
                if column:
                    parameters[name] = typical(*column)[rank]
                else:
                    parameters[name] = DEFAULT_LIMIT if isinstance(node.parent, exp.Limit) else 0
                node.replace(exp.Placeholder(this=name))
            elif (*column, node.name) not in constants:
                node.replace(exp.convert(typical(*column)[rank]))
        return sql_text(tree), parameters


def _variables(tree: Node) -> list[Node]:
    """Return the parameters, and the literals that may vary."""
    variables = []
    for node in tree.walk():
        if "column" in node.meta or isinstance(node, exp.Placeholder | exp.Parameter):
            variables.append(node)
    return variables


def _has_a_value(parameter: Node) -> bool:
    """Check that there is a value to run a query with: a column's, or a number of rows."""
    return "column" in parameter.meta or isinstance(parameter.parent, exp.Limit | exp.Offset)
