"""The needs of one SELECT from one table: conditions an index could search, orders, and columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from course_lib.advisor.dialect import Node
from course_lib.advisor.orders import read_orders
from course_lib.advisor.schema import Keys, Table
from course_lib.advisor.select_table import SelectTable

_INEQUALITIES = (exp.GT, exp.GTE, exp.LT, exp.LTE)
_COMPARISONS = (exp.EQ, exp.NullSafeEQ, exp.Is, *_INEQUALITIES)


@dataclass(frozen=True)
class Scan:
    """The needs of one SELECT from one table.

    `equal` are the keys compared with a value, `joined` with something of another table. `sorts`
    are the orders of ORDER BY, GROUP BY, DISTINCT, min, max and windows. `filters` are the
    conditions on this table alone, and their columns. `needed` are the columns read; None for all.
    """

    table: str
    equal: Keys
    joined: Keys
    ranges: Keys
    sorts: tuple[Keys, ...]
    filters: tuple[tuple[str, Keys], ...]
    needed: Keys | None


def read_scans(scope: Scope, tables: Mapping[str, Table]) -> Iterator[Scan]:
    """Yield the scans of each ordinary table in a SELECT."""
    if not isinstance(scope.expression, exp.Select):
        return
    by_alias = {}
    for alias, node in scope.references:
        if isinstance(scope.sources.get(alias), exp.Table) and node.name.lower() in tables:
            by_alias[alias.lower()] = tables[node.name.lower()]
    for alias in by_alias:
        yield from _ScanReader(SelectTable(scope, by_alias, alias)).scans()


class _ScanReader:
    def __init__(self, table: SelectTable) -> None:
        self.table = table

    def scans(self) -> Iterator[Scan]:
        """Yield the scan for all conditions, then one for each branch of an OR with the others.

        SQLite also searches for each branch of an OR by itself.
        """
        scope = self.table.scope
        conditions = [*_conditions(self.table.select), *_pushed_down(scope)]
        yield self._scan(conditions, read_orders(self.table), self.table.needed())
        for condition in conditions:
            if isinstance(condition, exp.Or):
                others = [other for other in conditions if other is not condition]
                for branch in condition.flatten():
                    yield self._scan([*_conjuncts(branch), *others], (), None)

    def _scan(
        self, conditions: Sequence[Node], sorts: tuple[Keys, ...], needed: Keys | None
    ) -> Scan:
        """Sort the conditions by what an index can do for them."""
        keys: dict[str, list[str]] = {
            "equal": [],
            "joined": self.table.join_columns(),
            "range": [],
        }
        filters = []
        for condition in conditions:
            for kind, key in self._searches(condition):
                keys[kind].append(key)
            if where := self.table.key(condition):
                columns = map(self.table.column_name, condition.find_all(exp.Column))
                filters.append((where, tuple(columns)))
        return Scan(
            table=self.table.name,
            equal=_unique(keys["equal"]),
            joined=_unique(keys["joined"]),
            ranges=_unique(keys["range"]),
            sorts=sorts,
            filters=tuple(filters),
            needed=needed,
        )

    def _searches(self, condition: Node) -> Iterator[tuple[str, str]]:
        """Yield how an index could find the rows that meet a condition: a kind and a key."""
        if isinstance(condition, _COMPARISONS):
            yield from self._comparisons(condition)
            return
        if not isinstance(condition, exp.Between | exp.In | exp.Like | exp.Glob):
            return
        key = self.table.key(condition.this)
        if not key:
            return
        match condition:
            case exp.Between() | exp.In():
                args = condition.args
                for value in (args.get("low"), args.get("high"), *condition.expressions):
                    self._note_column(condition.this, value, varies=False)
                yield "range", key
            case exp.Like(expression=exp.Literal() as pattern):
                if pattern.name[:1] not in ("", "%", "_"):
                    yield "range", f"{key} COLLATE NOCASE"  # LIKE ignores case
            case exp.Glob(expression=exp.Literal() as pattern):
                if pattern.name[:1] not in ("", "*", "?", "["):
                    yield "range", key

    def _comparisons(self, condition: Node) -> Iterator[tuple[str, str]]:
        for side, other in permutations((condition.this, condition.expression)):
            key = self.table.key(side)
            owners = self.table.owners(other)
            if not key or self.table.alias in owners:
                continue
            self._note_column(side, other, varies=isinstance(condition, exp.EQ))
            if isinstance(other, exp.Collate):
                key += f" COLLATE {other.expression.name}"
            if isinstance(condition, _INEQUALITIES):
                yield "range", key
            elif owners:
                yield "joined", key
            else:
                yield "equal", key

    def _note_column(self, side: Node, other: Node | None, *, varies: bool) -> None:
        """Note the column that a parameter, or a literal that may vary, is compared with."""
        parameters = (exp.Placeholder, exp.Parameter)
        kinds = (*parameters, exp.Literal) if varies else parameters
        if isinstance(side, exp.Column) and isinstance(other, kinds):
            # A condition that was pushed down is a copy: the note belongs to the original.
            original = other.meta.get("original", other)
            original.meta["column"] = self.table.name, side.name.lower()


def _unique(keys: Sequence[str]) -> Keys:
    return tuple(dict.fromkeys(keys))


def _conditions(select: Node) -> Iterator[Node]:
    """Yield the conditions that WHERE and ON combine by AND."""
    joins = select.args.get("joins") or ()
    for clause in (select.args.get("where"), *(join.args.get("on") for join in joins)):
        if clause:
            yield from _conjuncts(clause)


def _conjuncts(clause: Node) -> Iterator[Node]:
    """Yield the conditions that are combined by AND."""
    condition = clause.this if isinstance(clause, exp.Where) else clause
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.this)
        yield from _conjuncts(condition.expression)
    else:
        yield condition


def _pushed_down(scope: Node) -> Iterator[Node]:
    """Yield the outer query's conditions on the columns of a subquery, view or CTE.

    Each is rewritten in the subquery's own terms, because SQLite tests it inside the subquery.
    """
    outer = scope.parent
    if outer is None or not isinstance(outer.expression, exp.Select):
        return
    aliases = {alias.lower() for alias, source in outer.sources.items() if source is scope}
    selected = {node.alias_or_name.lower(): node.unalias() for node in scope.expression.selects}
    for condition in _conditions(outer.expression):
        columns = list(condition.find_all(exp.Column))
        tables = {column.table.lower() for column in columns}
        known = all(column.name.lower() in selected or "*" in selected for column in columns)
        if columns and known and tables <= {*aliases, ""}:
            yield _rewritten(condition, selected)


def _rewritten(condition: Node, selected: Mapping[str, Node]) -> Node:
    """Return a condition with each column replaced by the expression that the subquery selects."""
    inside = condition.copy()
    for original, copied in zip(condition.walk(), inside.walk(), strict=True):
        copied.meta["original"] = original
    for column in list(inside.find_all(exp.Column)):
        expression = selected.get(column.name.lower(), exp.column(column.name))
        column.replace(expression.copy())
    return inside
