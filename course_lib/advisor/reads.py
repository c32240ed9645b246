"""Plan and time queries on a copy."""

import sqlite3
import time
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from course_lib.advisor.database_copy import DatabaseCopy
from course_lib.optimizer import analyze_query_performance

PlanRows: TypeAlias = tuple[tuple[int, int, int, str], ...]  # of EXPLAIN QUERY PLAN

MOST_TIMINGS = 5  # of one query; the shortest counts
ENOUGH = 0.01  # seconds: after so much work, a query isn't repeated
# A faster query is timed twice at least: if the processor went to another process for a time slice,
# a query of 20 microseconds seems to take 10 milliseconds, and that must not be its only timing.
SLOW = 0.05


@dataclass(frozen=True)
class Run:
    """A query with certain values, ready to be timed."""

    sql: str
    values: Mapping[str, Any] = field(default_factory=dict, compare=False)


class Reads:
    """Plans and times queries. A query may take `limit` seconds."""

    def __init__(self, copy: DatabaseCopy, limit: float) -> None:
        self.copy = copy
        self.limit = limit

    def check(self, sql: str) -> None:
        """Raise ValueError unless this is a single query that SQLite accepts."""
        with closing(self.copy.connect()) as connection:
            try:
                analyze_query_performance(connection, sql)
            except sqlite3.Error as error:
                raise ValueError(str(error)) from error

    def accepts(self, run: Run) -> bool:
        """Check whether SQLite accepts a query that sqlglot has rewritten."""
        try:
            return bool(self.plan(run))
        except sqlite3.Error:
            return False

    def plan(self, run: Run) -> PlanRows:
        """Return the rows of EXPLAIN QUERY PLAN."""
        self.copy.reader.text_factory = str
        rows = self.copy.reader.execute(f"EXPLAIN QUERY PLAN {run.sql}", run.values)
        return tuple(rows)

    def seconds(self, run: Run, limit: float) -> float:
        """Return the shortest of several timings, to the last row; `limit` if it takes longer."""
        shortest = limit
        for number in range(1, MOST_TIMINGS + 1):
            elapsed = self._time(run, limit)
            if elapsed is None:
                return limit
            shortest = min(shortest, elapsed)
            if number == 1 and elapsed < SLOW:
                continue
            if number * shortest >= ENOUGH:
                break
        return shortest

    def _time(self, run: Run, limit: float) -> float | None:
        """Return the seconds of one execution; None if it was interrupted after `limit`."""
        reader = self.copy.reader
        reader.text_factory = bytes  # so that text which isn't UTF-8 is no error
        start = time.perf_counter()
        with self.copy.bounded(reader, start + limit):
            try:
                _fetch_all(reader, run)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                return None
        return time.perf_counter() - start


def _fetch_all(connection: sqlite3.Connection, run: Run) -> None:
    deque(connection.execute(run.sql, run.values), maxlen=0)
