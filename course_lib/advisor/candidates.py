"""What a query asks of its tables, read from its syntax tree, and the indexes that might serve it.

A `Reading` has for each table in each SELECT a `Scan`: by which keys rows could be found (a column or an expression,
equal to a value or to another table's, or in a range), in which orders they are wanted, and which columns are needed.
`proposals` makes indexes of it by the rule that lesson 2 teaches: the equalities first, then one range or the order,
then what is missing to cover; and where a condition keeps few rows, an index of those rows alone. Which of them is
worth its price, only measuring can tell (`advisor.py`).
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations
from typing import Any, TypeAlias

from course_lib.optimizer.database import quoted

try:
    import sqlglot
    from sqlglot import exp
    from sqlglot.dialects.sqlite import SQLite
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.scope import Scope, traverse_scope
except ImportError as error:
    raise ImportError(
        "the advisor reads SQL with sqlglot, which is not installed: pip install 'api-performance-workbook[advisor]'"
    ) from error

MOST_COLUMNS = 8  # of an index
# Bytes of an entry that may always cover; a longer one may where it is less than half of a row.
SHORT_ENTRY = 48

Node: TypeAlias = Any  # of sqlglot's syntax tree, whose classes differ between its releases
Keys: TypeAlias = tuple[str, ...]  # columns or expressions, as SQL


@dataclass(frozen=True)
class Table:
    """An ordinary table. SQL names of its columns by their names in lower case; the mean bytes of each SQL name."""

    name: str
    rows: int
    columns: Mapping[str, str]
    widths: Mapping[str, float]
    rowid: frozenset[str]  # all SQL names of its rowid, which every index carries


@dataclass(frozen=True)
class Index:
    """A possible index. `more` are columns that it only carries, so as to cover; `where` makes it a partial one."""

    table: str
    keys: Keys
    more: Keys = ()
    where: str = ""

    @property
    def columns(self) -> Keys:
        """All that an entry holds, in order."""
        return self.keys + self.more

    def statement(self, name: str) -> str:
        """The statement that makes it."""
        where = f" WHERE {self.where}" if self.where else ""
        return f"CREATE INDEX {plain(name)} ON {plain(self.table)}({', '.join(self.columns)}){where}"


@dataclass(frozen=True)
class Scan:
    """What one SELECT asks of one table."""

    table: str
    equal: Keys  # to a value
    joined: Keys  # equal to something of another table
    ranges: Keys
    sorts: tuple[Keys, ...]  # ORDER BY, GROUP BY, DISTINCT, min and max, windows
    filters: tuple[tuple[str, Keys], ...]  # conditions on this table alone, and their columns
    needed: Keys | None  # the columns that are read; None: all


class Dialect(SQLite):
    """SQLite's, but functions stay as they are written: an index serves only an expression that reads the same."""

    def to_json_path(self, path: Node | None) -> Node | None:
        """A path as it is written: `'city'` stays that, where it would become `'$.city'`."""
        return path

    class Parser(SQLite.Parser):  # type: ignore[misc,valid-type]  # to mypy it is a variable
        """Knows no function by name."""

        FUNCTIONS: Mapping[str, Callable[..., Node]] = {}


class Reading:
    """A query, read. `tree` is its syntax tree, with views replaced by what they stand for.

    A node of it that holds a value which a column is compared with, and which may be another next time, has the table
    and the column as `meta["column"]`: a literal that a column must equal, and a parameter.
    """

    def __init__(self, sql: str, tables: Mapping[str, Table], views: Mapping[str, Node]) -> None:
        try:
            tree: Node = sqlglot.parse_one(sql, dialect=Dialect)
            self.tree = exp.expand(tree, dict(views), dialect=Dialect)
            scopes = traverse_scope(self.tree)
        except (SqlglotError, ValueError, RecursionError) as error:
            raise ValueError(f"sqlglot cannot read it: {str(error).splitlines()[0]}") from error
        self.tables = frozenset({node.name.lower() for node in self.tree.find_all(exp.Table)} & tables.keys())
        if not self.tables:
            raise ValueError("it names no table that could have an index")
        self.scans = tuple(scan for scope in scopes for scan in _scans(scope, tables))
        self.parameters = [node for node in _places(self.tree) if not isinstance(node, exp.Literal)]
        if not all(
            "column" in each.meta or isinstance(each.parent, exp.Limit | exp.Offset) for each in self.parameters
        ):
            raise ValueError("it has a parameter that is not compared with a column: write a value in its place")

    @property
    def literals(self) -> set[tuple[str, str, str]]:
        """The literals that may vary: table, column and text of each."""
        return {(*node.meta["column"], node.name) for node in _places(self.tree) if isinstance(node, exp.Literal)}

    def variants(
        self, typical: Callable[[str, str], Sequence[Any]], constants: Set[tuple[str, str, str]]
    ) -> list[tuple[str, dict[str, Any]]]:
        """The query with the hottest, and with the median, value of the column at each place that may vary.

        Each is SQL and the values of its parameters. `typical(table, column)` gives the two; `constants` are literals
        that stay.
        """
        varies = self.parameters or self.literals - {*constants}
        return [self._filled(typical, constants, rank) for rank in (0, 1)] if varies else []

    def _filled(
        self, typical: Callable[[str, str], Sequence[Any]], constants: Set[tuple[str, str, str]], rank: int
    ) -> tuple[str, dict[str, Any]]:
        tree, parameters = self.tree.copy(), dict[str, Any]()
        for place in _places(tree):
            column = place.meta.get("column")
            if isinstance(place, exp.Literal):
                if (*column, place.name) not in constants:
                    place.replace(exp.convert(typical(*column)[rank]))
            else:
                name = f"p{len(parameters)}"
                parameters[name] = (
                    typical(*column)[rank] if column else 20 if isinstance(place.parent, exp.Limit) else 0
                )
                place.replace(exp.Placeholder(this=name))
        return _sql(tree), parameters


