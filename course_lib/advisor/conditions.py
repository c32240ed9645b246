"""Decide how an index finds the rows that meet a condition, and which values to try."""

from collections.abc import Iterator
from enum import Enum
from itertools import permutations
from typing import NamedTuple, TypeAlias

from sqlglot import exp

from course_lib.advisor.dialect import Node
from course_lib.advisor.schema import Keys
from course_lib.advisor.select_table import SelectTable

_INEQUALITIES = (exp.GT, exp.GTE, exp.LT, exp.LTE)
_COMPARISONS = (exp.EQ, exp.NullSafeEQ, exp.Is, *_INEQUALITIES)
_PARAMETERS = (exp.Placeholder, exp.Parameter)


class Kind(Enum):
    """The kinds of things that a condition compares a key with."""

    EQUAL = "one value"
    LISTED = "a list of values"
    JOINED = "something of another table"
    RANGE = "the ends of a range"


Search: TypeAlias = tuple[Kind, Keys]


class Source(NamedTuple):
    """The source of a parameter's values: an expression of a table, in a certain form."""

    table: str
    key: str
    form: str = "value"  # or "like", "glob", "json", "above", "below", "top"


def searches(table: SelectTable, condition: Node) -> Iterator[Search]:
    """Yield how an index could find the rows that meet a condition: a kind and its keys.

    Notes in the tree, as `meta["source"]`, where the values of parameters and literals come from.
    """
    if isinstance(condition, exp.Escape):
        yield from _patterns(table, condition.this, escape=condition.expression.name)
        return
    if isinstance(condition, exp.Like | exp.Glob):
        yield from _patterns(table, condition)
        return
    if isinstance(condition, exp.In):
        yield from _memberships(table, condition)
        return
    if isinstance(condition, exp.Between):
        yield from _betweens(table, condition)
        return
    if isinstance(condition, _COMPARISONS):
        yield from _comparisons(table, condition)


def _betweens(table: SelectTable, condition: Node) -> Iterator[Search]:
    side, low, high = condition.this, condition.args["low"], condition.args["high"]
    is_row_value = isinstance(side.unnest(), exp.Tuple)
    if not is_row_value and (key := table.key(side)):
        _note(table, side, low, varies=False, form="above")
        _note(table, side, high, varies=False, form="top")
        yield Kind.RANGE, (key,)
    else:  # `? BETWEEN first AND last` searches one of these columns
        yield from _comparisons(table, exp.GTE(this=side, expression=low))
        yield from _comparisons(table, exp.LTE(this=side, expression=high))


def _comparisons(table: SelectTable, condition: Node) -> Iterator[Search]:
    left, right = condition.this.unnest(), condition.expression.unnest()
    if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
        yield from _row_values(table, condition, left.expressions, right.expressions)
        return
    for side, other in permutations((left, right)):
        if isinstance(side, exp.Tuple):  # (a, b) = (SELECT ...)
            yield from ((Kind.EQUAL, (key,)) for key in map(table.key, side.expressions) if key)
            continue
        key = table.key(side)
        owners = table.owners(other)
        if not key or table.alias in owners:
            continue
        # The row that a LEFT JOIN hasn't found: nothing that an index could search for.
        if isinstance(other, exp.Null) and key in table.table.rowid:
            continue
        form = "value"
        if isinstance(condition, _INEQUALITIES):
            is_above = isinstance(condition, exp.GT | exp.GTE) == (side is left)
            form = "above" if is_above else "below"
        _note(table, side, other, varies=isinstance(condition, exp.EQ), form=form)
        if isinstance(other, exp.Collate):
            key += f" COLLATE {other.expression.name}"
        if isinstance(condition, _INEQUALITIES):
            yield Kind.RANGE, (key,)
        else:
            is_joined = owners or table.joins_subquery(other)
            yield Kind.JOINED if is_joined else Kind.EQUAL, (key,)


def _row_values(
    table: SelectTable, condition: Node, left: list[Node], right: list[Node]
) -> Iterator[Search]:
    """Yield the searches of `(a, b) = (1, 2)`, or of a keyset such as `(day, id) < (?, ?)`."""
    pairs = list(zip(left, right, strict=False))
    if not isinstance(condition, _INEQUALITIES):
        for one, other in pairs:
            yield from _comparisons(table, exp.EQ(this=one.copy(), expression=other.copy()))
            _note(table, one, other, varies=True)
        return
    keys = []
    for one, other in pairs:
        side, value = (one, other) if table.key(one) else (other, one)
        key = table.key(side)
        if not key:
            break
        _note(table, side, value, varies=False)
        keys.append(key)
    if keys:
        yield Kind.RANGE, tuple(keys)


def _memberships(table: SelectTable, condition: Node) -> Iterator[Search]:
    side = condition.this.unnest()
    sides = side.expressions if isinstance(side, exp.Tuple) else [side]
    for position, one in enumerate(sides):
        key = table.key(one)
        if not key:
            continue
        for value in condition.expressions:
            values = value.expressions if isinstance(value, exp.Tuple) else [value]
            if position < len(values):
                _note(table, one, values[position], varies=False)
        if query := condition.args.get("query"):
            for call in query.find_all(exp.Anonymous):
                if call.name.lower() in ("json_each", "json_tree"):
                    _note(table, one, call, varies=False, form="json")
        yield Kind.LISTED, (key,)


def _patterns(table: SelectTable, condition: Node, escape: str = "") -> Iterator[Search]:
    """Yield the range that a LIKE or GLOB with a fixed beginning searches."""
    key = table.key(condition.this)
    if not key:
        return
    pattern = condition.expression
    is_like = isinstance(condition, exp.Like)
    if is_like and _is_on_outer_join(condition):
        return
    wildcards = "%_" if is_like else "*?["
    if isinstance(pattern, exp.Literal):
        if pattern.name in ("", escape) or pattern.name[0] in wildcards:
            return  # no fixed beginning
    elif not pattern.find(*_PARAMETERS):
        return
    _note(table, condition.this, pattern, varies=False, form="like" if is_like else "glob")
    # LIKE ignores case.
    yield Kind.RANGE, (f"{key} COLLATE NOCASE" if is_like else key,)


def _is_on_outer_join(condition: Node) -> bool:
    """Check whether a condition is in the ON of an outer join, or in a subquery joined so.

    With an index for a LIKE there, SQLite 3.40 loses the rows of a LEFT JOIN without a match.
    """
    join = condition.meta.get("original", condition).find_ancestor(exp.Join)
    return join is not None and bool(join.side)


def _note(
    table: SelectTable, side: Node, other: Node, *, varies: bool, form: str = "value"
) -> None:
    """Note where the values of parameters, and of a literal that may vary, come from."""
    key = table.key(side)
    if not key:
        return
    nodes = list(other.find_all(*_PARAMETERS))
    if varies and isinstance(other, exp.Literal) and isinstance(side, exp.Column):
        nodes.append(other)
    for node in nodes:
        # A condition that was pushed down is a copy: the note belongs to the original.
        original = node.meta.get("original", node)
        original.meta.setdefault("source", Source(table.name, key, form))
