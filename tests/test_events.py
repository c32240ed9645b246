"""The seeded table: the same rows everywhere, skewed as promised, complete or not there at all."""

import contextlib
import fcntl
import gc
import hashlib
import json
import os
import resource
import runpy
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from course_lib.lab import events, lifeline, paths, seeded_rows

SMALL = 2_000


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """Return a data folder for this test alone, with a table that is seeded quickly."""
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    monkeypatch.setenv("COURSE_ROWS", str(SMALL))
    return paths.DATA


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    file = events.seed(tmp_path_factory.mktemp("full") / "events.db")
    yield file
    file.unlink()


def fetch(file, query):
    with closing(sqlite3.connect(file)) as database:
        return database.execute(query).fetchall()


def fetch_one(file, query):
    return fetch(file, query)[0][0]


def digest(file, query):
    total = hashlib.sha256()
    with closing(sqlite3.connect(file)) as database:
        cursor = database.execute(query)
        while rows := cursor.fetchmany(10_000):
            total.update("".join(map(repr, rows)).encode())
    return total.hexdigest()[:16]


def overwrite_middle(file):
    with file.open("r+b") as content:
        content.seek(file.stat().st_size // 2)
        content.write(b"\xaa" * 10_000)


def change_rows(file):
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE events SET duration_ms = 0 WHERE id = 1000")


def seeding(*arguments):
    command = [sys.executable, "-m", "course_lib.lab.events", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


# The rows


def test_the_rows_of_a_small_table_never_change(tmp_path):
    file = events.seed(tmp_path / "small.db", 10_000)
    assert digest(file, "SELECT * FROM events ORDER BY id") == "d958e1b1637df738"
    assert digest(file, "SELECT * FROM users ORDER BY id") == "af94b967c3c292ea"


def test_the_first_rows_of_a_larger_table_never_change(tmp_path):
    file = events.seed(tmp_path / "larger.db", 100_000)
    assert digest(file, "SELECT * FROM events WHERE id <= 10000 ORDER BY id") == "e67e10b61cbb2d60"


def test_the_rows_of_the_full_table_never_change(full):
    assert digest(full, "SELECT * FROM events ORDER BY id") == "17f794070800858c"


def test_the_full_table_has_its_million_rows_and_no_index(full):
    assert fetch_one(full, "SELECT count(*) FROM events") == 1_000_000
    assert fetch_one(full, "SELECT count(*) FROM users") == 20_000
    assert fetch(full, "SELECT name FROM sqlite_master ORDER BY name") == [("events",), ("users",)]
    assert 130e6 < full.stat().st_size < 138e6


def test_the_full_table_is_skewed_as_the_lessons_need_it(full):
    counts = dict(fetch(full, "SELECT user_id, count(*) FROM events GROUP BY user_id"))
    hottest, median = events.hottest_user(full), events.median_user(full)
    ordered = sorted(counts.values())
    assert counts[hottest] == ordered[-1] and 35_000 <= counts[hottest] <= 45_000
    assert hottest > 1_000
    assert counts[median] == ordered[(len(ordered) - 1) // 2] and 28 <= counts[median] <= 36
    assert median == min(user for user, count in counts.items() if count == counts[median])
    assert counts[123] == counts[median]
    statuses = dict(fetch(full, "SELECT status, count(*) FROM events GROUP BY status"))
    assert 840_000 <= statuses[200] <= 860_000
    assert fetch_one(full, "SELECT count(DISTINCT type) FROM events") == 10


def test_the_repeated_block_leaves_no_copies_behind(full):
    assert fetch_one(full, "SELECT count(DISTINCT user_id) FROM events") == 16_384
    assert fetch_one(full, "SELECT count(DISTINCT title) FROM events") == 2_000
    assert fetch_one(full, "SELECT count(DISTINCT payload) FROM events") > 990_000
    beside = fetch(
        full, "SELECT user_id, title, payload, created_at FROM events WHERE id % 50000 = 777"
    )
    assert [len(set(column)) for column in zip(*beside, strict=True)] == [20, 20, 20, 20]


def test_times_are_in_order_and_within_their_bounds(full):
    first, last = fetch(full, "SELECT min(created_at), max(created_at) FROM events")[0]
    assert first >= seeded_rows.START and last < seeded_rows.START + 60 * 86_400
    assert last - first > 59 * 86_400
    earlier = "SELECT created_at < lag(created_at) OVER (ORDER BY id) AS is_earlier FROM events"
    assert fetch_one(full, f"SELECT count(*) FROM ({earlier}) WHERE is_earlier") == 0
    assert (
        fetch_one(
            full,
            "SELECT count(*) FROM events WHERE starts_at <= created_at OR starts_at % 900 <> 0",
        )
        == 0
    )
    assert fetch(full, "SELECT min(duration_ms) >= 5, max(duration_ms) <= 3000 FROM events") == [
        (1, 1)
    ]


def test_each_payload_is_json(tmp_path):
    file = events.seed(tmp_path / "small.db", SMALL)
    payloads = [json.loads(payload) for (payload,) in fetch(file, "SELECT payload FROM events")]
    assert {tuple(payload) for payload in payloads} == {("session", "page", "device", "version")}


@pytest.mark.parametrize("rows", [1, 7, 19, 21, 10_000, 99_999])
def test_any_number_of_rows_can_be_seeded(tmp_path, rows):
    file = events.seed(tmp_path / "some.db", rows)
    assert fetch(file, "SELECT count(*), min(id), max(id) FROM events") == [(rows, 1, rows)]
    assert fetch_one(file, "PRAGMA integrity_check") == "ok"


# The file


def test_the_number_of_rows_comes_from_the_environment(monkeypatch):
    assert events.rows() == SMALL
    monkeypatch.delenv("COURSE_ROWS")
    assert events.rows() == events.ROWS == 1_000_000


@pytest.mark.parametrize("text", ["", "many", "0", "-5", "1e6", "9" * 5000])
def test_an_invalid_number_of_rows_raises_an_error_that_names_it(monkeypatch, text):
    monkeypatch.setenv("COURSE_ROWS", text)
    with pytest.raises(ValueError, match="COURSE_ROWS"):
        events.rows()
    with pytest.raises(ValueError, match="at least one"):
        events.seed("nowhere.db", 0)


def test_the_file_is_created_once_and_named_after_its_rows(data, capsys):
    file = events.path()
    assert capsys.readouterr().out == "", "no progress bar for what is done at once"
    assert file == data / f"events-{SMALL}.db"
    made = file.stat().st_ino
    assert events.path().stat().st_ino == made


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: os.truncate(file, file.stat().st_size // 2),
        lambda file: os.truncate(file, file.stat().st_size - 100),
        lambda file: fetch(file, "PRAGMA user_version = 99"),
        lambda file: fetch(file, "CREATE INDEX own ON events(user_id)"),
        lambda file: fetch(file, "DROP TABLE events"),
        overwrite_middle,
        change_rows,
    ],
    ids=["empty", "half", "cut", "recipe", "index", "dropped", "middle", "rows"],
)
def test_a_file_that_was_changed_or_damaged_is_created_again(damage):
    file = events.path()
    before = digest(file, "SELECT * FROM events")
    damage(file)
    assert digest(events.path(), "SELECT * FROM events") == before
    assert fetch(file, "SELECT count(*) FROM sqlite_master") == [(2,)]


@pytest.mark.parametrize("place", ["path", "command"])
@pytest.mark.parametrize(
    "create",
    [
        lambda file: file.write_text("a letter"),
        lambda file: fetch(file, "CREATE TABLE concerts(name)"),
        lambda file: file.mkdir(),
    ],
    ids=["text", "database", "folder"],
)
def test_a_file_that_is_not_ours_is_never_replaced(data, create, place, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(data))
    file = data / f"events-{SMALL}.db"
    data.mkdir()
    create(file)
    before = file.stat().st_ino, file.stat().st_mtime_ns
    if place == "path":
        with pytest.raises(FileExistsError, match="COURSE_DATA"):
            events.path()
    else:
        output, _ = seeding().communicate()
        assert f"{file} is not a seeded events table" in output
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == before


def test_a_copied_table_is_known_by_its_digest_and_not_created_again(data, tmp_path, monkeypatch):
    events.path()
    shutil.copytree(data, tmp_path / "other", copy_function=shutil.copyfile)
    monkeypatch.setattr(paths, "DATA", tmp_path / "other")
    copied = (tmp_path / "other" / f"events-{SMALL}.db").stat().st_ino
    assert events.path().stat().st_ino == copied


def test_a_table_that_is_locked_is_named_and_not_replaced(monkeypatch):
    file = events.path()
    before = file.stat().st_ino
    real = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *names, **options: real(*names, timeout=0.1, **options)
    )
    with closing(real(file, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TimeoutError, match=f"{file} is locked by another program"):
            events.path()
    assert events.path().stat().st_ino == before


def limit_file_size(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_without_space_for_the_table_the_error_says_what_to_do(data, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(data))
    command = [sys.executable, "-m", "course_lib.lab.events", "--rows", "50000"]
    full = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: limit_file_size(1_000_000),
    )
    assert full.returncode == 2 and "Traceback" not in full.stderr
    assert "it needs 8 MB" in full.stderr and "COURSE_ROWS" in full.stderr
    assert {file.suffix for file in data.iterdir()} == {".lock"}


def test_a_data_folder_that_cannot_be_created_is_named_with_the_remedy(data, monkeypatch):
    data.write_text("a file, and no folder")
    monkeypatch.setattr(paths, "DATA", data / "below")
    with pytest.raises(OSError, match=f"in {data / 'below'}; free some space, set COURSE_DATA"):
        events.path()


def test_a_fifo_in_place_of_the_lock_is_an_error_and_no_wait(data):
    data.mkdir(exist_ok=True)
    os.mkfifo(data / "table.db.lock")
    with pytest.raises(OSError, match="cannot read or create the table"):
        events.seed(data / "table.db", rows=10)


@pytest.mark.parametrize("is_link", [True, False])
def test_a_lock_that_is_not_ours_is_never_written_to(data, is_link):
    data.mkdir()
    lock = data / "table.db.lock"
    foreign = data / "notes" if is_link else lock
    foreign.write_text("precious")
    if is_link:
        lock.symlink_to(foreign)
    with pytest.raises(OSError, match="table"):
        events.seed(data / "table.db", rows=10)
    assert foreign.read_text() == "precious"


@pytest.mark.parametrize("content", ["precious", "SQLite format 3\0" + 90 * "x"])
def test_a_part_that_is_not_ours_is_never_removed(data, content):
    data.mkdir()
    part = data / "table.db.part"
    part.write_text(content)
    with pytest.raises(FileExistsError, match="move it away"):
        events.seed(data / "table.db", rows=10)
    assert part.read_text() == content


@pytest.mark.parametrize("content", [b"", bytes(10_000)])
def test_a_part_that_a_killed_process_left_is_replaced(data, content):
    data.mkdir()
    (data / "table.db.part").write_bytes(content)
    assert fetch(events.seed(data / "table.db", rows=10), "SELECT count(*) FROM events") == [(10,)]
    assert not (data / "table.db.part").exists()


def test_a_table_that_does_not_fit_is_an_error_before_anything_is_written(data):
    with pytest.raises(OSError, match=r"No space left.*COURSE_ROWS to fewer rows"):
        events.seed(data / "table.db", rows=10**15)
    assert not list(data.glob("*.part"))


def test_an_unknown_home_folder_is_an_error_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "~no-such-user/data")
    with pytest.raises(RuntimeError, match=r"COURSE_DATA is .*: set it to a folder's full path"):
        runpy.run_path(paths.__file__)


@pytest.mark.parametrize(
    ("value", "folder"), [("", paths.ROOT / "data"), ("~/events", Path.home() / "events")]
)
def test_the_data_folder_is_never_the_current_one_by_accident(value, folder, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", value)
    assert runpy.run_path(paths.__file__)["DATA"] == folder


def test_seeding_says_that_it_waits_for_another_process_and_goes_on_after_it(data, capsys):
    data.mkdir()
    with open(data / f"events-{SMALL}.db.lock", "w") as lock, ThreadPoolExecutor() as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = pool.submit(events.path)
        printed = ""
        while not printed:
            time.sleep(0.1)  # what's printed in the middle of readouterr() is lost
            printed = capsys.readouterr().out
        assert printed.startswith("Waiting: another process is creating")
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert waiting.result().exists()


def test_seeding_killed_at_any_time_leaves_no_incomplete_file(data):
    for delay in (0.0, 0.1, 0.5):
        process = seeding(data / "killed.db", "--rows", 2_000_000)
        while not (data / "killed.db.part").exists():
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.005)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert not (data / "killed.db").exists()
    events.seed(data / "killed.db", SMALL)
    assert fetch_one(data / "killed.db", "SELECT count(*) FROM events") == SMALL
    assert {file.name for file in data.iterdir()} == {"killed.db", "killed.db.lock"}


def test_two_processes_can_seed_the_same_file_at_once(data):
    file = data / "shared.db"
    processes = [seeding(file, "--rows", 50_000) for _ in range(2)]
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0, output
    assert fetch_one(file, "SELECT count(*) FROM events") == 50_000
    assert {file.name for file in data.iterdir()} == {"shared.db", "shared.db.lock"}


def test_the_side_files_of_a_replaced_table_are_removed():
    file = events.path()
    Path(f"{file}-wal").write_bytes(b"old")
    os.truncate(file, 4096)
    events.path()
    assert not Path(f"{file}-wal").exists()


def test_the_command_seeds_a_file_and_never_overwrites_a_foreign_one(tmp_path):
    own = tmp_path / "letters.db"
    with closing(sqlite3.connect(own)) as database:
        database.execute("CREATE TABLE letters(text)")
    before = own.read_bytes()
    process = seeding(own, "--rows", 10)
    output, _ = process.communicate()
    assert process.returncode == 2 and "letters.db is not a seeded events table" in output
    assert own.read_bytes() == before

    process = seeding(tmp_path / "new.db", "--rows", 10)
    output, _ = process.communicate()
    assert process.returncode == 0 and "10 events" in output
    assert fetch_one(tmp_path / "new.db", "SELECT count(*) FROM events") == 10


# Copies


def test_a_copy_is_private_and_equal_to_the_seeded_file():
    with events.copy() as copy:
        assert copy.path.parent == lifeline.folder()
        assert copy.path.read_bytes() == events.path().read_bytes()
        with closing(sqlite3.connect(copy)) as database:
            database.execute("DROP TABLE events")
    assert fetch_one(events.path(), "SELECT count(*) FROM events") == SMALL


def test_a_copy_runs_its_statements_and_then_analyze():
    with events.copy("CREATE INDEX by_user ON events(user_id)") as copy:
        assert fetch(copy, "SELECT idx FROM sqlite_stat1 WHERE tbl = 'events'") == [("by_user",)]
    with events.copy() as copy:
        assert (
            fetch_one(copy, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'sqlite_stat%'")
            == 0
        )


def test_closing_a_copy_removes_it_and_its_side_files():
    copy = events.copy()
    with closing(sqlite3.connect(copy, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("DELETE FROM events WHERE id = 1")
        assert Path(f"{copy.path}-wal").exists()
        copy.close()
        copy.close()
    assert list(copy.path.parent.glob(f"{copy.path.name}*")) == []
    with pytest.raises(ValueError, match="closed"):
        sqlite3.connect(copy)


def test_a_copy_is_removed_with_the_last_reference_to_it():
    path = events.copy().path
    gc.collect()
    assert not path.exists()


def test_a_failing_statement_leaves_no_copy_behind():
    before = set(lifeline.folder().iterdir())
    for _ in range(events.MOST_COPIES + 1):
        with pytest.raises(sqlite3.OperationalError):
            events.copy("CREATE INDEX nonsense ON nowhere(nothing)")
    assert set(lifeline.folder().iterdir()) == before


def test_one_copy_too_many_raises_an_error_that_names_the_way_out():
    with contextlib.ExitStack() as stack:
        copies = [stack.enter_context(events.copy()) for _ in range(events.MOST_COPIES)]
        with pytest.raises(RuntimeError, match=r"close.*with events.copy"):
            events.copy()
        copies[0].close()
        stack.enter_context(events.copy())


def test_a_full_disk_raises_an_error_before_anything_is_copied(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10, 9, 1))
    before = set(lifeline.folder().iterdir())
    with pytest.raises(OSError, match=r"MB are free.*free some space"):
        events.copy()
    assert set(lifeline.folder().iterdir()) == before


# Users


def test_users_are_found_by_path_and_by_connection(tmp_path):
    file = tmp_path / "own.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE events(user_id)")
        users = [9] * 9 + [5] * 3 + [4] * 3 + [3] + [2]
        database.executemany("INSERT INTO events VALUES (?)", [(user,) for user in users])
        database.commit()
        assert (events.hottest_user(database), events.median_user(database)) == (9, 4)
    assert (events.hottest_user(file), events.median_user(str(file))) == (9, 4)


def test_a_missing_file_raises_an_error_and_is_not_created(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        events.hottest_user(tmp_path / "absent.db")
    assert not (tmp_path / "absent.db").exists()