def _places(tree: Node) -> list[Node]:
    """The parameters, and the literals that may vary."""
    return [node for node in tree.walk() if "column" in node.meta or isinstance(node, exp.Placeholder | exp.Parameter)]


def _sql(tree: Node) -> str:
    return str(tree.sql(dialect=Dialect, normalize_functions=False))


def meaning(view: str) -> Node | None:
    """The SELECT that a CREATE VIEW stands for; None where sqlglot cannot read it."""
    try:
        return sqlglot.parse_one(view, dialect=Dialect).expression
    except (SqlglotError, RecursionError):
        return None


@cache
def plain(name: str) -> str:
    """A name as one would write it: in quotes only where it needs them."""
    try:
        if name.isidentifier():
            with closing(sqlite3.connect(":memory:")) as connection:
                connection.execute(f"EXPLAIN CREATE TABLE {name}({name})")
            return name
    except sqlite3.OperationalError:
        pass  # a keyword
    return quoted(name)


# --- from a query to what it asks of its tables -----------------------------------------------------------------------

_INEQUALITIES = (exp.GT, exp.GTE, exp.LT, exp.LTE)


def _scans(scope: Scope, tables: Mapping[str, Table]) -> Iterator[Scan]:
    """What a SELECT asks of each ordinary table in it."""
    if isinstance(scope.expression, exp.Select):
        own = {
            alias.lower(): tables[node.name.lower()]
            for alias, node in scope.references
            if isinstance(scope.sources.get(alias), exp.Table) and node.name.lower() in tables
        }
        for alias in own:
            yield from _Reader(scope, own, alias).scans()


