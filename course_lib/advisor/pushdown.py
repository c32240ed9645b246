"""Follow conditions and orders of an outer query into its subqueries, views and CTEs.

SQLite tests a condition on a column of a subquery inside the subquery, and reads a simple subquery
as if its tables were in the outer query. So the tables inside want indexes for both.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from course_lib.advisor.dialect import Node
from course_lib.advisor.schema import Table


@dataclass(frozen=True)
class Use:
    """A use of a subquery: by `outer`, as `alias`; `selected` has its columns' expressions."""

    outer: Node
    alias: str
    selected: Mapping[str, Node]

    def rewritten(self, node: Node) -> Node | None:
        """Return an expression of the outer query in the subquery's terms; None if unrelated."""
        inside = node.copy()
        for original, copied in zip(node.walk(), inside.walk(), strict=True):
            copied.meta["original"] = original.meta.get("original", original)
        root = exp.Paren(this=inside)
        columns = [column for column in root.find_all(exp.Column) if self._is_ours(column)]
        for column in columns:
            column.replace(self.selected[column.name.lower()].copy())
        return root.this if columns else None

    def _is_ours(self, column: Node) -> bool:
        owner = column.table.lower()
        return owner in ("", self.alias) and column.name.lower() in self.selected


class Pushdown:
    """The uses of every SELECT of a statement by other SELECTs of it."""

    def __init__(self, scopes: Sequence[Node], tables: Mapping[str, Table]) -> None:
        self.tables = tables
        self._uses: defaultdict[int, list[Use]] = defaultdict(list)
        for outer in scopes:
            for alias, node in outer.references:
                source = outer.sources.get(alias)
                if isinstance(source, exp.Expression) or source is None:
                    continue
                if isinstance(outer.expression, exp.Select):
                    self._add(outer, alias.lower(), source, node)

    def conditions(self, scope: Node, seen: frozenset[int] = frozenset()) -> Iterator[Node]:
        """Yield the conditions of a SELECT, and those of outer queries on its columns."""
        yield from own_conditions(scope.expression)
        for use in self._uses[id(scope)]:
            if id(use.outer) not in seen:
                for condition in self.conditions(use.outer, seen | {id(scope)}):
                    if (inside := use.rewritten(condition)) is not None:
                        yield inside

    def uses(self, scope: Node) -> Sequence[Use]:
        """Return the uses of a SELECT."""
        return self._uses[id(scope)]

    def _add(self, outer: Node, alias: str, source: Node, node: Node) -> None:
        names = _given_names(node, source) or [name for name, _ in self._outputs(source)]
        for branch in _branches(source):
            outputs = [expression for _, expression in self._outputs(branch)]
            selected = dict(zip(names, outputs, strict=False))
            self._uses[id(branch)].append(Use(outer, alias, selected))

    def _outputs(self, scope: Node, depth: int = 0) -> list[tuple[str, Node]]:
        """Return the names and expressions of a query's columns, with `*` written out."""
        first = _branches(scope)[0]
        if depth > 20 or not isinstance(first.expression, exp.Select):
            return []
        outputs: list[tuple[str, Node]] = []
        for selected in first.expression.selects:
            if selected.is_star:
                owner = selected.table.lower() if isinstance(selected, exp.Column) else ""
                outputs += self._all_columns(first, owner, depth)
            else:
                outputs.append((selected.alias_or_name.lower(), selected.unalias()))
        return outputs

    def _all_columns(self, scope: Node, owner: str, depth: int) -> Iterator[tuple[str, Node]]:
        for alias, node in scope.references:
            if owner not in ("", alias.lower()):
                continue
            source = scope.sources.get(alias)
            if isinstance(source, exp.Table):
                table = self.tables.get(node.name.lower())
                names = list(table.columns) if table else []
            elif source is None:
                names = []
            else:
                names = _given_names(node, source)
                names = names or [name for name, _ in self._outputs(source, depth + 1)]
            for name in names:
                yield name, exp.column(name, table=alias)


def own_conditions(select: Node) -> Iterator[Node]:
    """Yield the conditions that WHERE and ON combine by AND."""
    clauses = [select.args.get("where")]
    clauses += [join.args.get("on") for join in own_joins(select)]
    for clause in clauses:
        if clause:
            yield from conjuncts(clause)


def own_joins(select: Node) -> list[Node]:
    """Return the joins of a SELECT, also those in parentheses."""
    return [join for join in select.find_all(exp.Join) if join.parent_select is select]


def conjuncts(clause: Node) -> Iterator[Node]:
    """Yield the conditions that are combined by AND, without hints such as `likely()`."""
    condition = clause.this if isinstance(clause, exp.Where) else clause
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from conjuncts(condition.this)
        yield from conjuncts(condition.expression)
    elif isinstance(condition, exp.Anonymous) and condition.name.lower() in _HINTS:
        yield from conjuncts(condition.expressions[0])
    else:
        yield condition


_HINTS = ("likely", "unlikely", "likelihood")


def _branches(scope: Node) -> list[Node]:
    """Return the SELECTs that a UNION, however nested, combines; otherwise the one SELECT."""
    # An older sqlglot calls them union_scopes.
    parts = getattr(scope, "set_operation_scopes", None) or getattr(scope, "union_scopes", None)
    return [leaf for part in parts or () for leaf in _branches(part)] or [scope]


def _given_names(node: Node, source: Node) -> list[str]:
    """Return the column names in `v(a, b)`; none if the query's own names count."""
    owners = (node, source.expression.parent)
    for owner in owners:
        if isinstance(owner, exp.CTE | exp.Subquery | exp.Table):
            names = [str(name).lower() for name in owner.alias_column_names]
            if names:
                return names
    return []
