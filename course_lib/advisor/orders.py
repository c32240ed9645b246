"""The orders in which a SELECT could use the rows of a table without sorting or grouping them."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from sqlglot import exp

from course_lib.advisor.dialect import Node
from course_lib.advisor.pushdown import Use
from course_lib.advisor.schema import Keys
from course_lib.advisor.select_table import SelectTable

Order: TypeAlias = list[tuple[Node, bool]]  # expressions, and whether each descends


def read_orders(table: SelectTable, uses: Sequence[Use] = ()) -> tuple[Keys, ...]:
    """Return the keys of each order, without duplicates.

    `uses` are those of this SELECT by outer queries, whose orders count too.
    """
    orders = [*_orders(table.select), *_orders_of_unions(table.select)]
    for use in uses:
        orders += _orders_inside(use)
    keys = [_order_keys(table, order) for order in orders]
    return tuple(dict.fromkeys(filter(None, keys)))


def _orders_inside(use: Use) -> Iterator[Order]:
    """Yield the orders of an outer query in the terms of its subquery, as far as they go."""
    selects = use.outer.expression.selects
    for order in _orders(use.outer.expression):
        inside: Order = []
        for node, descending in order:
            rewritten = use.rewritten(_resolved(node, selects))
            if rewritten is None:
                break
            inside.append((rewritten, descending))
        yield inside


def _orders(select: Node) -> Iterator[Order]:
    group = select.args.get("group")
    yield _directed(group or select.args.get("order"))
    if select.args.get("distinct"):
        yield _ascending(select.selects)
    for window in select.find_all(exp.Window):
        partition = _ascending(window.args.get("partition_by") or [])
        yield partition + _directed(window.args.get("order"))
    if not group:
        for call in select.find_all(exp.Anonymous):
            if call.name.lower() in ("min", "max") and len(call.expressions) == 1:
                yield _ascending(call.expressions)


def _orders_of_unions(select: Node) -> Iterator[Order]:
    """Yield the orders of the UNIONs that a SELECT is a part of: SQLite merges sorted parts."""
    union = select.parent
    while isinstance(union, exp.SetOperation):
        first = union.this
        while isinstance(first, exp.SetOperation):
            first = first.this
        names = [selected.alias_or_name.lower() for selected in first.selects]
        order: Order = []
        for node, descending in _directed(union.args.get("order")):
            # A name is one of the first SELECT's: in the others, its place counts.
            if isinstance(node, exp.Column) and node.name.lower() in names:
                place = exp.Literal.number(names.index(node.name.lower()) + 1)
                order.append((place, descending))
            else:
                order.append((node, descending))
        yield order
        union = union.parent


def _order_keys(table: SelectTable, order: Order) -> Keys:
    """Return the leading keys that are this table's; DESC only if directions differ."""
    rowid = table.table.rowid
    descends: dict[str, bool] = {}
    for node, descending in order:
        key = table.key(_resolved(node, table.select.selects))
        if key is None or key in rowid:
            break
        descends.setdefault(key, descending)
    if len(set(descends.values())) == 1:  # an index can be read backwards
        return tuple(descends)
    return tuple(f"{key} DESC" if descending else key for key, descending in descends.items())


def _resolved(node: Node, selects: list[Node]) -> Node:
    """Return the expression that a number or an alias in ORDER BY or GROUP BY refers to."""
    if isinstance(node, exp.Literal) and node.is_int and 0 < int(node.name) <= len(selects):
        return selects[int(node.name) - 1].unalias()
    if isinstance(node, exp.Column) and not node.table:
        for selected in selects:
            if selected.alias.lower() == node.name.lower():
                return selected.unalias()
    return node.unalias()


def _directed(clause: Node | None) -> Order:
    """Return the expressions of an ORDER BY or GROUP BY clause with their directions."""
    order: Order = []
    for node in clause.expressions if clause else ():
        if isinstance(node, exp.Ordered):
            order.append((node.this, bool(node.args.get("desc"))))
        else:
            order.append((node, False))
    return order


def _ascending(nodes: list[Node]) -> Order:
    return [(node, False) for node in nodes]