class _Reader:
    """Reads what one SELECT asks of one of its tables."""

    def __init__(self, scope: Node, tables: Mapping[str, Table], alias: str) -> None:
        self.scope, self.select = scope, scope.expression
        self.tables, self.alias, self.table = tables, alias, tables[alias]
        self.joins = self.select.args.get("joins") or []

    def scans(self) -> Iterator[Scan]:
        """For what WHERE and ON say together; then for each branch of an OR with the rest, as SQLite treats it."""
        conditions = [*_conditions(self.select), *_pushed_down(self.scope)]
        yield self.scan(conditions, self.sorts(), self.needed())
        for either in conditions:
            if isinstance(either, exp.Or):
                rest = [each for each in conditions if each is not either]
                for branch in either.flatten():
                    yield self.scan([*_conjuncts(branch), *rest], (), None)

    def scan(self, conditions: Sequence[Node], sorts: tuple[Keys, ...], needed: Keys | None) -> Scan:
        """Sort the conditions by what an index can do for them."""
        found: dict[str, list[str]] = {"equal": [], "joined": list(self.using()), "range": []}
        filters = []
        for condition in conditions:
            for kind, key in self.searches(condition):
                found[kind].append(key)
            if where := self.key(condition):
                filters.append((where, tuple(map(self.name, condition.find_all(exp.Column)))))
        equal, joined, ranges = (tuple(dict.fromkeys(keys)) for keys in found.values())
        return Scan(self.table.name.lower(), equal, joined, ranges, sorts, tuple(filters), needed)

    def searches(self, condition: Node) -> Iterator[tuple[str, str]]:
        """How an index might find the rows that meet a condition: the kind of search, and its key."""
        match condition:
            case exp.EQ() | exp.NullSafeEQ() | exp.Is() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE():
                for side, other in permutations((condition.this, condition.expression)):
                    key, others = self.key(side), self.owners(other)
                    if key and self.alias not in others:
                        self.note(side, other, isinstance(condition, exp.EQ))
                        kind = "range" if isinstance(condition, _INEQUALITIES) else "joined" if others else "equal"
                        yield (
                            kind,
                            key + (f" COLLATE {other.expression.name}" if isinstance(other, exp.Collate) else ""),
                        )
            case exp.Between() | exp.In() if key := self.key(condition.this):
                for value in (condition.args.get("low"), condition.args.get("high"), *condition.expressions):
                    self.note(condition.this, value, False)
                yield "range", key
            case exp.Like(expression=exp.Literal() as pattern) if key := self.key(condition.this):
                if pattern.name[:1] not in ("", "%", "_"):
                    yield "range", f"{key} COLLATE NOCASE"  # as blind to case as LIKE is
            case exp.Glob(expression=exp.Literal() as pattern) if key := self.key(condition.this):
                if pattern.name[:1] not in ("", "*", "?", "["):
                    yield "range", key

    def note(self, side: Node, other: Node | None, varies: bool) -> None:
        """Note at a parameter, or at a literal that may vary, the column that it is compared with."""
        if isinstance(side, exp.Column) and (
            isinstance(other, exp.Placeholder | exp.Parameter) or (varies and isinstance(other, exp.Literal))
        ):
            place = other.meta.get("original", other)
            place.meta["column"] = self.table.name.lower(), side.name.lower()

    def sorts(self) -> tuple[Keys, ...]:
        """The orders in which rows would come without sorting or grouping."""
        select, group = self.select, self.select.args.get("group")
        orders = [_directed(group)] if group else [_directed(select.args.get("order"))]
        if select.args.get("distinct"):
            orders.append([(each, False) for each in select.selects])
        for window in select.find_all(exp.Window):
            partition = [(each, False) for each in window.args.get("partition_by") or ()]
            orders.append(partition + _directed(window.args.get("order")))
        if not group:
            for call in select.find_all(exp.Anonymous):
                if call.name.lower() in ("min", "max") and len(call.expressions) == 1:
                    orders.append([(call.expressions[0], False)])
        return tuple(dict.fromkeys(keys for order in orders if (keys := self.order(order))))

    def order(self, order: Sequence[tuple[Node, bool]]) -> Keys:
        """The keys of an order as far as they are this table's; DESC only where directions differ."""
        keys: dict[str, bool] = {}
        for node, descending in order:
            key = self.key(self.meant(node))
            if key is None or key in self.table.rowid:
                break
            keys.setdefault(key, descending)
        mixed = len({*keys.values()}) > 1
        return tuple(f"{key} DESC" if descending and mixed else key for key, descending in keys.items())

    def meant(self, node: Node) -> Node:
        """What a number or a name in ORDER BY or GROUP BY stands for."""
        selects = self.select.selects
        if isinstance(node, exp.Literal) and node.is_int and 0 < int(node.name) <= len(selects):
            return selects[int(node.name) - 1].unalias()
        if isinstance(node, exp.Column) and not node.table:
            named = (each for each in selects if each.alias.lower() == node.name.lower())
            return next(named, node).unalias()
        return node.unalias()

    def using(self) -> Iterator[str]:
        """The columns of the table that a USING names."""
        names = {column.name.lower() for join in self.joins for column in join.args.get("using") or ()}
        yield from (self.table.columns[name] for name in sorted(names & self.table.columns.keys()))

    def needed(self) -> Keys | None:
        """The columns of the table that are read anywhere in the SELECT; None where there is a star."""
        if any(each.is_star for each in self.select.selects) and not isinstance(self.select.parent, exp.Exists):
            return None
        names = {self.name(column) for column in self.scope.columns if self.owner(column) == self.alias}
        return tuple(sorted(names | set(self.using())))

    def owner(self, column: exp.Column) -> str | None:
        """The alias of the table that a column is of; None for an outer query's, and for a "string"."""
        if column.table:
            return column.table.lower() if column.table.lower() in self.tables else None
        name = column.name.lower()
        return next((alias for alias, each in self.tables.items() if name in each.columns or name in each.rowid), None)

    def owners(self, node: Node) -> set[str]:
        """The tables of this SELECT on whose row a value depends."""
        # A subquery has names of its own; what was pushed down stands alone.
        own = (each for each in node.find_all(exp.Column) if each.find_ancestor(exp.Select) in (None, self.select))
        return {owner for column in own if (owner := self.owner(column))}

    def key(self, node: Node) -> str | None:
        """An expression as an index of this table would hold it; None where it depends on anything else."""
        if self.owners(node) != {self.alias} or node.find(exp.Select, exp.Placeholder, exp.Parameter, exp.Window):
            return None
        if isinstance(node, exp.Column):
            return self.name(node)
        bare = node.copy()
        for column in list(bare.find_all(exp.Column)):
            column.replace(exp.Var(this=self.name(column)))
        return _sql(bare.unnest())

    def name(self, column: exp.Column) -> str:
        """The SQL name of a column of this table, or of its rowid."""
        return self.table.columns.get(column.name.lower(), column.name.lower())


