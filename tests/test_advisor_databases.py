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
from course_lib.advisor.__main__ import main
from course_lib.advisor.database_copy import DatabaseCopy, OutOfTime
from course_lib.advisor.inserts import Inserts
from course_lib.advisor.measurements import NOISE, SLOWER
from course_lib.advisor.trial import Trial
from course_lib.optimizer import analyze_query_performance, create_indexes
from tests.killed_writer import kill_a_writer

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


def journal_of_a_killed_writer(db: Path) -> None:
    """Leave a journal that the next connection has to roll back."""
    kill_a_writer(db, "PRAGMA cache_size = 1", "UPDATE log SET owner = -1")
    assert Path(f"{db}-journal").stat().st_size > 512


def test_a_writer_that_was_killed_does_not_stop_the_advisor(tmp_path):
    db = create(tmp_path / "log.db", rows=2_000)
    journal_of_a_killed_writer(db)
    with DatabaseCopy.of(db, time.perf_counter() + 20) as copy:
        with closing(copy.connect()) as connection:
            assert connection.execute("SELECT min(owner) FROM log").fetchone() == (0,)


def test_a_killed_writer_behind_a_symbolic_link_does_not_stop_the_advisor(tmp_path):
    db = create(tmp_path / "log.db", rows=2_000)
    journal_of_a_killed_writer(db)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = elsewhere / "link.db"
    link.symlink_to(db)
    with DatabaseCopy.of(link, time.perf_counter() + 20) as copy:
        assert copy.tables["log"].rows == 2_000
    assert list(elsewhere.iterdir()) == [link]


def test_a_copy_of_a_database_in_wal_mode_leaves_no_log(tmp_path):
    db = create(tmp_path / "log.db", rows=2_000)
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    before = db.read_bytes()
    with DatabaseCopy.of(db, time.perf_counter() + 20):
        pass
    assert list(tmp_path.iterdir()) == [db] and db.read_bytes() == before


@pytest.mark.parametrize("passed", ["path", "connection"])
def test_a_database_that_stays_locked_is_out_of_time(passed, tmp_path):
    db = create(tmp_path / "log.db", rows=10)
    with closing(sqlite3.connect(db)) as other, closing(sqlite3.connect(db, timeout=0.01)) as own:
        other.execute("BEGIN EXCLUSIVE")
        given = db if passed == "path" else own
        with pytest.raises(TimeoutError, match=r"has it locked.*pass a larger `seconds`"):
            explain_recommendation(given, [QUERY], seconds=0.4)


def test_a_database_in_shared_memory_whose_tables_stay_locked_is_out_of_time():
    uri = "file:shared?mode=memory&cache=shared"
    with (
        closing(sqlite3.connect(uri, uri=True)) as writer,
        closing(sqlite3.connect(uri, uri=True)) as reader,
    ):
        writer.execute("CREATE TABLE log(owner)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO log VALUES (7)")
        with pytest.raises(TimeoutError, match="has it locked"):
            explain_recommendation(reader, [QUERY], seconds=0.4)


