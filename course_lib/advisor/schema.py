"""Tables and indexes, as the advisor describes them."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from course_lib.optimizer.database import quoted

Keys: TypeAlias = tuple[str, ...]  # columns or expressions, as SQL

GENERATED = 2  # what table_xinfo calls `hidden` in a generated column that isn't stored
ROWID_NAMES = ("rowid", "_rowid_", "oid")
WIDTH_SAMPLE = 1_000  # rows from which the mean width of each column is taken


@dataclass(frozen=True)
class Table:
    """An ordinary table.

    `columns` maps each name in lower case to the name in SQL, `widths` each name in SQL to its mean
    bytes. `rowid` has every SQL name of the rowid, which every index contains. `references` has the
    SQL names of the columns that refer to another table.
    """

    name: str
    rows: int
    columns: Mapping[str, str]
    widths: Mapping[str, float]
    rowid: frozenset[str]
    references: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Index:
    """A possible index.

    `included` are columns that are there only to cover a query; `where` makes it a partial index.
    """

    table: str
    keys: Keys
    included: Keys = ()
    where: str = ""

    @property
    def columns(self) -> Keys:
        """Everything an entry contains, in order."""
        return self.keys + self.included

    def statement(self, name: str, table: str = "") -> str:
        """Return the statement that creates the index under this name.

        `table` is the table's name as its schema writes it; without it, in lower case.
        """
        target = f"{quoted_if_needed(table or self.table)}({', '.join(self.columns)})"
        where = f" WHERE {self.where}" if self.where else ""
        return f"CREATE INDEX {quoted_if_needed(name)} ON {target}{where}"


Indexes: TypeAlias = frozenset[Index]


@cache
def quoted_if_needed(name: str) -> str:
    """Return a name for SQL, without quotes if it's an ordinary word."""
    if name.isidentifier() and not _is_keyword(name):
        return name
    return quoted(name)


def _is_keyword(name: str) -> bool:
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(f"EXPLAIN CREATE TABLE {name}({name})")
        except sqlite3.OperationalError:
            return True
    return False


def read_table(connection: sqlite3.Connection, name: str) -> Table | None:
    """Describe a table; None for a virtual table or one of SQLite's own, which can't be indexed."""
    (root_page,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?", [name]
    ).fetchone()
    if not root_page or name.lower().startswith("sqlite_"):
        return None
    info = connection.execute(
        "SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)", [name]
    ).fetchall()
    columns = [column for column, *_ in info]
    # A generated column that isn't stored may take any time to compute.
    stored = [column for column, *_, hidden in info if hidden != GENERATED]
    (rows,) = connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()
    references = connection.execute('SELECT "from" FROM pragma_foreign_key_list(?)', [name])
    return Table(
        name=name,
        rows=rows,
        columns={column.lower(): quoted_if_needed(column) for column in columns},
        widths=_mean_widths(connection, name, stored),
        rowid=_rowid_names(connection, name, info),
        references=frozenset(quoted_if_needed(column) for (column,) in references),
    )


def columns_to_rewrite(connection: sqlite3.Connection, table: Table) -> tuple[str, list[str]]:
    """Return the columns that are stored, as SQL, and those that identify a row."""
    info = connection.execute(
        "SELECT name, pk FROM pragma_table_xinfo(?) WHERE NOT hidden", [table.name]
    ).fetchall()
    stored = [quoted_if_needed(column) for column, _ in info]
    # The rowid needs no column of its own if it's the primary key.
    identity = sorted(table.rowid, key=lambda name: (name not in stored, name))[:1]
    if not identity:
        identity = [quoted_if_needed(column) for column, position in info if position]
    return ", ".join(dict.fromkeys([*identity, *stored])), identity


def check_rewriting(connection: sqlite3.Connection, table: Table) -> None:
    """Raise an error unless SQLite can insert the rows of a table again, which times inserts.

    It's an OperationalError if that needs a function that only the application has: in an index, a
    generated column or a partial index.
    """
    columns, identity = columns_to_rewrite(connection, table)
    if not identity:
        raise ValueError("its columns hide the rowid, and it has no primary key")
    name = quoted(table.name)
    connection.execute(f"EXPLAIN INSERT INTO {name}({columns}) SELECT {columns} FROM {name}")


def _rowid_names(
    connection: sqlite3.Connection, table: str, info: list[tuple[str, str, int, int]]
) -> frozenset[str]:
    """Return the names of a table's rowid; none if it is WITHOUT ROWID."""
    columns = {column.lower() for column, *_ in info}
    names = [name for name in ROWID_NAMES if name not in columns]
    if not names:
        return frozenset()
    try:
        connection.execute(f"SELECT {names[0]} FROM {quoted(table)} LIMIT 0")
    except sqlite3.OperationalError:  # WITHOUT ROWID
        return frozenset()
    primary_key = [(column, kind) for column, kind, position, _ in info if position]
    if len(primary_key) == 1:
        column, kind = primary_key[0]
        if kind.upper() == "INTEGER":
            names.append(quoted_if_needed(column))
    return frozenset(names)


def _mean_widths(
    connection: sqlite3.Connection, table: str, columns: list[str]
) -> dict[str, float]:
    lengths = ", ".join(f"avg(length({quoted(column)}))" for column in columns)
    names = ", ".join(map(quoted, columns))
    sample = f"SELECT {names} FROM {quoted(table)} LIMIT {WIDTH_SAMPLE}"
    widths = connection.execute(f"SELECT {lengths} FROM ({sample})").fetchone()
    pairs = zip(columns, widths, strict=True)
    return {quoted_if_needed(column): width or 0.0 for column, width in pairs}
