"""The needs of one SELECT from one table: conditions an index could search, orders, and columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from course_lib.advisor.conditions import Kind, searches
from course_lib.advisor.dialect import Node
from course_lib.advisor.orders import read_orders
from course_lib.advisor.pushdown import Pushdown, conjuncts
from course_lib.advisor.schema import Keys, Table
from course_lib.advisor.select_table import SelectTable


@dataclass(frozen=True)
class Scan:
    """The needs of one SELECT from one table.

    `equal` are the keys compared with a value, `listed` with a list of values, `joined` with
    something of another table. `ranges` are the keys of one range each; a row value such as
    `(day, id) < (?, ?)` has several. `sorts` are the orders of ORDER BY, GROUP BY, DISTINCT, min,
    max and windows. `filters` are the conditions on this table alone, and their columns. `needed`
    are the columns read; None for all.
    """

    table: str
    equal: Keys
    listed: Keys
    joined: Keys
    ranges: tuple[Keys, ...]
    sorts: tuple[Keys, ...]
    filters: tuple[tuple[str, Keys], ...]
    needed: Keys | None


def read_scans(scope: Scope, tables: Mapping[str, Table], pushdown: Pushdown) -> Iterator[Scan]:
    """Yield the scans of each ordinary table in a SELECT."""
    if not isinstance(scope.expression, exp.Select):
        return
    by_alias = {}
    for alias, node in scope.references:
        if isinstance(scope.sources.get(alias), exp.Table) and node.name.lower() in tables:
            by_alias[alias.lower()] = tables[node.name.lower()]
    for alias in by_alias:
        yield from _scans(SelectTable(scope, by_alias, alias), pushdown)


def _scans(table: SelectTable, pushdown: Pushdown) -> Iterator[Scan]:
    """Yield the scan for all conditions, then one for each branch of an OR with the others.

    SQLite also searches for each branch of an OR by itself.
    """
    conditions = list(pushdown.conditions(table.scope))
    orders = read_orders(table, pushdown.uses(table.scope))
    yield _scan(table, conditions, orders, table.needed())
    for condition in conditions:
        if isinstance(condition, exp.Or):
            others = [other for other in conditions if other is not condition]
            for branch in condition.flatten():
                yield _scan(table, [*conjuncts(branch), *others], (), None)


def _scan(
    table: SelectTable, conditions: Sequence[Node], sorts: tuple[Keys, ...], needed: Keys | None
) -> Scan:
    """Sort the conditions by what an index can do for them."""
    keys: dict[Kind, list[Keys]] = {kind: [] for kind in Kind}
    keys[Kind.JOINED] = [(column,) for column in table.join_columns]
    filters = []
    for condition in conditions:
        for kind, key in searches(table, condition):
            keys[kind].append(key)
        if where := table.key(condition):
            columns = map(table.column_name, condition.find_all(exp.Column))
            filters.append((where, tuple(columns)))

    def single(kind: Kind) -> Keys:
        return tuple(dict.fromkeys(key for (key,) in keys[kind]))

    return Scan(
        table=table.name,
        equal=single(Kind.EQUAL),
        listed=single(Kind.LISTED),
        joined=single(Kind.JOINED),
        ranges=tuple(dict.fromkeys(keys[Kind.RANGE])),
        sorts=sorts,
        filters=tuple(filters),
        needed=needed,
    )
