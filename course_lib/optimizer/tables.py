"""List what each table and index contains, its bytes on disk, and the queries that use it."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from course_lib.optimizer.database import Database, connected, quoted, result_code
from course_lib.optimizer.explain import analyze_query_performance
from course_lib.optimizer.plan import Plan


@dataclass(frozen=True)
class IndexStats:
    """An index: its columns, the queries that use it, its bytes (None if SQLite lacks dbstat)."""

    name: str
    columns: tuple[str, ...]
    bytes: int | None
    used_by: tuple[str, ...]


@dataclass(frozen=True)
class TableStats:
    """A table: its rows, its own bytes on disk (None if SQLite lacks dbstat), its indexes."""

    name: str
    rows: int
    bytes: int | None
    indexes: tuple[IndexStats, ...]


def get_table_stats(db: Database, queries: Iterable[str] = ()) -> list[TableStats]:
    """Count the rows and bytes of each ordinary table (no views, no virtual tables) and index.

    SQLite doesn't count how often an index is used. `used_by` lists the given queries whose plan
    uses it; an index that none of them uses may serve a query that wasn't given. A descending
    column is listed as "created_at DESC", an expression as "<expression>".

    Raises TypeError for a single string, and what `analyze_query_performance` raises.
    """
    if isinstance(queries, str):
        raise TypeError("queries is one string: pass a list of queries")
    with connected(db, mode="ro") as connection:
        sizes = _sizes(connection)
        plans = {query: analyze_query_performance(connection, query) for query in queries}
        indexes = _indexes_by_table(connection, sizes, plans)
        # A virtual table has no pages of its own, hence no root page.
        tables = connection.execute(
            "SELECT name FROM main.sqlite_master WHERE type = 'table' AND rootpage > 0"
            " AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
        ).fetchall()
        stats = []
        for (table,) in tables:
            count = f"SELECT count(*) FROM main.{quoted(table)}"
            (rows,) = connection.execute(count).fetchone()
            stats.append(TableStats(table, rows, sizes.get(table), tuple(indexes[table])))
        return stats


def _indexes_by_table(
    connection: sqlite3.Connection, sizes: Mapping[str, int], plans: Mapping[str, Plan]
) -> defaultdict[str, list[IndexStats]]:
    indexes = defaultdict(list)
    names = connection.execute(
        "SELECT tbl_name, name FROM main.sqlite_master WHERE type = 'index' ORDER BY name"
    ).fetchall()
    for table, name in names:
        used_by = tuple(query for query, plan in plans.items() if name in plan.indexes)
        columns = _columns(connection, name)
        indexes[table].append(IndexStats(name, columns, sizes.get(name), used_by))
    return indexes


def _sizes(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the bytes of each table and index; empty if SQLite was built without dbstat."""
    try:
        sizes = connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall()
    except sqlite3.DatabaseError as error:
        if result_code(error) in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH):
            return {}
        raise
    return dict(sizes)


def _columns(connection: sqlite3.Connection, index: str) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT name, \"desc\" FROM pragma_index_xinfo(?, 'main') WHERE key ORDER BY seqno",
        (index,),
    )
    columns = []
    for name, descending in rows:
        column = name or "<expression>"
        columns.append(f"{column} DESC" if descending else column)
    return tuple(columns)
