"""Test the advisor on databases as they are: busy, unanalyzed, encrypted, with foreign parts."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from course_lib.advisor import explain_recommendation
from course_lib.advisor.__main__ import main, read_queries
from course_lib.advisor.database_copy import DatabaseCopy, OutOfTime
from course_lib.advisor.measurements import NOISE, SLOWER
from course_lib.optimizer import analyze_query_performance, create_indexes

# An index is only recommended if it measures as faster.
pytestmark = pytest.mark.measures

QUERY = "SELECT count(*) FROM log WHERE owner = 7"


def create(path: Path, rows: int = 20_000) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE log(id INTEGER PRIMARY KEY, owner INTEGER, body TEXT)")
        values = ((i % 900, "x" * 90) for i in range(rows))
        connection.executemany("INSERT INTO log(owner, body) VALUES (?, ?)", values)
    return path


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    return create(tmp_path_factory.mktemp("log") / "log.db")


# --- statistics -----------------------------------------------------------------------------------

RARE = "SELECT text FROM post WHERE repost_of IS NULL AND author = 77"
OFTEN = "SELECT count(*) FROM post WHERE seen = 5"


@pytest.fixture(scope="module")
def posts(tmp_path_factory) -> Path:
    """Return a database without statistics, on which ANALYZE makes one of its queries slow."""
    path = tmp_path_factory.mktemp("posts") / "posts.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript("""
            CREATE TABLE post(id INTEGER PRIMARY KEY, author, repost_of, seen, text);
            CREATE INDEX post_author ON post(author);
            CREATE INDEX post_repost ON post(repost_of);
        """)
        rows = (
            (i * 7919 % 2000, i if i % 10 == 0 else None, i % 300, "x" * 120) for i in range(30_000)
        )
        connection.executemany(
            "INSERT INTO post(author, repost_of, seen, text) VALUES (?, ?, ?, ?)", rows
        )
    return path


def test_advice_that_is_followed_leaves_the_plans_of_other_queries(posts, tmp_path):
    advice = explain_recommendation(posts, [(RARE, 1), (OFTEN, 1000)], writes=100, seconds=20)
    assert any("(seen" in statement for statement in advice.statements)
    copy = tmp_path / "copy.db"
    shutil.copy(posts, copy)
    create_indexes(copy, indexes=advice.statements)
    for timing in advice.queries:
        assert timing.after <= SLOWER * timing.before + NOISE
        assert set(timing.indexes) == set(analyze_query_performance(copy, timing.sql).indexes)


def test_a_new_index_is_analyzed_and_no_other_unless_that_is_asked(posts, tmp_path):
    analyzed = {}
    for analyze in (False, True):
        copy = tmp_path / f"{analyze}.db"
        shutil.copy(posts, copy)
        create_indexes(copy, indexes=["CREATE INDEX new ON post(seen)"], analyze=analyze)
        with closing(sqlite3.connect(copy)) as connection:
            rows = connection.execute("SELECT idx FROM sqlite_stat1").fetchall()
        analyzed[analyze] = {name for (name,) in rows}
    assert analyzed == {False: {"new"}, True: {"new", "post_author", "post_repost"}}


def test_analyze_is_the_first_recommendation_if_it_is_the_fix(tmp_path):
    db = tmp_path / "parts.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.executescript("""
            CREATE TABLE item(id INTEGER PRIMARY KEY, type TEXT, name TEXT);
            CREATE TABLE parent(item, parent, PRIMARY KEY (item, parent)) WITHOUT ROWID;
            CREATE INDEX item_type ON item(type);
            CREATE INDEX parent_parent ON parent(parent);
            INSERT INTO item VALUES (-1, 'film', 'x');
            INSERT INTO parent VALUES (-1, -2);
            ANALYZE;
        """)
        items = ((i, "part" if i % 5 else "song", "n" * 60) for i in range(20_000))
        connection.executemany("INSERT INTO item VALUES (?, ?, ?)", items)
        parents = ((i, i * n % 800) for i in range(20_000) for n in (7, 31, 77))
        connection.executemany("INSERT OR IGNORE INTO parent VALUES (?, ?)", parents)
    query = (
        "SELECT count(*) FROM item i JOIN parent p ON p.item = i.id"
        " WHERE p.parent = 1 AND i.type = 'part'"
    )
    advice = explain_recommendation(db, [query], writes=1e6, seconds=20)
    assert advice.statements == ["ANALYZE"] and advice.analysis
    assert advice.analysis.after < advice.analysis.before
    assert advice.queries[0].after < advice.queries[0].before and "ANALYZE" in str(advice)
    assert create_indexes(db, indexes=advice.statements) == []
    assert explain_recommendation(db, [query], writes=1e6, seconds=20).analysis is None


# --- the copy -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_database_that_is_written_to_all_the_time_is_copied_once(mode, tmp_path, monkeypatch):
    monkeypatch.setattr("course_lib.advisor.database_copy.PAGES_PER_STEP", 20)
    db = create(tmp_path / "busy.db")
    done = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(db, timeout=30)) as writer:
            writer.execute(f"PRAGMA journal_mode = {mode}")
            while not done.wait(0.001):
                with writer:
                    writer.execute("INSERT INTO log(owner, body) VALUES (7, 'new')")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with DatabaseCopy.of(db, time.perf_counter() + 20) as copy:
            assert copy.tables["log"].rows >= 20_000
    finally:
        done.set()
        thread.join()


def test_a_killed_process_leaves_no_copy(log, tmp_path):
    script = (
        "import sys, time; from course_lib.advisor.database_copy import DatabaseCopy\n"
        f"with DatabaseCopy.of({str(log)!r}, time.perf_counter() + 60):\n"
        "    print('copied', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stdout and process.stdout.readline() == b"copied\n"
        assert list(tmp_path.iterdir())
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_was_killed_does_not_stop_the_advisor(tmp_path):
    db = create(tmp_path / "log.db", rows=2_000)
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('PRAGMA cache_size = 1'); c.execute('UPDATE log SET owner = -1');"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, db], check=False)
    assert Path(f"{db}-journal").stat().st_size > 512
    with DatabaseCopy.of(db, time.perf_counter() + 20) as copy:
        with closing(copy.connect()) as connection:
            assert connection.execute("SELECT min(owner) FROM log").fetchone() == (0,)


def test_a_query_is_stopped_however_much_a_row_costs(log):
    with DatabaseCopy.of(log, time.perf_counter() + 30) as copy:
        expensive = "SELECT count(*) FROM log WHERE length(hex(randomblob(3000000 + id % 2))) > 0"
        copy.deadline = time.perf_counter() + 0.2
        with pytest.raises(OutOfTime):
            with copy.bounded(copy.reader):
                with pytest.raises(sqlite3.OperationalError, match="interrupted"):
                    copy.reader.execute(expensive).fetchall()
                assert time.perf_counter() > copy.deadline
        copy.deadline = time.perf_counter() + 30
        with copy.bounded(copy.reader):  # and the next one isn't
            assert copy.reader.execute("SELECT count(*) FROM log").fetchone() == (20_000,)


# --- what only the application has ----------------------------------------------------------------


@pytest.fixture
def foreign(tmp_path) -> Path:
    """Return a database with a collation and a function that this process doesn't know."""
    db = create(tmp_path / "foreign.db")
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.create_collation("ours", lambda a, b: (a > b) - (a < b))
        connection.create_function("twice", 1, lambda n: 2 * n, deterministic=True)
        connection.execute("CREATE TABLE deck(id INTEGER PRIMARY KEY, name TEXT COLLATE ours)")
        connection.execute("CREATE UNIQUE INDEX deck_name ON deck(name)")
        connection.execute("INSERT INTO deck(name) VALUES ('x'), ('y')")
        connection.execute("CREATE TABLE counter(n INTEGER)")
        connection.execute("CREATE INDEX counter_twice ON counter(twice(n))")
        connection.execute("INSERT INTO counter VALUES (1), (2)")
    return db


