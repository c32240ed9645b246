"""The SQLite file behind the Events API, and every query that the service runs."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from course_lib.api.connections import Readers
from course_lib.api.json_values import json_values
from course_lib.api.models import NewEvent
from course_lib.api.server_timing import usage_of_request
from course_lib.api.writer import Writer
from course_lib.monitor.endpoints import endpoint_of

NEWEST_EVENTS = """
    SELECT id, user_id, type, status, duration_ms, title, starts_at, created_at
    FROM events WHERE user_id = ? ORDER BY created_at DESC, id DESC LIMIT ?
"""

TOTALS_OF_USER = """
    SELECT type, count(*) AS events, sum(duration_ms) AS duration_ms
    FROM events WHERE user_id = ? GROUP BY type ORDER BY events DESC, type
"""

APPROXIMATE_TOTALS_OF_USER = TOTALS_OF_USER.replace("sum(", "total(")
"""The same as floats, for sums that are larger than any integer of SQLite's."""

TOTALS_BY_TYPE = (
    "SELECT type, count(*) AS events FROM events GROUP BY type ORDER BY events DESC, type"
)

BUSIEST_USERS = """
    SELECT user_id, count(*) AS events
    FROM events GROUP BY user_id ORDER BY events DESC, user_id LIMIT 10
"""

USERS_IN_SEVEN_DAYS = """
    SELECT count(DISTINCT user_id) AS users FROM events
    WHERE created_at > (SELECT max(created_at) FROM events) - 7 * 86400
"""

USER_OF_ACCOUNT = "SELECT id, plan FROM users WHERE email = ?"

MOST_TYPES = 20
"""The number of event types in the totals, the most frequent first: a table may have any types."""

ADD_EVENT = (
    "INSERT INTO events"
    "(user_id, type, status, duration_ms, title, starts_at, created_at, payload) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class EventsDatabase:
    """A SQLite file of events, with one read-only connection per thread, and one that writes.

    Raises FileNotFoundError if there is no such file.
    """

    log_query: Callable[..., None] | None = None
    """Called with each statement of a request, in the way of `PerformanceMonitor.log_query`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        if not self.path.is_file():
            raise FileNotFoundError(
                f"no database at {self.path}: create one with `python -m course_lib.lab.events`"
            )
        self._readers = Readers(self.path)
        self._writer = Writer(self.path, ADD_EVENT)

    def user_totals(self, user: int) -> dict[str, Any]:
        """Return a user's number of events and their total time, overall and by type.

        Runs one statement.
        """
        try:
            by_type = self.rows(TOTALS_OF_USER, (user,))
        except sqlite3.OperationalError as error:
            if str(error) != "integer overflow":
                raise
            by_type = self.rows(APPROXIMATE_TOTALS_OF_USER, (user,))
        return {
            "user_id": user,
            "events": sum(row["events"] for row in by_type),
            "duration_ms": sum(row["duration_ms"] or 0 for row in by_type),
            "by_type": by_type[:MOST_TYPES],
        }

    def platform_totals(self) -> dict[str, Any]:
        """Return the totals that are the same for every user.

        Runs three statements, each over the whole table.
        """
        return {
            "by_type": self.rows(TOTALS_BY_TYPE)[:MOST_TYPES],
            "busiest_users": self.rows(BUSIEST_USERS),
            "users_in_seven_days": self.rows(USERS_IN_SEVEN_DAYS)[0]["users"],
        }

    def api_key(self, account: str) -> str | None:
        """Return the API key of an account, or None if there is no such account."""
        users = self.rows(USER_OF_ACCOUNT, (account,))
        if not users:
            return None
        user = users[0]
        return f"{user['plan']}-{user['id']}"

    def add(self, user: int, event: NewEvent) -> int:
        """Write an event of a user, created now; return its ID.

        Raises sqlite3.OperationalError if the file can't be written within ten seconds,
        sqlite3.IntegrityError if a constraint or a trigger of the table rejects the event.
        """
        with self._recorded(ADD_EVENT):
            return self._submit(user, event).result()

    async def add_async(self, user: int, event: NewEvent) -> int:
        """Do what `add` does without a thread that waits."""
        with self._recorded(ADD_EVENT):
            return await asyncio.wrap_future(self._submit(user, event))

    def close(self) -> None:
        """Close all connections; the next statement opens another."""
        self._readers.close()
        self._writer.close()

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection, which can only read."""
        return self._readers.connection()

    def rows(self, statement: str, parameters: tuple[object, ...] = ()) -> list[dict[str, Any]]:
        """Run a statement to its last row and return the rows as dicts that JSON can express.

        The statement and its time count toward the current request. Raises sqlite3.DatabaseError if
        the file is missing, damaged, or locked for more than ten seconds.
        """
        cursor = self.connection.cursor()
        try:
            with self._recorded(statement):
                # execute() alone would stop at the first row.
                rows = cursor.execute(statement, parameters).fetchall()
        except sqlite3.DatabaseError:
            self._readers.drop()  # the file may have been repaired before the next statement
            raise
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, json_values(row), strict=True)) for row in rows]

    def _submit(self, user: int, event: NewEvent) -> Future[int]:
        now = int(time.time())
        starts_at = now if event.starts_at is None else event.starts_at
        values = (user, event.type, 200, event.duration_ms, event.title, starts_at, now, "{}")
        return self._writer.submit(values)

    @contextmanager
    def _recorded(self, statement: str) -> Iterator[None]:
        """Add a statement and its time to the current request's usage, if there is a request."""
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        usage = usage_of_request.get(None)
        if usage is None:
            return
        usage.seconds += seconds
        usage.statements += 1
        if self.log_query:
            self.log_query(statement, seconds, endpoint=endpoint_of(usage.scope))
