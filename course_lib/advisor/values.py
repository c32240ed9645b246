"""Look at the values of columns: which to try a query with, and which conditions keep few rows."""

import math
import sqlite3
import time
from contextlib import AbstractContextManager, closing, suppress
from typing import Any, NamedTuple

from course_lib.advisor.database_copy import DatabaseCopy
from course_lib.advisor.schema import Keys, Table
from course_lib.optimizer.database import quoted

MOST_ROWS = 1 / 3  # queries rarely look for a value of more rows: it's a default, such as 0 or ''
FEW_VALUES = 20  # a state or a kind has at most this many; otherwise a literal varies
SAMPLE = 1_000  # rows whose values are counted if there's no time for all
FEW_ROWS = 0.1  # a partial index contains at most this share of its table


class Typical(NamedTuple):
    """Two values of a column with which to try a query, and how many distinct values it has.

    The values are the one of the most rows, and one with a typical number of rows. If the column is
    a state or a kind, which means that it has few values and refers to no other table, both have a
    typical number of rows: the most frequent is the normal state (closed, delivered), which queries
    rarely look for. A value of more than a third of the rows, such as no owner, isn't tried either.
    """

    hottest: Any
    median: Any
    distinct: int
    is_state: bool
    above: tuple[Any, Any] = (None, None)  # a hundredth and a tenth of the values are above these
    below: tuple[Any, Any] = (None, None)
    top: Any = None


class Values:
    """The values in a copy's columns, each looked up once. A lookup may take `limit` seconds."""

    def __init__(self, copy: DatabaseCopy, limit: float = math.inf) -> None:
        self.copy = copy
        self.limit = limit
        self._typical: dict[tuple[str, str], Typical] = {}
        self._rare: dict[tuple[str, str], bool] = {}

    def typical(self, table: str, column: str) -> Typical:
        """Return the values of a column, or an expression, with which queries are tried."""
        if (table, column) not in self._typical:
            counted = self._by_frequency(table, column) or [(None, 0.0)]
            values = [value for value, _ in counted]
            looked_for = [value for value, share in counted if share <= MOST_ROWS] or values
            middle = len(looked_for) // 2
            refers = column in self.copy.tables[table].references
            is_state = len(values) <= FEW_VALUES and not refers
            hottest = looked_for[middle - 1] if is_state else looked_for[0]
            ends = _ends(values)
            typical = Typical(hottest, looked_for[middle], len(values), is_state, *ends)
            self._typical[table, column] = typical
        return self._typical[table, column]

    def _by_frequency(self, table: str, column: str) -> list[tuple[Any, float]]:
        """Return a column's values, most frequent first, with their shares of the rows.

        If there's no time to count all of them, a sample is counted. Return none if that fails.
        """
        every_row = f"SELECT {column} AS value FROM {self._source(table)}"
        for rows in (every_row, self._sample(table, column)):
            grouped = (
                "SELECT value, rows / sum(rows) OVER () AS share"
                f" FROM (SELECT value, 1.0 * count(*) AS rows FROM ({rows}) GROUP BY 1)"
            )
            by_frequency = (
                f"SELECT * FROM ({grouped}) WHERE value IS NOT NULL ORDER BY share DESC, 1"
            )
            with closing(self.copy.connect()) as connection, self._bounded(connection):
                with suppress(sqlite3.Error):
                    return connection.execute(by_frequency).fetchall()
        return []

    def _sample(self, table: str, column: str) -> str:
        """Return a SELECT of a column from rows that are spread evenly over a table."""
        source = self._source(table)
        rowid_names = self.copy.tables[table].rowid
        if not rowid_names:
            return f"SELECT {column} AS value FROM {source} LIMIT {SAMPLE}"
        rowid = min(rowid_names)
        return f"""
            WITH RECURSIVE ends(least, most) AS (SELECT min({rowid}), max({rowid}) FROM {source}),
                places(place) AS (
                    SELECT 0 UNION ALL SELECT place + 1 FROM places LIMIT {SAMPLE}
                )
            SELECT (
                SELECT {column} FROM {source}
                WHERE {rowid} >= least + (most - least) * place / {SAMPLE}
                ORDER BY {rowid} LIMIT 1
            ) AS value
            FROM ends, places
        """

    def _source(self, table: str) -> str:
        """Return a table's name as SQL. SQLite takes only A to Z in lower case for the same."""
        return quoted(self.copy.tables[table].name)

    def _bounded(self, connection: sqlite3.Connection) -> AbstractContextManager[None]:
        return self.copy.bounded(connection, time.perf_counter() + self.limit)

    def is_rare(self, table: str, where: str, columns: Keys) -> bool:
        """Check whether a partial index may rely on a condition.

        Few rows must meet it, and it must stay the same: it tests for NULL, or a state or a kind.
        """
        if (table, where) not in self._rare:
            with closing(self.copy.connect()) as connection, self._bounded(connection):
                try:
                    rare = _is_rare(connection, self.copy.tables[table], where, columns)
                except sqlite3.Error:
                    rare = False
            self._rare[table, where] = rare
        return self._rare[table, where]


def _ends(values: list[Any]) -> tuple[tuple[Any, Any], tuple[Any, Any], Any]:
    """Return values near the upper end, near the lower end, and the greatest."""
    ordered = sorted(values, key=lambda value: (_RANK.get(type(value), 0), value))
    last = len(ordered) - 1
    hundredth, tenth = last // 100, last // 10
    above = ordered[last - hundredth], ordered[last - tenth]
    return above, (ordered[hundredth], ordered[tenth]), ordered[last]


_RANK: dict[type, int] = {
    str: 1,
    bytes: 2,
}  # SQLite sorts numbers before text, and text before blobs


def _is_rare(connection: sqlite3.Connection, table: Table, where: str, columns: Keys) -> bool:
    source = quoted(table.name)
    if not where.endswith("IS NULL"):
        if table.references.intersection(columns):
            return False
        values = f"SELECT DISTINCT {', '.join(columns)} FROM {source} LIMIT {FEW_VALUES + 1}"
        if len(connection.execute(values).fetchall()) > FEW_VALUES:
            return False
    (rows,) = connection.execute(f"SELECT count(*) FROM {source} WHERE {where}").fetchone()
    return bool(rows <= FEW_ROWS * table.rows)
