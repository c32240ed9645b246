"""The Events API keeps serving while its file is written, locked, damaged, replaced or gone."""

import gc
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from course_lib.api import EventsDatabase, NewEvent, connections, create_app, writer
from course_lib.lab import events, serve

EVENT = NewEvent(type="view", title="One more")
BODY = {"type": "view", "title": "One more"}


@pytest.fixture
def db(seeded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(seeded, tmp_path / "events.db"))


@pytest.fixture
def database(db: Path) -> Iterator[EventsDatabase]:
    database = EventsDatabase(db)
    yield database
    database.close()


def test_waiting_writes_share_a_transaction_and_each_gets_its_own_id(
    database: EventsDatabase,
) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(20) as pool:
            added = [pool.submit(database.add, user, EVENT) for user in range(1, 21)]
            time.sleep(0.1)
            other.execute("ROLLBACK")
            ids = {user: call.result() for user, call in enumerate(added, start=1)}
    rows = database.rows("SELECT user_id, id FROM events WHERE id > 1000 ORDER BY user_id")
    assert {row["user_id"]: row["id"] for row in rows} == ids


def test_processes_that_write_to_one_file_take_turns(db: Path) -> None:
    with serve.start(db) as one, serve.start(db) as other, ThreadPoolExecutor(40) as pool:
        calls = [
            pool.submit(server.client.post, "/api/events", json=BODY)
            for _ in range(30)
            for server in (one, other)
        ]
        assert {call.result().status_code for call in calls} == {201}
    with closing(sqlite3.connect(db)) as file:
        assert file.execute("SELECT count(*) FROM events").fetchone() == (1060,)


def test_the_first_write_waits_for_a_lock_as_long_as_any_other(database: EventsDatabase) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with ThreadPoolExecutor(1) as pool:
            added = pool.submit(database.add, 5, EVENT)
            time.sleep(1.2)
            assert not added.done()
            other.execute("ROLLBACK")
            assert added.result() == 1001


def test_reads_go_on_while_another_process_writes(database: EventsDatabase) -> None:
    database.add(7, EVENT)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert database.user_totals(7)["events"] > 0
        other.execute("ROLLBACK")


def test_the_file_is_left_in_the_mode_and_with_the_side_files_that_it_had(db: Path) -> None:
    database = EventsDatabase(db)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(database.user_totals, range(1, 9)))
    database.add(7, EVENT)
    assert Path(f"{db}-wal").exists()
    database.close()
    assert [file.name for file in db.parent.iterdir()] == ["events.db"]
    assert db.read_bytes()[18:20] == b"\1\1", "the header's mode isn't WAL"
    database.add(7, EVENT)
    database.close()


def test_a_file_that_stays_locked_is_503_with_retry_after_and_recovers(
    db: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "LOCK_TIMEOUT", 0.1)
    monkeypatch.setattr(writer, "LOCK_TIMEOUT", 0.1)
    monkeypatch.setattr(connections.connect, "__defaults__", (0.1,))
    app = create_app(db)
    with serve.here(app) as server, closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        read, write = server.get("/api/events"), server.client.post("/api/events", json=BODY)
        other.execute("ROLLBACK")
        assert [read.status_code, write.status_code] == [503, 503]
        assert read.headers["Retry-After"] == "1"
        lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert lines == [
            "the database failed at GET /api/events: database is locked",
            "the database failed at POST /api/events: database is locked",
        ]
        assert server.get("/api/events").status_code == 200
        assert server.client.post("/api/events", json=BODY).status_code == 201


def test_after_the_file_is_replaced_all_threads_read_and_write_the_new_one(
    db: Path, database: EventsDatabase, tmp_path: Path
) -> None:
    arrived, user = threading.Barrier(3), events.hottest_user(db)

    def read(_: int) -> int:
        arrived.wait(5)  # so that each call is in a thread of its own
        return int(database.user_totals(user)["events"])

    with ThreadPoolExecutor(3) as pool:
        before = set(pool.map(read, range(3)))
        database.add(user, EVENT)
        new = Path(shutil.copyfile(db, tmp_path / "new.db"))
        with closing(sqlite3.connect(new, isolation_level=None)) as file:
            file.execute("DELETE FROM events")
        for suffix in ("-wal", "-shm"):
            Path(f"{db}{suffix}").unlink()
        new.replace(db)
        assert set(pool.map(read, range(3))) == {0} != before
        database.add(user, EVENT)
        assert set(pool.map(read, range(3))) == {1}


def test_a_file_that_is_gone_or_damaged_is_503_until_it_is_back(db: Path, seeded: Path) -> None:
    with serve.here(create_app(db, monitor=True)) as server:
        assert server.get("/api/events").status_code == 200
        db.unlink()
        assert server.get("/dashboard/figures").status_code == 200, "without the plans"
        assert server.get("/api/events").status_code == 503
        assert server.client.post("/api/events", json=BODY).status_code == 503
        db.write_bytes(b"SQLite format 3\0" + b"\xaa" * 8192)
        assert server.get("/api/stats").status_code == 503
        shutil.copyfile(seeded, db)
        assert server.get("/api/events").status_code == 200
        assert server.client.post("/api/events", json=BODY).status_code == 201


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_a_threads_connection_is_closed_with_the_thread(database: EventsDatabase) -> None:
    for _ in range(20):
        thread = threading.Thread(target=database.user_totals, args=(7,))
        thread.start()
        thread.join()
    gc.collect()  # a connection's cache of statements refers to the connection
    assert str(database.path) not in [
        os.path.realpath(file) for file in os.scandir("/proc/self/fd")
    ]


KILLED_WRITER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN")
database.execute("UPDATE events SET title = title || ' changed'")
print("changed", flush=True)
sys.stdin.read()
"""


def test_after_a_writer_was_killed_reads_see_the_state_before_it(db: Path) -> None:
    command = [sys.executable, "-c", KILLED_WRITER, str(db)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert Path(f"{db}-journal").stat().st_size > 512
    database = EventsDatabase(db)
    titles = database.rows("SELECT count(*) AS changed FROM events WHERE title LIKE '% changed'")
    assert titles == [{"changed": 0}]
    database.close()


def test_the_totals_list_the_most_frequent_types_and_count_all(db: Path) -> None:
    with closing(sqlite3.connect(db)) as file, file:
        rows = [(f"type {number}",) for number in range(2000)]
        columns = "user_id, type, status, duration_ms, title, starts_at, created_at, payload"
        file.executemany(
            f"INSERT INTO events({columns}) VALUES (7, ?, 200, 0, 't', 1, 1, '')", rows
        )
    database = EventsDatabase(db)
    assert len(database.platform_totals()["by_type"]) == 20
    totals = database.user_totals(7)
    assert len(totals["by_type"]) == 20 and totals["events"] >= 2000
    database.close()
