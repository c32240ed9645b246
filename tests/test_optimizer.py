"""Test the four functions of the optimizer on real databases."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import plan_texts
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.optimizer import (
    EVENTS_INDEXES,
    Plan,
    Step,
    VacuumError,
    analyze_query_performance,
    create_indexes,
    explain,
    get_table_stats,
    vacuum_database,
)
from course_lib.optimizer.database import quoted
from course_lib.optimizer.indexes import IndexConflictError
from tests.fuzzing import fuzz
from tests.killed_writer import kill_a_writer

NAMES = ["idx_events_user_id_created_at", "idx_events_type", "idx_events_created_at_user_id"]
NEWEST = "SELECT * FROM events WHERE user_id = ? ORDER BY created_at DESC, id DESC LIMIT 20"
TOTALS = "SELECT type, count(*) FROM events GROUP BY type"
BUSIEST = (
    "SELECT user_id, count(*) AS n FROM events GROUP BY user_id ORDER BY n DESC, user_id LIMIT 10"
)
ACTIVE = """SELECT count(DISTINCT user_id) FROM events
            WHERE created_at > (SELECT max(created_at) FROM events) - 7 * 86400"""


def make_events(path: Path, rows: int = 3000) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            """
            CREATE TABLE users(
                id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL,
                country TEXT NOT NULL, plan TEXT NOT NULL, created_at INTEGER NOT NULL);
            CREATE TABLE events(
                id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, type TEXT NOT NULL,
                status INTEGER NOT NULL, duration_ms INTEGER NOT NULL, title TEXT NOT NULL,
                starts_at INTEGER NOT NULL, created_at INTEGER NOT NULL, payload TEXT NOT NULL);
            """
        )
        connection.executemany(
            "INSERT INTO events"
            " VALUES (NULL, ?, ?, 200, ?, 'a title', 0, ?, '{\"note\": \"a payload\"}')",
            ((i * i % 997, "abc"[i % 3], i % 50, 1_700_000_000 + 600 * i) for i in range(rows)),
        )
    return path


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return make_events(tmp_path / "events.db")


@pytest.fixture
def connection(events: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(events, timeout=0.05)) as connection:
        yield connection


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def index_names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
        ]


def reads(steps: tuple[Step, ...]) -> list[tuple[str | None, str | None]]:
    return [(step.table, step.index) for step in steps]


# --- paths and connections ------------------------------------------------------------------------

CALLS = [
    create_indexes,
    lambda db: analyze_query_performance(db, "SELECT 1"),
    vacuum_database,
    get_table_stats,
]


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_file_is_an_error_and_is_not_created(call, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no database at .*absent\.db"):
        call(tmp_path / "absent.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "name", ["what?.db", "a#b.db", "100%25.db", "mode=memory&x.db", "ärger 'n\"q.db"]
)
def test_a_path_may_contain_characters_that_a_uri_reserves(call, name, tmp_path):
    path = make_events(tmp_path / name, rows=10)
    call(str(path))
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("call", CALLS)
def test_a_file_that_is_not_a_database_is_an_error_with_its_path(call, tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 500)
    with pytest.raises(sqlite3.DatabaseError, match="not a database") as caught:
        call(path) if call is not CALLS[1] else analyze_query_performance(
            path, "SELECT * FROM events"
        )
    assert any("letter.txt" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("call", CALLS)
def test_a_path_may_be_bytes_and_a_uri_is_an_error_that_says_what_to_pass(call, events):
    call(os.fsencode(events))
    for uri in (events.as_uri(), ":memory:"):
        with pytest.raises(FileNotFoundError, match="pass a connection"):
            call(uri)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems want UTF-8 in names")
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16"])
@pytest.mark.parametrize("call", CALLS)
def test_the_name_of_a_file_may_not_be_utf8(call, encoding, tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
    make_events(path, rows=10)
    call(path)
    call(os.fsencode(path))


def log_of_a_killed_writer(path: Path) -> None:
    """Leave a log with committed pages beside the database, as a killed process does."""
    change = "UPDATE events SET status = 500"
    kill_a_writer(path, "PRAGMA journal_mode = WAL", change, "COMMIT")
    assert path.with_name(f"{path.name}-wal").stat().st_size > 0


@pytest.mark.parametrize("is_clean", [True, False])
@pytest.mark.parametrize("call", [CALLS[1], CALLS[3]])
def test_what_only_reads_changes_no_file_and_leaves_none(call, is_clean, events):
    if is_clean:
        with closing(sqlite3.connect(events)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    else:
        log_of_a_killed_writer(events)
    before = {path.name: digest(path) for path in events.parent.iterdir()}
    call(events)
    after = {path.name: digest(path) for path in events.parent.iterdir()}
    before.pop("events.db-shm", None), after.pop("events.db-shm", None)  # shared memory
    assert after == before and ("events.db-wal" in after) == (not is_clean)


def test_every_error_of_sqlite_says_what_to_do_and_only_once(events, tmp_path):
    with closing(sqlite3.connect(events)) as connection, connection:
        connection.create_collation("ours", lambda a, b: (a > b) - (a < b))
        connection.execute("CREATE INDEX title ON events(title COLLATE ours)")
    newer = tmp_path / "newer.db"
    header = bytearray(events.read_bytes())
    header[44:48] = (9).to_bytes(4, "big")  # the format of the schema
    newer.write_bytes(header)
    expected = {events: "collations are defined", newer: "use the release of SQLite"}
    for path, remedy in expected.items():
        with pytest.raises(sqlite3.OperationalError) as caught:
            get_table_stats(path, ["SELECT 1 FROM events"])
        assert len(caught.value.__notes__) == 2
        notes = " ".join(caught.value.__notes__)
        assert str(path) in notes and remedy in notes


@pytest.mark.parametrize("call", CALLS)
def test_a_given_connection_keeps_its_factories(call, connection):
    connection.row_factory = lambda _cursor, _row: {"not": "a tuple"}
    connection.text_factory = bytes
    factory = connection.row_factory
    call(connection)
    assert (connection.row_factory, connection.text_factory) == (factory, bytes)


def test_a_locked_database_says_what_to_do(events, connection):
    with closing(sqlite3.connect(events)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked") as caught:
            create_indexes(connection)
        (remedy,) = caught.value.__notes__  # there is no path to name for a given connection
        assert "timeout" in remedy
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            analyze_query_performance(connection, "SELECT * FROM events")


# --- create_indexes -------------------------------------------------------------------------------


def test_the_events_indexes_serve_the_queries_of_the_api(events):
    queries = [NEWEST, TOTALS, BUSIEST, ACTIVE]
    assert all(analyze_query_performance(events, query).scans for query in queries)
    create_indexes(events)
    newest, totals, busiest, active = (
        analyze_query_performance(events, query) for query in queries
    )
    assert (
        reads(newest.searches) == [("events", NAMES[0])] and not newest.scans and not newest.sorts
    )
    assert totals.covering and totals.indexes == (NAMES[1],) and not totals.sorts
    assert busiest.covering and busiest.indexes == (NAMES[0],) and busiest.sorts == ("ORDER BY",)
    assert (
        active.covering and NAMES[2] in active.indexes
    )  # some releases skip-scan the first index as well


def test_indexes_are_created_once_and_returned_in_order(events):
    assert create_indexes(events) == NAMES
    assert create_indexes(events) == []
    assert index_names(events) == NAMES


def test_only_missing_indexes_are_created(connection):
    connection.execute(EVENTS_INDEXES[1])
    assert create_indexes(connection) == [NAMES[0], NAMES[2]]
    assert not connection.in_transaction


def test_created_indexes_are_analyzed(events):
    create_indexes(events)
    with closing(sqlite3.connect(events)) as connection:
        analyzed = {name for (name,) in connection.execute("SELECT idx FROM sqlite_stat1")}
    assert set(NAMES) <= analyzed


def test_nothing_is_locked_if_no_index_is_missing(events, connection):
    create_indexes(events)
    with closing(sqlite3.connect(events)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert create_indexes(connection) == []


@pytest.mark.parametrize(
    "spelling",
    [
        "create  index  IF  not exists idx on events ( user_id , created_at )",
        'CREATE INDEX "idx" ON [events](`user_id`, "created_at");',
        "CREATE INDEX IDX ON Events(User_Id ASC, created_at asc) -- the newest\n;",
        "CREATE /* two */ INDEX idx /* columns */ ON events(user_id,created_at)",
    ],
)
def test_another_spelling_of_the_same_definition_is_the_same_index(spelling, connection):
    create_indexes(connection, indexes=["CREATE INDEX idx ON events(user_id, created_at)"])
    assert create_indexes(connection, indexes=[spelling]) == []


@pytest.mark.parametrize(
    "other",
    [
        "CREATE INDEX idx ON events(user_id)",
        "CREATE INDEX idx ON events(type, user_id)",
        "CREATE INDEX idx ON events(user_id, type DESC)",
        "CREATE INDEX idx ON events(user_id, type COLLATE NOCASE)",
        "CREATE INDEX idx ON events(user_id, type) WHERE status <> 200",
        "CREATE UNIQUE INDEX IF NOT EXISTS idx ON events(user_id, type)",
        "CREATE INDEX idx ON users(id, name)",
    ],
)
def test_an_index_of_that_name_with_another_definition_is_an_error(other, events):
    old = "CREATE INDEX idx ON events(user_id, type)"
    create_indexes(events, indexes=[old])
    with pytest.raises(IndexConflictError) as caught:
        create_indexes(events, indexes=["CREATE INDEX fresh ON events(status)", other])
    assert (
        old in str(caught.value)
        and other in str(caught.value)
        and "DROP INDEX" in str(caught.value)
    )
    assert index_names(events) == ["idx"]


def test_two_definitions_under_one_name_are_an_error_and_create_nothing(events):
    twice = ["CREATE INDEX idx ON events(type)", "CREATE INDEX IDX ON events(status)"]
    with pytest.raises(IndexConflictError) as caught:
        create_indexes(events, indexes=twice)
    assert all(statement in str(caught.value) for statement in twice)
    assert index_names(events) == []


def test_a_definition_that_is_given_twice_is_created_once(events):
    twice = ["CREATE INDEX idx ON events(type)", "CREATE INDEX idx ON events (type)"]
    assert create_indexes(events, indexes=twice) == ["idx"]


@pytest.mark.parametrize("name", ["a on b", "on", "if", "not a.b", 'quo"te', "индекс"])
def test_an_index_may_have_any_name(name, events):
    statement = f"CREATE INDEX {quoted(name)} ON events(title)"
    assert create_indexes(events, indexes=[statement]) == [name]
    assert create_indexes(events, indexes=[statement]) == [] and name in index_names(events)


@pytest.mark.parametrize("indexes", ["CREATE INDEX i ON t(a)", [None], [b"ANALYZE"], b"ANALYZE"])
def test_anything_but_a_list_of_statements_is_an_error(indexes, events):
    with pytest.raises(TypeError, match="pass a list of statements"):
        create_indexes(events, indexes=indexes)


def test_letter_case_and_spaces_count_inside_a_string(connection):
    create_indexes(connection, indexes=["CREATE INDEX idx ON events(user_id) WHERE type = 'a  b'"])
    for other in ("'A  b'", "'a b'"):
        with pytest.raises(IndexConflictError):
            create_indexes(
                connection, indexes=[f"CREATE INDEX idx ON events(user_id) WHERE type = {other}"]
            )


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE events",
        "CREATE TABLE t(x)",
        "CREATE INDEX i ON events(type); DROP TABLE events",
        "CREATE INDEX other.i ON events(type)",
        "CREATE INDEX i",
        "-- CREATE INDEX i ON events(type)",
        "",
    ],
)
def test_only_create_index_is_accepted(statement, events):
    before = digest(events)
    with pytest.raises(ValueError, match="not a statement CREATE"):
        create_indexes(events, indexes=[*EVENTS_INDEXES, statement])
    assert digest(events) == before


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("CREATE INDEX i ON nowhere(x)", ValueError),
        ("CREATE INDEX i ON events(no_such_column)", ValueError),
        ("CREATE INDEX events ON events(type)", ValueError),
        ("CREATE UNIQUE INDEX i ON events(type)", sqlite3.IntegrityError),
    ],
)
def test_all_indexes_are_created_or_none(statement, error, events, connection):
    with pytest.raises(error):
        create_indexes(connection, indexes=[*EVENTS_INDEXES, statement])
    assert index_names(events) == [] and not connection.in_transaction


def test_an_index_on_a_temporary_table_is_an_error_that_creates_nothing(connection):
    connection.execute("CREATE TEMP TABLE events(user_id, created_at)")
    with pytest.raises(ValueError, match=r"this one is temporary.*\n.*CREATE INDEX"):
        create_indexes(connection, indexes=["CREATE INDEX ours ON events(user_id)"])
    assert not connection.execute("SELECT 1 FROM temp.sqlite_master WHERE name = 'ours'").fetchall()


def test_inside_a_transaction_is_an_error_and_the_transaction_stays(connection):
    connection.execute("DELETE FROM events WHERE id = 1")
    with pytest.raises(sqlite3.ProgrammingError, match="commit"):
        create_indexes(connection)
    assert connection.in_transaction


@pytest.mark.skipif(sys.version_info < (3, 12), reason="autocommit came with Python 3.12")
@pytest.mark.parametrize("call", [create_indexes, vacuum_database])
def test_a_connection_without_autocommit_is_an_error_that_says_to_pass_the_path(call, events):
    with closing(sqlite3.connect(events, autocommit=False)) as connection:
        with pytest.raises(sqlite3.Error, match="with autocommit=False, pass the path"):
            call(connection)


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_workers_that_start_at_once_all_succeed(journal, tmp_path):
    path = make_events(tmp_path / "events.db", rows=100_000)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    # The workers wait at a pipe, so that they start together.
    program = """if True:
        import sys
        from course_lib.optimizer import create_indexes
        print("ready", flush=True)
        sys.stdin.readline()
        print(*create_indexes(sys.argv[1]))
    """
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    answers = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert sorted(answers) == [[], [], [], NAMES]


# --- Plan: the wording of each release ----------------------------------------------------

QUERIES = list(json.loads(plan_texts.FILE.read_text()))


def facts(plan: Plan):
    return (
        reads(plan.scans),
        reads(plan.searches),
        reads(plan.skip_scans),
        list(plan.sorts),
        plan.covering,
    )


@pytest.mark.parametrize("query", plan_texts.FACTS)
def test_plans_of_all_releases_of_sqlite_are_read_to_the_same_facts(query):
    plans = plan_texts.plans(query)
    by_release = {release: facts(Plan.from_rows(rows)) for release, rows in plans.items()}
    assert len(by_release) == 7
    assert by_release == dict.fromkeys(by_release, plan_texts.FACTS[query])


@pytest.mark.parametrize("query", plan_texts.FACTS)
def test_plans_of_this_sqlite_are_read_to_the_same_facts(query):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(plan_texts.SCHEMA)
        assert facts(analyze_query_performance(connection, query)) == plan_texts.FACTS[query]


def test_plans_of_the_sqlite_in_apsw_are_read_to_the_same_facts():
    apsw = pytest.importorskip("apsw")
    connection = apsw.Connection(":memory:")
    connection.execute(plan_texts.SCHEMA)
    for query, expected in plan_texts.FACTS.items():
        assert (
            facts(Plan.from_rows(list(connection.execute("EXPLAIN QUERY PLAN " + query))))
            == expected
        )


@pytest.mark.parametrize("query", QUERIES)
def test_every_table_access_is_recognized_with_its_index(query):
    indexes = {
        "i_user",
        "i_type_user",
        "i_part",
        "i_expr",
        "odd (index",
        "sqlite_autoindex_users_1",
    }
    for release, rows in plan_texts.plans(query).items():
        plan = Plan.from_rows(rows)
        assert set(plan.indexes) <= indexes, release
        for step in plan.steps:
            if step.text.startswith(("SCAN", "SEARCH", "USING")) and "CONSTANT" not in step.text:
                assert step.kind != "other" or "VALUES CLAUSE" in step.text, (release, step)
            if (
                " INDEX " in step.text
                and "AUTOMATIC" not in step.text
                and "VIRTUAL" not in step.text
            ):
                assert step.index or step.text.startswith("MULTI"), (release, step)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SCAN TABLE events", ("scan", "events", None, False)),
        ("SCAN events", ("scan", "events", None, False)),
        ("SCAN main.events", ("scan", "events", None, False)),
        ("SCAN TABLE events AS e", ("scan", "e", None, False)),
        ("SCAN TABLE events AS e USING COVERING INDEX i", ("scan", "e", "i", True)),
        ("SCAN e LEFT-JOIN", ("scan", "e", None, False)),
        ("SCAN plain EXISTS", ("scan", "plain", None, False)),
        ("SCAN events USING INDEX i", ("scan", "events", "i", False)),
        ("SEARCH events", ("scan", "events", None, False)),
        ("SEARCH b USING AUTOMATIC COVERING INDEX (a=?) LEFT-JOIN", ("scan", "b", None, False)),
        ("SEARCH TABLE b USING AUTOMATIC PARTIAL COVERING INDEX (a=?)", ("scan", "b", None, False)),
        (
            "SEARCH TABLE events USING INDEX i (user_id=? AND created_at>?)",
            ("search", "events", "i", False),
        ),
        (
            "SEARCH events USING INDEX i ((user_id,created_at)>(?,?))",
            ("search", "events", "i", False),
        ),
        ("SEARCH events USING INDEX i (<expr>=?) LEFT-JOIN", ("search", "events", "i", False)),
        ("SEARCH e EXISTS USING COVERING INDEX i (user_id=?)", ("search", "e", "i", True)),
        ("SEARCH events USING COVERING INDEX i", ("search", "events", "i", True)),
        (
            "SEARCH my table USING INDEX odd (index (my col=?)",
            ("search", "my table", "odd (index", False),
        ),
        ("SEARCH users USING INTEGER PRIMARY KEY (rowid=?)", ("search", "users", None, False)),
        ("SEARCH TABLE pairs USING PRIMARY KEY (a=? AND b>?)", ("search", "pairs", None, False)),
        ("USING INDEX i FOR IN-OPERATOR", ("search", None, "i", True)),
        ("USING ROWID SEARCH ON TABLE users FOR IN-OPERATOR", ("search", "users", None, False)),
        (
            "SEARCH events USING INDEX i (ANY(type) AND user_id=?)",
            ("skip-scan", "events", "i", False),
        ),
        (
            "SEARCH e USING COVERING INDEX i (ANY(a) AND ANY(b) AND c>? AND c<?)",
            ("skip-scan", "e", "i", True),
        ),
        ("SCAN TABLE f VIRTUAL TABLE INDEX 0:M1", ("virtual table", "f", None, False)),
        ("SCAN f VIRTUAL TABLE INDEX 3:", ("virtual table", "f", None, False)),
        ("SCAN SUBQUERY 2 AS t", ("subquery", "t", None, False)),
        ("SCAN SUBQUERY 2", ("subquery", None, None, False)),
        ("SCAN (subquery-1)", ("subquery", None, None, False)),
        ("SCAN (join-3) LEFT-JOIN", ("subquery", None, None, False)),
        ("SCAN CONSTANT ROW", ("other", None, None, False)),
        ("SCAN 5 CONSTANT ROWS", ("other", None, None, False)),
        ("SCAN 3-ROW VALUES CLAUSE", ("other", None, None, False)),
        ("MULTI-INDEX OR", ("other", None, None, False)),
        ("INDEX 1", ("other", None, None, False)),
        ("BLOOM FILTER ON b (a=?)", ("other", None, None, False)),
        ("CORRELATED SCALAR SUBQUERY 1", ("other", None, None, False)),
        ("LIST SUBQUERY 2", ("other", None, None, False)),
        ("a line of some future release", ("other", None, None, False)),
    ],
)
def test_a_line_of_a_plan_becomes_a_step(text, expected):
    (step,) = Plan.from_rows([(1, 0, 0, text)]).steps
    assert (step.kind, step.table, step.index, step.covering) == expected


@pytest.mark.parametrize(
    ("text", "purpose"),
    [
        ("USE TEMP B-TREE FOR ORDER BY", "ORDER BY"),
        ("USE TEMP B-TREE FOR GROUP BY", "GROUP BY"),
        ("USE TEMP B-TREE FOR DISTINCT", "DISTINCT"),
        ("USE TEMP B-TREE FOR count(DISTINCT)", "count(DISTINCT)"),
        ("USE TEMP B-TREE FOR RIGHT PART OF ORDER BY", "PART OF ORDER BY"),
        ("USE TEMP B-TREE FOR LAST TERM OF ORDER BY", "PART OF ORDER BY"),
        ("USE TEMP B-TREE FOR LAST 2 TERMS OF ORDER BY", "PART OF ORDER BY"),
        ("UNION USING TEMP B-TREE", "UNION"),
    ],
)
def test_a_sort_has_a_purpose(text, purpose):
    assert Plan.from_rows([(1, 0, 0, text)]).sorts == (purpose,)


def test_a_cte_is_no_table_but_a_table_of_the_same_name_inside_it_is():
    query = (
        "WITH {name} AS (SELECT type, count(*) n FROM main.events GROUP BY 1)"
        " SELECT * FROM {name} ORDER BY n"
    )
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(plan_texts.SCHEMA)
        for name in ("totals", "events"):
            plan = analyze_query_performance(connection, query.format(name=name))
            assert reads(plan.scans) == [("events", "i_type_user")]
        recursion = (
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 9)"
            " SELECT * FROM n"
        )
        if sqlite3.sqlite_version_info >= (3, 37):
            assert not analyze_query_performance(connection, recursion).scans


def test_a_plan_prints_as_a_tree():
    plan = Plan.from_rows(
        [
            (3, 0, 0, "SCAN a"),
            (9, 0, 0, "CORRELATED SCALAR SUBQUERY 1"),
            (12, 9, 0, "SEARCH b USING PRIMARY KEY (x=?)"),
            (30, 0, 0, "USE TEMP B-TREE FOR ORDER BY"),
        ]
    )
    assert str(plan).splitlines() == [
        "QUERY PLAN",
        "|--SCAN a",
        "|--CORRELATED SCALAR SUBQUERY 1",
        "|  `--SEARCH b USING PRIMARY KEY (x=?)",
        "`--USE TEMP B-TREE FOR ORDER BY",
    ]


def test_the_tree_is_drawn_as_in_the_sqlite_shell(events):
    query = (
        "SELECT *, (SELECT count(*) FROM events e WHERE e.user_id = u.id)"
        " FROM users u ORDER BY name"
    )
    program = f"SELECT sqlite_version(); EXPLAIN QUERY PLAN {query}"
    if not shutil.which("sqlite3"):
        pytest.skip("the sqlite3 shell is not installed")
    shell = subprocess.run(
        ["sqlite3", events, program], capture_output=True, text=True, check=False
    )
    if not shell.stdout.startswith(sqlite3.sqlite_version):
        pytest.skip("the sqlite3 shell is of another release")
    assert str(analyze_query_performance(events, query)) == shell.stdout.partition("\n")[2].rstrip()


# --- analyze_query_performance --------------------------------------------------------------------


def test_the_query_itself_never_runs(connection):
    ran = []
    connection.create_function("spy", 1, ran.append)
    analyze_query_performance(connection, "SELECT spy(id), spy(1) FROM events WHERE spy(user_id)")
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT count(*) FROM n"
    analyze_query_performance(connection, endless)
    assert ran == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO users SELECT * FROM users",
        "UPDATE events SET status = (SELECT 1)",
        "UPDATE events SET status = duration_ms WHERE user_id IN (SELECT id FROM users)",
        "DELETE FROM events WHERE id IN (SELECT id FROM users)",
        "WITH old AS (SELECT 1) DELETE FROM events",
        "WITH old AS (SELECT 1 AS x) UPDATE events SET status = (SELECT x FROM old)",
        "REPLACE INTO users SELECT * FROM users",
        "CREATE TABLE t(x)",
        "CREATE TEMP TABLE t AS SELECT * FROM events",
        "DROP TABLE events",
        "ALTER TABLE events ADD COLUMN x",
        "CREATE INDEX i ON events(type)",
        "PRAGMA journal_mode = wal",
        "PRAGMA user_version",
        "ATTACH 'other.db' AS other",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO 'copy.db'",
        "ANALYZE",
        "REINDEX",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT s",
        "EXPLAIN SELECT 1",
        "QUERY PLAN SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE events",
        "; SELECT 1",
        "*/ SELECT 1",
        "",
        "  \n ",
        "-- only a comment",
        "/* never closed",
        ";",
        "SELEC 1",
        "SELECT * FROM nowhere",
        "SELECT no_such_column FROM events",
        "SELECT no_such_function(1)",
        "SELECT * FROM events INDEXED BY no_such_index WHERE user_id = 1",
        "SELECT '\x00'",
        "SELECT '\ud800'",
    ],
)
def test_anything_but_a_single_query_is_rejected_and_changes_nothing(statement, events, tmp_path):
    before = digest(events)
    with closing(sqlite3.connect(events)) as connection:
        for db in (events, connection):
            with pytest.raises(ValueError):
                analyze_query_performance(db, statement)
        assert not connection.in_transaction
    assert digest(events) == before
    assert [file.name for file in tmp_path.iterdir()] == ["events.db"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1;",
        "SELECT 1 ; -- that is all",
        "/* first */ select 1",
        "VALUES (1), (2)",
        "WITH t AS (SELECT 1) SELECT * FROM t",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 3) SELECT * FROM n",
        "SELECT * FROM pragma_table_info('events')",
        "SELECT * FROM sqlite_master",
        "SELECT ';'",
    ],
)
def test_a_query_of_any_form_is_explained(query, events):
    assert analyze_query_performance(events, query).steps


@pytest.mark.parametrize("module", ["fts4(x)", "fts5(x)", "rtree(i, a, b)"])
def test_virtual_tables_are_explained_on_a_fresh_connection(module, events):
    with closing(sqlite3.connect(events)) as connection:
        try:
            connection.execute(f"CREATE VIRTUAL TABLE v USING {module}")
        except sqlite3.OperationalError:
            pytest.skip(f"this SQLite has no {module}")
    (step,) = analyze_query_performance(events, "SELECT * FROM v").steps
    assert (step.kind, step.table) == ("virtual table", "v")


@pytest.mark.parametrize("part", ["twice(user_id)", "title COLLATE ours"])
def test_what_only_the_application_has_is_an_error_that_says_what_to_pass(part, events):
    calls = [
        lambda: analyze_query_performance(events, f"SELECT 1 FROM events ORDER BY {part}"),
        lambda: get_table_stats(events, [f"SELECT 1 FROM events ORDER BY {part}"]),
        lambda: create_indexes(events, indexes=[f"CREATE INDEX ours ON events({part})"]),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"no such (function|collation)") as caught:
            call()
        (note,) = caught.value.__notes__
        assert "pass a connection on which" in note


def test_the_error_quotes_sqlite_and_the_query(events):
    with pytest.raises(ValueError, match=r"no such table: nowhere\n  SELECT \* FROM nowhere"):
        analyze_query_performance(events, "SELECT * FROM nowhere")
    with pytest.raises(ValueError, match="only a single SELECT"):
        analyze_query_performance(events, "DELETE FROM events")


@pytest.mark.parametrize(
    ("condition", "params"),
    [
        ("user_id = ? AND created_at > ? AND title = ?", ()),
        ("user_id = ? AND created_at > ? AND title = ?", (5,)),
        ("user_id = ? AND created_at > ? AND title = ?", [5, 6, "a"]),
        ("user_id = ?2 AND created_at > ?1", ()),
        ("user_id = ?2 AND created_at > ?1", (1,)),
        ("user_id = ?7", ()),
        ("user_id = :user AND created_at > @since AND title = $title", ()),
        ("user_id = :user AND created_at > :since", {"user": 5}),
        ("user_id = :user AND created_at > :since", {"user": 5, "since": 6, "more": 7}),
        ("user_id = 5", ()),
        ("user_id = 5 AND title <> '?'", ()),
    ],
)
@pytest.mark.filterwarnings("error")
def test_missing_parameters_are_null(condition, params, events):
    create_indexes(events)
    plan = analyze_query_performance(events, f"SELECT * FROM events WHERE {condition}", params)
    assert reads(plan.searches) == [("events", NAMES[0])]


@pytest.mark.parametrize("params", [(1, 2), ([1],), (2**70,), {"user": 1}])
def test_parameters_that_do_not_fit_are_an_error(params, events):
    with pytest.raises(ValueError, match="cannot explain"):
        analyze_query_performance(events, "SELECT * FROM events WHERE user_id = ?", params)


def test_a_plan_is_never_stale(events, connection):
    query = "SELECT * FROM events WHERE type = 'a' AND status = 3"

    def indexes(db) -> tuple[str, ...]:
        return analyze_query_performance(db, query).indexes

    with closing(sqlite3.connect(events)) as other:
        for changing in (other, connection):
            assert indexes(connection) == indexes(events) == ()
            changing.execute("CREATE INDEX i ON events(type, status)")
            assert indexes(connection) == indexes(events) == ("i",)
            changing.execute("DROP INDEX i")
        assert indexes(connection) == indexes(events) == ()
        connection.execute("ATTACH ? AS again", (str(events),))
        attached = "SELECT * FROM again.events WHERE type = 'a'"
        assert not analyze_query_performance(connection, attached).indexes
        other.execute("CREATE INDEX i ON events(type)")
        assert analyze_query_performance(connection, attached).indexes == ("i",)


def test_an_index_in_an_open_transaction_is_visible_to_its_connection_only(events, connection):
    connection.execute("DELETE FROM events WHERE id = 1")
    connection.execute("CREATE INDEX i ON events(type)")
    query = "SELECT * FROM events WHERE type = 'a'"
    assert analyze_query_performance(connection, query).indexes == ("i",)
    assert analyze_query_performance(events, query).indexes == ()
    assert connection.in_transaction


def test_a_given_connection_keeps_its_progress_handler_and_has_no_authorizer(connection):
    ticks = []
    connection.set_progress_handler(lambda: ticks.append(1), 1)
    for query in ("SELECT * FROM events", "DROP TABLE events"):
        with suppress(ValueError):
            analyze_query_performance(connection, query)
    ticks.clear()
    connection.execute(
        "INSERT INTO users VALUES (1, '', '', '', '', 0)"
    )  # fails if an authorizer is left
    assert ticks


def test_an_open_cursor_of_the_connection_still_works(connection):
    cursor = connection.execute("SELECT id FROM events ORDER BY id")
    assert cursor.fetchone() == (1,)
    analyze_query_performance(connection, "SELECT * FROM events")
    assert len(cursor.fetchall()) == 2999


def test_planning_that_takes_too_long_is_stopped(connection, monkeypatch):
    connection.execute(
        "CREATE VIEW v0 AS SELECT * FROM events WHERE user_id IN (1, 2) OR type = 'a'"
    )
    for level in range(10):
        twice = f"SELECT * FROM v{level} UNION ALL SELECT * FROM v{level} WHERE status > {level}"
        connection.execute(f"CREATE VIEW v{level + 1} AS {twice}")
    monkeypatch.setattr(explain, "PLANNING_SECONDS", 0.01)
    with pytest.raises(ValueError, match=r"planning takes over 0\.01 s"):
        analyze_query_performance(connection, "SELECT * FROM v10 x JOIN v2 y USING (user_id)")
    monkeypatch.undo()
    assert analyze_query_performance(connection, "SELECT * FROM v1").steps


NAME = st.sampled_from(
    ["events", "users", "e", "t", "id", "user_id", "type", "created_at", "*", "v", "nowhere"]
)
WORD = st.sampled_from(
    [
        "SELECT",
        "FROM",
        "WHERE",
        "AND",
        "OR",
        "IN",
        "(",
        ")",
        ",",
        "=",
        "<",
        "?",
        ":a",
        "?3",
        "1",
        "'x'",
        '"',
        "'",
        ";",
        "--",
        "/*",
        "*/",
        "AS",
        "JOIN",
        "USING",
        "ON",
        "GROUP",
        "ORDER",
        "BY",
        "LIMIT",
        "UNION",
        "WITH",
        "DELETE",
        "INSERT",
        "INTO",
        "UPDATE",
        "SET",
        "VALUES",
        "DROP",
        "TABLE",
        "PRAGMA",
        "ATTACH",
        "VACUUM",
        "NULL",
        "max",
        "count",
    ]
)
WORDS = st.lists(NAME | WORD | st.text(max_size=3), max_size=12).map(" ".join)
SELECTS = st.builds(
    "{}SELECT {} FROM {} WHERE {} {}".format,
    st.sampled_from(["", "WITH t AS (SELECT * FROM events) "]),
    NAME,
    st.sampled_from(
        ["events", "users, events e", "t JOIN users USING (id)", "(SELECT * FROM users LIMIT 3)"]
    ),
    st.builds(
        "{} {}".format, NAME, st.sampled_from(["= ?", "> :a", "IN (1, ?2)", "LIKE 'x%'", "IS NULL"])
    ),
    st.builds("{} {}".format, st.sampled_from(["ORDER BY", "GROUP BY", "UNION SELECT"]), NAME),
)


@fuzz(150)
@given(query=WORDS | SELECTS, params=st.lists(st.integers() | st.text() | st.none(), max_size=3))
def test_any_text_gives_a_plan_or_a_value_error_and_changes_nothing(query, params, events):
    before = digest(events)
    try:
        plan = analyze_query_performance(events, query, params)
    except ValueError:
        pass
    else:
        assert not any(
            step.kind == "other" and step.text.startswith("SEARCH") for step in plan.steps
        )
        assert len(str(plan).splitlines()) == len(plan.steps) + 1
    assert digest(events) == before


# --- vacuum_database ------------------------------------------------------------------------------


def empty_most(path: Path, journal: str = "delete") -> int:
    """Delete nine rows in ten; return how many are left."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("DELETE FROM events WHERE id % 10")
        connection.commit()
        return rows_in(connection)


