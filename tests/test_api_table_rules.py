"""A table with rules of its own may reject an event: its writer gets a 409, and no other does."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from course_lib.api import EventsDatabase, NewEvent, create_app
from course_lib.lab import serve

REJECTED = "reject this row: send another"
TRIGGER = """
    CREATE TRIGGER rule BEFORE INSERT ON events WHEN NEW.title = 'bad'
    BEGIN SELECT RAISE({}); END
"""
VIEW = "ALTER TABLE events RENAME TO kept; CREATE VIEW events AS SELECT * FROM kept"
RULES = {
    "ignore": TRIGGER.format("IGNORE"),
    "abort": TRIGGER.format("ABORT, 'no'"),
    "fail": TRIGGER.format("FAIL, 'no'"),
    "rollback": TRIGGER.format("ROLLBACK, 'no'"),
    "unique": "CREATE UNIQUE INDEX rule ON events(title) WHERE title = 'bad'",
    "view": f"""
        {VIEW}; CREATE TRIGGER rule INSTEAD OF INSERT ON events
        BEGIN INSERT INTO kept(user_id) VALUES (NEW.user_id); END
    """,
}
IN_EVERY_CASE = {"view"}


@pytest.fixture(params=RULES)
def rule(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def db(seeded: Path, tmp_path: Path, rule: str) -> Iterator[Path]:
    copied = Path(shutil.copyfile(seeded, tmp_path / "events.db"))
    with closing(sqlite3.connect(copied, isolation_level=None)) as file:
        file.execute("UPDATE events SET title = 'bad' WHERE id = 1")
        file.executescript(RULES[rule])
    yield copied


def test_an_event_that_the_table_rejects_is_a_409_and_the_next_is_written(
    db: Path, rule: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serve.here(create_app(db)) as server:
        rejected = server.client.post("/api/events", json={"type": "view", "title": "bad"})
        assert (rejected.status_code, REJECTED in rejected.text) == (409, True)
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith("the database failed at POST /api/events: ")
        expected = 409 if rule in IN_EVERY_CASE else 201
        answer = server.client.post("/api/events", json={"type": "view", "title": "good"})
        assert answer.status_code == expected


def test_writes_in_the_transaction_of_a_rejected_one_are_stored(db: Path, rule: str) -> None:
    database = EventsDatabase(db)
    titles = ["good"] * 5 + ["bad"] + ["good"] * 5

    def add(title: str) -> int | None:
        try:
            return database.add(7, NewEvent(type="view", title=title))
        except sqlite3.IntegrityError:
            return None

    with closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(11) as pool:
            added = [pool.submit(add, title) for title in titles]
            time.sleep(0.1)  # until all of them wait
            other.execute("ROLLBACK")
            ids = [call.result() for call in added]
        database.close()
        stored = other.execute("SELECT id FROM events WHERE id > 1000 ORDER BY id").fetchall()
    good = [] if rule in IN_EVERY_CASE else list(range(1001, 1011))
    assert sorted(event_id for event_id in ids if event_id) == good
    assert [event_id for (event_id,) in stored] == good
