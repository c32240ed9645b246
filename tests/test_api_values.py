"""The Events API responds with JSON, whatever values a table has in its columns."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from course_lib.api import create_app
from course_lib.lab import serve

COLUMNS = "user_id, type, status, duration_ms, title, starts_at, created_at, payload"


@pytest.fixture
def odd_table(table: Path) -> Iterator[Path]:
    """Yield a table in which the newest events of user 9 have values that JSON can't express."""
    with closing(sqlite3.connect(table, isolation_level=None)) as file:
        file.execute("DELETE FROM events WHERE user_id = 9")
        statement = f"INSERT INTO events({COLUMNS}) VALUES (9, ?, 200, ?, ?, 0, ?, '')"
        file.execute(statement, ("view", 9e999, b"blob \xff", 2**62))
        file.execute(statement, (b"view", 5, "later latin-1", 2**61))
        file.execute("UPDATE events SET title = cast(x'e9' AS TEXT) WHERE title = 'later latin-1'")
    yield table


def test_values_that_json_cannot_express_are_shown_as_text_or_null(odd_table: Path) -> None:
    with serve.here(create_app(odd_table)) as server:
        events = server.client.get("/api/events?user_id=9").json()
        totals = server.client.get("/api/stats?user_id=9").json()
    shown = [(event["title"], event["duration_ms"]) for event in events]
    assert shown == [("blob \ufffd", None), ("\ufffd", 5)]
    assert (totals["user"]["events"], totals["user"]["duration_ms"]) == (2, 5)
    assert [total["type"] for total in totals["user"]["by_type"]] == ["view", "view"]


def test_times_whose_sum_is_no_integer_of_sqlite_are_added_up_as_floats(table: Path) -> None:
    with closing(sqlite3.connect(table, isolation_level=None)) as file:
        for event in range(2):
            statement = f"INSERT INTO events({COLUMNS}) VALUES (8, 'view', 200, ?, '', 0, 0, '')"
            file.execute(statement, (2**63 - 1 - event,))
    with serve.here(create_app(table)) as server:
        user = server.client.get("/api/stats?user_id=8").json()["user"]
    assert user["duration_ms"] == user["by_type"][0]["duration_ms"] >= 2.0**63