def rows_in(connection: sqlite3.Connection) -> int:
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return connection.execute("SELECT count(*) FROM events").fetchone()[0]


def assert_nothing_is_lost(path: Path, rows: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert rows_in(connection) == rows
    assert [file.name for file in path.parent.glob("*.db*")] == [path.name]


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("passed", ["path", "connection"])
def test_vacuum_frees_the_disk_space_that_deleting_does_not(journal, passed, events):
    before = events.stat().st_size
    rows = empty_most(events, journal)
    assert events.stat().st_size >= before
    with closing(sqlite3.connect(events)) as connection:
        report = vacuum_database(events if passed == "path" else connection)
        assert (report.bytes_before, report.bytes_after) == (before, events.stat().st_size)
        assert report.bytes_after < before / 3
        page_size = connection.execute("PRAGMA page_size").fetchone()[0]
        assert report.pages_freed == (report.bytes_before - report.bytes_after) // page_size
        assert report.seconds > 0
    assert_nothing_is_lost(events, rows)


def test_a_database_in_memory_shrinks_too():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript("CREATE TABLE t AS SELECT zeroblob(100000) AS x; DROP TABLE t;")
        assert vacuum_database(connection).pages_freed > 20


def test_vacuum_inside_a_transaction_is_an_error_and_the_transaction_stays(events, connection):
    connection.execute("DELETE FROM events WHERE id = 1")
    with pytest.raises(VacuumError, match="inside a transaction: commit"):
        vacuum_database(connection)
    assert connection.in_transaction
    connection.rollback()
    assert_nothing_is_lost(events, 3000)


def test_vacuum_with_an_open_cursor_on_its_connection_is_an_error(events, connection):
    cursor = connection.execute("SELECT * FROM events")
    with pytest.raises(VacuumError, match="cursors"):
        vacuum_database(connection)
    assert len(cursor.fetchall()) == 3000


@pytest.mark.parametrize("busy", ["BEGIN IMMEDIATE", "SELECT * FROM events"])
def test_vacuum_on_a_busy_database_is_an_error(busy, events, connection):
    rows = empty_most(events)
    with closing(sqlite3.connect(events)) as other:
        cursor = other.execute(busy)
        with pytest.raises(VacuumError, match=r"nothing is lost: database is locked; .*timeout"):
            vacuum_database(connection)
        cursor.close()
        other.rollback()
    connection.close()
    assert_nothing_is_lost(events, rows)


def test_vacuum_with_a_reader_in_wal_mode_says_when_the_file_will_shrink(events, connection):
    rows = empty_most(events, "wal")
    with closing(sqlite3.connect(events)) as reader:
        reader.execute("BEGIN")
        assert rows_in(reader) == rows
        with pytest.raises(VacuumError, match="when the reader has ended"):
            vacuum_database(connection)
        assert rows_in(reader) == rows
        reader.rollback()
        size = events.stat().st_size
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        assert events.stat().st_size < size / 3
    connection.close()
    assert_nothing_is_lost(events, rows)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX foreign_ ON t(twice(n))",
        "CREATE INDEX foreign_ ON t(n) WHERE twice(n) > 2",
        "CREATE TABLE u(n CHECK (twice(n) > 0))",
        "CREATE TABLE u(n, two AS (twice(n)) STORED)",
        "CREATE TABLE u(n COLLATE ours UNIQUE)",
    ],
)
def test_vacuum_without_what_the_application_defines_says_to_define_it(statement, tmp_path):
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.create_function("twice", 1, lambda n: 2 * n, deterministic=True)
        connection.create_collation("ours", lambda a, b: (a > b) - (a < b))
        connection.execute("CREATE TABLE t(n)")
        connection.execute("INSERT INTO t VALUES (1), (2)")
        connection.execute(statement)
        if "TABLE" in statement:
            connection.execute("INSERT INTO u(n) VALUES (1), (2)")
    with pytest.raises(VacuumError, match="functions and collations are defined"):
        vacuum_database(path)