def _conditions(select: Node) -> Iterator[Node]:
    """What WHERE and ON say together."""
    for clause in (select.args.get("where"), *(join.args.get("on") for join in select.args.get("joins") or ())):
        if clause:
            yield from _conjuncts(clause)


def _pushed_down(scope: Node) -> Iterator[Node]:
    """Conditions round a subquery, a view or a CTE on its columns, in its own terms: SQLite tests them inside."""
    if scope.parent is None or not isinstance(scope.parent.expression, exp.Select):
        return
    names = {alias.lower() for alias, source in scope.parent.sources.items() if source is scope}
    meant = {each.alias_or_name.lower(): each.unalias() for each in scope.expression.selects}
    for condition in _conditions(scope.parent.expression):
        columns = list(condition.find_all(exp.Column))
        known = all(each.name.lower() in meant or "*" in meant for each in columns)
        if columns and known and {each.table.lower() for each in columns} <= {*names, ""}:
            inside = condition.copy()
            for original, copied in zip(condition.walk(), inside.walk(), strict=True):
                copied.meta["original"] = original
            for column in list(inside.find_all(exp.Column)):
                column.replace(meant.get(column.name.lower(), exp.column(column.name)).copy())
            yield inside


def _conjuncts(clause: Node) -> Iterator[Node]:
    """The conditions that are joined by AND."""
    clause = (clause.this if isinstance(clause, exp.Where) else clause).unnest()
    if isinstance(clause, exp.And):
        yield from _conjuncts(clause.this)
        yield from _conjuncts(clause.expression)
    else:
        yield clause


def _directed(clause: Node | None) -> list[tuple[Node, bool]]:
    """The expressions of an ORDER BY or GROUP BY, and whether each descends."""
    nodes = clause.expressions if clause else []
    return [
        (node.this, bool(node.args.get("desc"))) if isinstance(node, exp.Ordered) else (node, False) for node in nodes
    ]


# --- from what it asks to possible indexes ----------------------------------------------------------------------------


def proposals(
    scan: Scan, table: Table, popular: Mapping[tuple[str, str], int], is_rare: Callable[[str, str, Keys], bool]
) -> Iterator[Index]:
    """Indexes for a scan. `popular` counts the scans of the workload that look for a key (table, key) by equality: the
    more popular come first, so that queries share. `is_rare(table, where, columns)` says of which conditions a partial
    index may be made.
    """
    if table.rowid & {*scan.equal}:
        return  # one row, found already
    equal = tuple(sorted(scan.equal, key=lambda key: (-popular[scan.table, key], key)))
    joined = tuple(key for key in scan.joined if key not in table.rowid)
    tails = [*scan.sorts, *((key,) for key in scan.ranges if key not in table.rowid)] or [()]
    heads = dict.fromkeys([joined + equal, equal])  # as the inner and as the outer table of a join
    orders = [head + tail for head in heads for tail in tails] + [tail + equal for tail in tails if equal]
    for keys in dict.fromkeys(orders):
        yield from _covering(table, keys, scan.needed)
    for where, columns in scan.filters:
        if is_rare(scan.table, where, columns):
            rest = tuple(key for key in joined + equal if key not in columns)
            for tail in tails[:2]:
                yield from (replace(index, where=where) for index in _covering(table, rest + tail, scan.needed))


def _covering(table: Table, keys: Keys, needed: Keys | None) -> Iterator[Index]:
    """The index on these keys, if any, with what else the query needs where that is not too much."""
    keys = tuple(dict.fromkeys(keys))
    held = {key.removesuffix(" DESC").removesuffix(" COLLATE NOCASE") for key in keys} | table.rowid
    more = tuple(column for column in needed or () if column not in held)
    length = sum(table.widths.get(column, 0) for column in (*held, *more))
    short = length < max(SHORT_ENTRY, sum(table.widths.values()) / 2)
    covers = needed is not None and short and len(keys + more) <= MOST_COLUMNS
    if keys:
        yield Index(table.name.lower(), keys, more if covers else ())
    elif covers and more:
        yield Index(table.name.lower(), more)