def test_a_disk_that_fills_up_says_what_to_free(tmp_path):
    """Limit the size of files at three places: while copying, at its end, and in the search."""
    db = create(tmp_path / "log.db")
    size = db.stat().st_size
    program = """if True:
        import resource, sys
        from course_lib.advisor import explain_recommendation
        limit = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        query = "SELECT count(*) FROM log WHERE owner = 7"
        try:
            explain_recommendation(sys.argv[1], [query], writes=1, seconds=20)
        except OSError as error:
            print(error)
    """
    for limit in (size // 2, size - 4096, size + 4096):
        command = [sys.executable, "-c", program, str(db), str(limit)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "the copy can't be written" in answer.stdout, answer.stderr
        assert "free some space, or set TMPDIR" in answer.stdout


def test_a_damaged_page_is_named_with_its_database_wherever_it_is_found(tmp_path):
    for place in ("table", "index"):
        db = create(tmp_path / f"{place}.db", rows=2_000)
        with closing(sqlite3.connect(db)) as connection:
            connection.execute("CREATE INDEX body ON log(body)")
            connection.commit()
            roots = "SELECT rootpage FROM sqlite_master WHERE type = ?"
            (root,) = connection.execute(roots, [place]).fetchone()
        with db.open("r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(b"damage" * 100)
        with pytest.raises(sqlite3.DatabaseError, match="malformed") as caught:
            explain_recommendation(db, [QUERY], seconds=20)
        notes = " ".join(caught.value.__notes__)
        assert str(db) in notes and "restore a backup" in notes


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


FOREIGN_TABLES = {
    "a collation of a column": ("other(n COLLATE ours UNIQUE)", ""),
    "a collation of an index": ("other(n)", "CREATE INDEX foreign_ ON other(n COLLATE ours)"),
    "a function in an index": ("other(n)", "CREATE INDEX foreign_ ON other(twice(n))"),
    "a function in a partial index": (
        "other(n)",
        "CREATE INDEX foreign_ ON other(n) WHERE twice(n) > 3",
    ),
    "a function in a stored column": ("other(n, two AS (twice(n)) STORED)", ""),
    "a function in a computed column": ("other(n, two AS (twice(n)))", ""),
}


@pytest.mark.parametrize(("table", "index"), FOREIGN_TABLES.values(), ids=FOREIGN_TABLES)
def test_a_table_that_needs_the_application_is_left_out_by_name(table, index, tmp_path):
    db = create(tmp_path / "log.db")
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.create_collation("ours", lambda a, b: (a > b) - (a < b))
        connection.create_function("twice", 1, lambda n: 2 * n, deterministic=True)
        connection.execute(f"CREATE TABLE {table}")
        connection.execute(index)
        connection.executemany("INSERT INTO other(n) VALUES (?)", ((i,) for i in range(900)))
    other = "SELECT count(*) FROM other WHERE n = 5"
    advice = explain_recommendation(db, [QUERY, other], writes=10, seconds=20)
    assert [index.serves for index in advice.indexes] == [(QUERY,)]
    assert list(advice.skipped) == [other]
    reason = advice.skipped[other]
    assert "ours" in reason or "the table other can't be tried: unknown function: twice" in reason


@pytest.mark.parametrize(
    "rule", ["n CHECK (twice(n) > 0)", "n, two DEFAULT (twice(3))"], ids=["CHECK", "DEFAULT"]
)
def test_rules_that_need_the_application_leave_nothing_out(rule, tmp_path):
    db = tmp_path / "app.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.create_function("twice", 1, lambda n: 2 * n, deterministic=True)
        connection.execute(f"CREATE TABLE t({rule})")
        connection.executemany("INSERT INTO t(n) VALUES (?)", ((i,) for i in range(1, 20_000)))
    query = "SELECT count(*) FROM t WHERE n = 5"
    assert explain_recommendation(db, [query], writes=10, seconds=20).statements


# --- tables of any form ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        "t(rowid, a)",
        "t(rowid, oid, a)",
        "t(rowid, _rowid_, oid INTEGER PRIMARY KEY, a)",
        "t(a PRIMARY KEY, rowid) WITHOUT ROWID",
    ],
)
def test_rows_that_are_rewritten_stay_the_same_whatever_the_columns_are_called(table, tmp_path):
    db = tmp_path / "names.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(f"CREATE TABLE {table}")
        rows = (("twin" if i % 3 else None, i) for i in range(500))
        connection.executemany("INSERT INTO t(rowid, a) VALUES (?, ?)", rows)
    with DatabaseCopy.of(db, time.perf_counter() + 30) as copy:
        before = read_all(copy)
        Inserts(Trial(copy)).seconds("t")
        assert read_all(copy) == before


def read_all(copy: DatabaseCopy) -> list[tuple[object, ...]]:
    with closing(copy.connect()) as connection:
        return connection.execute("SELECT * FROM t").fetchall()


def test_a_table_of_2000_columns_is_tried_and_one_without_a_name_for_its_rows_is_not(tmp_path):
    db = create(tmp_path / "log.db", rows=10)
    with closing(sqlite3.connect(db)) as connection, connection:
        many = ", ".join(f"c{number}" for number in range(1999))
        connection.execute(f"CREATE TABLE wide(id INTEGER PRIMARY KEY, {many})")
        connection.execute("CREATE TABLE hidden(rowid, oid, _rowid_)")
    with DatabaseCopy.of(db, time.perf_counter() + 30) as copy:
        assert {*copy.tables} == {"log", "wide"}
        assert copy.unreadable == {
            "hidden": "its columns hide the rowid, and it has no primary key"
        }


@pytest.mark.parametrize("name", ["Заказы", "Ärzte", "ÉCOLE", "İl"])
def test_names_in_any_script_get_their_indexes(name, tmp_path):
    """Try capital letters that Python's `lower` changes and SQLite's doesn't."""
    db = create(tmp_path / "log.db", rows=10)
    with closing(sqlite3.connect(db)) as connection, connection:
        columns = f"id INTEGER PRIMARY KEY, {name} INTEGER, other INTEGER"
        connection.execute(f"CREATE TABLE {name}({columns})")
        connection.execute(f"CREATE INDEX stale ON {name}(other)")
        connection.execute(f"CREATE TABLE child(parent INTEGER REFERENCES {name})")
        rows = [(i % 900,) for i in range(9_000)]
        connection.executemany(f"INSERT INTO {name}({name}) VALUES (?)", rows)
        connection.executemany("INSERT INTO child VALUES (?)", rows)
    select = f"SELECT count(other) FROM {name} WHERE {name} = 7"
    delete = f"DELETE FROM {name} WHERE {name} = 7"
    advice = explain_recommendation(db, [select, delete], writes=0, seconds=20)
    assert "idx_child_parent" in create_indexes(db, indexes=advice.statements)
    assert analyze_query_performance(db, select).searches and "stale" in advice.unused


def test_a_foreign_key_to_a_missing_table_leaves_no_statement_out(tmp_path):
    db = create(tmp_path / "log.db", rows=2_000)
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE note(log INTEGER REFERENCES nowhere(id), text)")
        connection.execute("CREATE TABLE part(log INTEGER REFERENCES log(absent), text)")
    delete = "DELETE FROM log WHERE owner = 7"
    statements = [delete, "UPDATE note SET text = 'x' WHERE log = 3"]
    advice = explain_recommendation(db, statements, seconds=20)
    assert not advice.skipped and len(advice.queries) == 2


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