def test_vacuum_on_a_read_only_connection_is_an_error(events):
    with closing(sqlite3.connect(f"{events.as_uri()}?mode=ro", uri=True)) as connection:
        with pytest.raises(VacuumError, match=r"readonly.*writable"):
            vacuum_database(connection)


@pytest.mark.parametrize("call", CALLS)
def test_a_database_in_wal_mode_on_a_read_only_disk_says_to_pass_a_copy(call, tiny_disk):
    path = make_events(tiny_disk / "events.db", rows=10)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    with pytest.raises(sqlite3.OperationalError) as caught:
        call(path)
    assert any("pass a copy" in note for note in caught.value.__notes__)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to anything")
def test_vacuum_of_a_file_without_write_permission_is_an_error(events):
    events.chmod(0o400)
    with pytest.raises(VacuumError, match=r"readonly.*writable"):
        vacuum_database(events)


def test_vacuum_first_checks_the_free_space_on_the_disk(events, monkeypatch):
    rows = empty_most(events)
    usage = shutil.disk_usage(events)
    with closing(sqlite3.connect(events)) as connection:
        (live,) = connection.execute(
            "SELECT (page_count - freelist_count) * page_size"
            " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        ).fetchone()
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=live - 1))
    with pytest.raises(VacuumError, match=f"need {live:,} bytes .* {live - 1:,} are free"):
        vacuum_database(events)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=live))
    assert vacuum_database(events).pages_freed > 0
    assert_nothing_is_lost(events, rows)


