"""Plan and time the statements of a workload on a copy."""

import math
import sqlite3
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias

from course_lib.advisor.database_copy import DatabaseCopy
from course_lib.advisor.statement import Statement
from course_lib.advisor.stopwatch import Stopwatch
from course_lib.optimizer import analyze_query_performance
from course_lib.optimizer.database import needs_the_application

PlanRows: TypeAlias = tuple[tuple[int, int, int, str], ...]  # of EXPLAIN QUERY PLAN

MOST_TIMINGS = 20  # of one query; the shortest counts
ENOUGH = 0.01  # seconds: after so much work, a query isn't repeated
# A faster query is timed twice at least, because the first execution may find its pages uncached.
SLOW = 0.05

NOT_MEASURED = (
    "only a single SELECT, UPDATE or DELETE can be measured"
    " (inserts count by the argument `writes`)"
)

NOT_ON_THE_COPY = "what an application defines isn't on the copy: leave it out of the query"

_CHANGES = (sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)


@dataclass(frozen=True)
class Run:
    """A statement with certain values, ready to be timed.

    An UPDATE or DELETE `changes` rows. `checks` are the queries that SQLite asks beside it.
    """

    sql: str
    values: tuple[tuple[str, Any], ...] = ()
    changes: bool = False
    checks: tuple[str, ...] = ()

    @classmethod
    def of(cls, sql: str, values: Mapping[str, Any], *, changes: bool = False) -> "Run":
        """Return a run."""
        return cls(sql, tuple(values.items()), changes)


class Reads:
    """Plans and times statements. Each may take `limit` seconds."""

    def __init__(self, copy: DatabaseCopy, limit: float) -> None:
        self.copy = copy
        self.limit = limit

    def check(self, sql: str) -> None:
        """Raise ValueError unless this is one query, UPDATE or DELETE that SQLite accepts."""
        start = time.perf_counter()
        with closing(self.copy.connect()) as connection:
            try:
                if _is_change(connection, Statement(sql).text):
                    return
                analyze_query_performance(connection, sql)
            except (sqlite3.Error, ValueError) as error:
                raise ValueError(_reason(error)) from error
        if time.perf_counter() - start > self.limit:
            raise ValueError("planning it alone takes too long: pass a larger `seconds`")

    def accepts(self, run: Run) -> bool:
        """Check whether SQLite accepts a query with other values."""
        try:
            return bool(self.plan(run))
        except sqlite3.Error:
            return False

    def plan(self, run: Run) -> PlanRows:
        """Return the rows of EXPLAIN QUERY PLAN."""
        self.copy.reader.text_factory = str
        rows = self.copy.reader.execute(f"EXPLAIN QUERY PLAN {run.sql}", dict(run.values))
        plan = tuple(rows)
        for check in run.checks:
            plan += tuple(self.copy.reader.execute(f"EXPLAIN QUERY PLAN {check}", _nulls(check)))
        return plan

    def seconds(self, run: Run, limit: float, most_work: float = math.inf) -> float:
        """Return the shortest of several timings by a `Stopwatch`, to the last row.

        Return the lower of the limits if a run takes longer: `limit` is of the time that passes,
        `most_work` of the processor's, which other processes don't take away.
        """
        shortest = min(limit, most_work)
        for number in range(1, MOST_TIMINGS + 1):
            elapsed = self._time(run, limit, most_work)
            if elapsed is None:
                return min(limit, most_work)
            shortest = min(shortest, elapsed)
            if number == 1 and elapsed < SLOW:
                continue
            if number * shortest >= ENOUGH:
                break
        return shortest

    def _time(self, run: Run, limit: float, most_work: float) -> float | None:
        """Return the seconds of one execution; None if it was interrupted at a limit."""
        reader = self.copy.reader
        reader.text_factory = bytes  # so that text which isn't UTF-8 is no error
        if run.changes:
            reader.execute("BEGIN IMMEDIATE")
        stopwatch = Stopwatch()
        try:
            with self.copy.bounded(reader, time.perf_counter() + limit, most_work):
                try:
                    _fetch_all(reader, run)
                except sqlite3.IntegrityError:
                    pass  # the application would get it too, after the same search
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                        raise
                    return None
            return stopwatch.seconds()
        finally:
            if reader.in_transaction:
                reader.execute("ROLLBACK")


def _fetch_all(connection: sqlite3.Connection, run: Run) -> None:
    deque(connection.execute(run.sql, dict(run.values)), maxlen=0)


def _nulls(sql: str) -> list[None]:
    return [None] * sql.count("?")


def _reason(error: Exception) -> str:
    """Return why a statement isn't measured, and what to know about it."""
    reason = str(error).splitlines()[0]
    if isinstance(error, ValueError) and "only a" in reason:
        return NOT_MEASURED
    if "no such table" in reason:
        return f"{reason} (only the main database's own tables are on the copy)"
    if needs_the_application(reason):
        return f"{reason} ({NOT_ON_THE_COPY})"
    return reason


def _is_change(connection: sqlite3.Connection, sql: str) -> bool:
    """Check whether a statement is a single UPDATE or DELETE of a table, without running it."""
    actions: list[tuple[int, str | None]] = []

    def note(action: int, table: str | None, *_: str | None) -> int:
        if action not in (sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION):
            actions.append((action, table))
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    try:
        connection.execute(f"EXPLAIN {sql}", _AnyValue())
    except sqlite3.Error:
        if _are_changes(actions):
            raise
        return False  # the reason is found when it's explained as a query
    except (sqlite3.Warning, OverflowError, ValueError):
        return False
    finally:
        connection.set_authorizer(None)
    return _are_changes(actions)


def _are_changes(actions: Sequence[tuple[int, str | None]]) -> bool:
    """Check whether a statement that does this is an UPDATE or DELETE of an ordinary table."""
    changes = [table for action, table in actions if action in _CHANGES]
    others = {action for action, _ in actions} - {*_CHANGES, sqlite3.SQLITE_SELECT}
    others.discard(sqlite3.SQLITE_RECURSIVE)
    is_ordinary = all(not (table or "").lower().startswith("sqlite_") for table in changes)
    return bool(changes) and not others and is_ordinary


class _AnyValue(dict[str, None]):
    def __missing__(self, name: str) -> None:
        return None