def test_only_the_tables_concerned_are_left_out(foreign):
    deck = "SELECT id FROM deck WHERE name = 'x'"
    advice = explain_recommendation(foreign, [QUERY, deck], writes=0, seconds=20)
    assert [index.serves for index in advice.indexes] == [(QUERY,)]
    assert list(advice.skipped) == [deck] and "ours" in advice.skipped[deck]
    assert create_indexes(foreign, indexes=advice.statements)


def test_rules_are_not_called_unused(tmp_path):
    db = create(tmp_path / "log.db", rows=2_000)
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE UNIQUE INDEX no_twins ON log(id, body)")
        connection.execute("CREATE INDEX body ON log(body)")
        connection.execute("CREATE TABLE child(log INTEGER REFERENCES log(id), other TEXT)")
        connection.execute("CREATE INDEX child_log ON child(log)")
        connection.execute("CREATE INDEX child_other ON child(other)")
    queries = [QUERY, "SELECT count(*) FROM child WHERE other > 'a' AND log > 5"]
    advice = explain_recommendation(db, queries, seconds=20)
    assert "body" in advice.unused and not {"no_twins", "child_log"} & {*advice.unused}


# --- files ----------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_gets_a_clear_sentence(tmp_path, capsys):
    path = tmp_path / "encrypted.db"
    path.write_bytes(os.urandom(4096))
    queries = tmp_path / "queries.sql"
    queries.write_text("SELECT 1;")
    assert main([str(path), str(queries)]) == 1
    error = capsys.readouterr().err
    assert "file is not a database" in error and "pass a decrypted copy" in error
    assert main([str(tmp_path / "absent.db"), str(queries)]) == 1
    assert "no database at" in capsys.readouterr().err


def test_the_command_line_prints_what_can_be_pasted(log, tmp_path, capsys):
    queries = tmp_path / "queries.sql"
    queries.write_text(f"-- frequency: 100\n{QUERY};\n/* a; b */ SELECT ';' FROM log LIMIT 1")
    assert main([str(log), str(queries), "--seconds", "20", "--writes", "0"]) == 0
    script = capsys.readouterr().out.partition("\n\n")[0]
    copy = tmp_path / "copy.db"
    shutil.copy(log, copy)
    with closing(sqlite3.connect(copy)) as connection:
        connection.executescript(script)
    assert analyze_query_performance(copy, QUERY).searches
    assert main([str(log), str(queries), "--seconds", "20", "--json"]) == 0
    assert '"statements"' in capsys.readouterr().out


def test_a_file_of_queries_is_read_with_their_frequencies():
    text = "-- first\n-- frequency: 2.5\nSELECT ';'; \n\nDELETE FROM t WHERE a = ?;;"
    assert read_queries(text) == [("SELECT ';'", 2.5), ("DELETE FROM t WHERE a = ?", 1.0)]