def test_vacuum_of_a_damaged_file_is_a_database_error_and_no_vacuum_error(events):
    with closing(sqlite3.connect(events)) as connection:
        root, page_size = connection.execute(
            "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name = 'events'"
        ).fetchone()
    with events.open("r+b") as file:
        file.seek((root - 1) * page_size)
        file.write(b"damage" * 100)
    before = digest(events)
    with pytest.raises(sqlite3.DatabaseError, match="malformed") as caught:
        vacuum_database(events)
    assert not isinstance(caught.value, VacuumError)
    assert digest(events) == before


def test_a_disk_that_fills_up_during_vacuum_is_an_error_and_nothing_is_lost(tmp_path):
    path = make_events(tmp_path / "events.db", rows=30_000)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DELETE FROM events WHERE id <= 15000")
    program = """if True:
        import resource, sys
        from course_lib.optimizer import VacuumError, vacuum_database
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            vacuum_database(sys.argv[1])
        except VacuumError as error:
            print(error)
    """
    answer = subprocess.run(
        [sys.executable, "-c", program, path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "nothing is lost" in answer.stdout and "free some space" in answer.stdout, answer.stderr
    assert_nothing_is_lost(path, 15_000)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]
    if (
        sys.platform != "linux"
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("only root on Linux can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_for_temporary_files_is_an_error_and_nothing_is_lost(tiny_disk, tmp_path):
    path = make_events(tmp_path / "events.db", rows=100_000)
    program = (
        "import sys; from course_lib.optimizer import vacuum_database; vacuum_database(sys.argv[1])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, path],
        env=os.environ | {"SQLITE_TMPDIR": str(tiny_disk)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "VacuumError" in answer.stderr and "free some space" in answer.stderr
    assert_nothing_is_lost(path, 100_000)


# --- get_table_stats ------------------------------------------------------------------------------


def test_the_stats_have_rows_bytes_and_the_queries_that_use_each_index(events):
    create_indexes(events)
    events_table, users = get_table_stats(events, [NEWEST, TOTALS, "SELECT * FROM users"])
    assert (events_table.name, events_table.rows, users.rows) == ("events", 3000, 0)
    assert {index.name: (index.columns, index.used_by) for index in events_table.indexes} == {
        NAMES[0]: (("user_id", "created_at"), (NEWEST,)),
        NAMES[1]: (("type",), (TOTALS,)),
        NAMES[2]: (("created_at", "user_id"), ()),
    }
    if events_table.bytes is not None:
        sizes = [index.bytes for index in events_table.indexes]
        assert all(0 < size < events_table.bytes for size in sizes)
        assert events_table.bytes + sum(sizes) < events.stat().st_size


def test_the_stats_work_without_dbstat(events):
    create_indexes(events)
    with closing(sqlite3.connect(events)) as connection:
        # Denying access to dbstat is the closest we can get to an SQLite built without it.
        connection.set_authorizer(lambda _action, table, *_: table == "dbstat")
        (table, _) = get_table_stats(connection, [NEWEST])
    assert (table.rows, table.bytes) == (3000, None)
    assert [index.bytes for index in table.indexes] == [None] * 3
    assert table.indexes[-1].used_by or table.indexes[0].used_by or table.indexes[1].used_by


def test_odd_names_work_and_views_and_virtual_tables_are_left_out(tmp_path):
    path = tmp_path / "odd.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE "a ""quoted"" [name]; --"(x, "select" UNIQUE);
            CREATE INDEX "an 'odd' one" ON "a ""quoted"" [name]; --"(lower(x), "select" DESC)
                WHERE x > 1;
            INSERT INTO "a ""quoted"" [name]; --" VALUES (1, 2), (3, 4);
            CREATE TABLE pairs(a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;
            CREATE INDEX pairs_b ON pairs(b);
            CREATE TABLE counter(id INTEGER PRIMARY KEY AUTOINCREMENT);
            CREATE VIEW v AS SELECT * FROM pairs;
            CREATE VIRTUAL TABLE words USING fts4(text);
            ANALYZE;
            """
        )
        shadows = {
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE name LIKE 'words%'"
            )
            if name != "words"
        }
    stats = {table.name: table for table in get_table_stats(path) if table.name not in shadows}
    odd = 'a "quoted" [name]; --'
    assert list(stats) == [odd, "counter", "pairs"]
    assert stats[odd].rows == 2
    columns = {index.name: index.columns for index in stats[odd].indexes}
    assert columns["an 'odd' one"] == ("<expression>", "select DESC")
    assert [columns[name] for name in columns if name.startswith("sqlite_autoindex")] == [
        ("select",)
    ]
    assert [index.name for index in stats["pairs"].indexes] == ["pairs_b"]


def test_stats_of_a_single_string_are_an_error(events):
    with pytest.raises(TypeError, match="pass a list of queries"):
        get_table_stats(events, "SELECT 1")


def test_an_error_names_the_wrong_query(events):
    with pytest.raises(ValueError, match="SELECT nothing FROM events"):
        get_table_stats(events, [NEWEST, "SELECT nothing FROM events"])
