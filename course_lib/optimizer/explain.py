"""Get SQLite's plan for a query, without running it and for a single SELECT only."""

import itertools
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from course_lib.optimizer.database import Database, connected, quoted, result_code, wrong_sql
from course_lib.optimizer.extremes import immediate_steps
from course_lib.optimizer.plan import Plan, may_be_immediate

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]

PLANNING_SECONDS = 1.0  # the longest that planning a query may take

# The result codes of a wrong query; 0 is an error that Python's own module raised.
_QUERY_IS_WRONG = (0, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_TOOBIG)

_serial = itertools.count()


def analyze_query_performance(db: Database, query: str, params: Parameters = ()) -> Plan:
    """Return the plan by which SQLite would run a query, without running it (EXPLAIN QUERY PLAN).

        >>> plan = analyze_query_performance("events.db", "SELECT * FROM events WHERE user_id = 5")
        >>> print(plan)
        QUERY PLAN
        `--SEARCH events USING INDEX idx_events_user_id_created_at (user_id=?)
        >>> plan.scans, plan.indexes, plan.covering
        ((), ('idx_events_user_id_created_at',), False)

    `params` is a sequence for `?` or a mapping for named parameters (`:name`). Missing values are
    NULL. (Values matter a little, because the planner looks at some of them.)

    Raises ValueError, with SQLite's message and the query, if the query is wrong, isn't a single
    read-only statement, or takes more than about a second to plan.

    The plan is always current, even if another connection has just created or dropped an index. An
    authorizer is set on a given connection and removed. One that was there before is lost, because
    Python can't read it back; if you need it, pass the path.
    """
    with connected(db, mode="ro") as connection:
        indexes = _refresh_schema(connection)
        # Python caches statements, and a cached one keeps its old plan: make each text different.
        statement = f"EXPLAIN QUERY PLAN /* {next(_serial)} */ {query}"
        guard = _SelectGuard()
        connection.set_authorizer(guard)
        try:
            rows = _execute(connection, statement, params).fetchall()
        except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
            if result_code(error) not in _QUERY_IS_WRONG:
                raise
            reason = guard.denied_because or error
            raise wrong_sql(f"cannot explain this: {reason}\n  {query}", error) from error
        finally:
            connection.set_authorizer(None)
        if not guard.was_called:  # as for VACUUM, which needs no permission
            raise ValueError(f"only a query can be explained, not this\n  {query}")
        immediate = _immediate(connection, rows, query, params)
        return Plan.from_rows(rows, immediate=immediate, indexes=indexes)


def _immediate(
    connection: sqlite3.Connection, rows: list[Any], query: str, params: Parameters
) -> frozenset[int] | None:
    """Return the steps that read a single row; None if no step could be one."""
    if not any(may_be_immediate(text) for *_, text in rows):
        return None
    program = _execute(connection, f"EXPLAIN /* {next(_serial)} */ {query}", params).fetchall()
    return immediate_steps(rows, program)


class _SelectGuard:
    """An authorizer that allows a single SELECT, for a limited time.

    For a query, SQLite's first request is SQLITE_SELECT; for any other statement it's something
    else. Later requests belong to the query: a full-text table, when first used, requests PRAGMA
    and more. SQLite also makes a request for each column of each view, so the guard can stop the
    planning of a query in every release (before 3.41, a progress handler isn't called then).
    """

    def __init__(self) -> None:
        self.deadline = time.perf_counter() + PLANNING_SECONDS
        self.was_called = False
        self.denied_because = ""

    def __call__(self, action: int, *_details: str | None) -> int:
        if not self.was_called and action != sqlite3.SQLITE_SELECT:
            self.denied_because = "only a single SELECT, WITH ... SELECT or VALUES can be explained"
        elif time.perf_counter() > self.deadline:
            self.denied_because = (
                f"planning takes over {PLANNING_SECONDS:g} s:"
                " check for views that read other views several times"
            )
        self.was_called = True
        return sqlite3.SQLITE_DENY if self.denied_because else sqlite3.SQLITE_OK


def _refresh_schema(connection: sqlite3.Connection) -> list[str]:
    """Return the names of all indexes.

    This reads every schema table, so SQLite notices changes made by other connections. EXPLAIN
    alone uses the schema as the connection remembers it.
    """
    names = []
    # The name of the file isn't read: it may not be UTF-8.
    for (database,) in connection.execute("SELECT name FROM pragma_database_list").fetchall():
        schema = f"{quoted(database)}.sqlite_master"
        names += connection.execute(f"SELECT name FROM {schema} WHERE type = 'index'").fetchall()
    return [name for (name,) in names]


def _execute(connection: sqlite3.Connection, statement: str, params: Parameters) -> sqlite3.Cursor:
    """Execute a statement, with NULL for each parameter that has no value."""
    if isinstance(params, Mapping):
        return connection.execute(statement, _NullIfAbsent(params))
    values = tuple(params)
    if not values:
        # Python raises this for a nameless `?`, which only a sequence can fill.
        with suppress(sqlite3.ProgrammingError):
            return connection.execute(statement, _NullIfAbsent())
    try:
        return connection.execute(statement, values)
    except sqlite3.ProgrammingError as error:
        # Only the message has the number: "The current statement uses 3, and there are 1 supplied."
        match = re.search(r"statement uses (\d+)", str(error))
        missing = int(match[1]) - len(values) if match else -1
        if missing < 0:
            raise
        return connection.execute(statement, values + (None,) * missing)


class _NullIfAbsent(dict[str, Any]):
    def __missing__(self, name: str) -> None:
        return None
