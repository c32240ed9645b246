"""Test which statements the advisor understands, and that it measures them as they're written."""

import json
import math
import shutil
import sqlite3
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import pytest

from course_lib.advisor import explain_recommendation
from course_lib.advisor.pushdown import Pushdown
from course_lib.advisor.reading import Reading
from course_lib.advisor.schema import Table
from course_lib.advisor.statement import Statement, as_literal
from course_lib.optimizer import analyze_query_performance, create_indexes

# An index is only recommended if it measures as faster.
pytestmark = pytest.mark.measures

SCHEMA = """
    CREATE TABLE owner(id INTEGER PRIMARY KEY, land TEXT, name TEXT);
    CREATE TABLE item(id INTEGER PRIMARY KEY, owner INTEGER REFERENCES owner(id), kind TEXT,
        day INTEGER, zip TEXT, gone TEXT, data TEXT, note TEXT);
    CREATE TABLE old(id INTEGER PRIMARY KEY, owner INTEGER, note TEXT);
    CREATE VIEW named(who, what) AS SELECT owner, note FROM item;
    CREATE VIEW joined AS SELECT id, owner, note FROM item UNION ALL SELECT * FROM old;
    CREATE VIEW twice AS SELECT who AS person, what FROM named WHERE what > '';
"""


@pytest.fixture(scope="module")
def db(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("items") / "items.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        owners = ((f"l{i % 40}", f"name{i}") for i in range(2_000))
        connection.executemany("INSERT INTO owner(land, name) VALUES (?, ?)", owners)
        items = [
            (i * 7919 % 2000, "ab"[i % 2], i * 31 % 20_000, f"{i * 13 % 5000:05}",
             None if i % 50 else "x", json.dumps({"city": f"c{i % 900}"}), f"{i:060}")
            for i in range(10_000)
        ]  # fmt: skip
        connection.executemany(
            "INSERT INTO item(owner, kind, day, zip, gone, data, note) VALUES (?,?,?,?,?,?,?)",
            items,
        )
        connection.execute("INSERT INTO old(owner, note) SELECT owner, note FROM item")
    return path


FOUND = {
    "a list and a range": ("SELECT note FROM item WHERE owner IN (3, 7) AND day > 500", "(owner=?"),
    "a list of row values": (
        "SELECT zip FROM item WHERE (owner, day) IN (SELECT owner, id FROM old WHERE id < 3)",
        "SEARCH item",  # by either column, because SQLite uses one, and both find few rows
    ),
    "a keyset": (
        "SELECT * FROM item WHERE (day, id) < (?, ?) ORDER BY day DESC, id DESC LIMIT 20",
        "day",
    ),
    "LIKE with ESCAPE": (
        "SELECT data FROM item WHERE zip LIKE '001!_%' ESCAPE '!'",
        "zip>? AND zip<?",
    ),
    "a hint": ("SELECT note FROM item WHERE unlikely(owner = 5)", "(owner=?"),
    "a path in double quotes": (
        "SELECT id FROM item WHERE json_extract(data, \"$.city\") = 'c5'",
        "(<expr>=?",
    ),
    "a cast to a type of the author's": (
        "SELECT note FROM item WHERE CAST(zip AS INT) = 77",
        "(<expr>=?",
    ),
    "a natural join": (
        "SELECT name FROM owner NATURAL JOIN (SELECT owner AS id FROM item WHERE day = 31)",
        "(day=?",
    ),
    "a natural join of a subquery": (
        "SELECT note FROM item NATURAL JOIN (SELECT id AS owner FROM owner WHERE name = 'name5')",
        "(owner=?",
    ),
    "a join in parentheses": (
        "SELECT i.note FROM (item i JOIN owner o ON o.id = i.owner) WHERE o.name = 'name5'",
        "(name=?",
    ),
    "a view that names its columns": ("SELECT * FROM named WHERE who = ?", "(owner=?"),
    "a view of a UNION": ("SELECT * FROM joined WHERE owner = 7", "(owner=?"),
    "a view of a view": ("SELECT * FROM twice WHERE person = 7", "(owner=?"),
    "a CTE that names its columns": (
        "WITH c(a, b) AS (SELECT owner, note FROM item) SELECT b FROM c WHERE a = $a",
        "(owner=?",
    ),
    "a parameter in a function": ("SELECT note FROM item WHERE lower(zip) = lower(?)", "<expr>=?"),
    "numbered parameters": (
        "SELECT note FROM item WHERE owner = ?2 AND day > ?1 LIMIT (?3 - 1) * 20",
        "(owner=? AND day>?",
    ),
    "an optional condition": (
        "SELECT note FROM item WHERE (:kind IS NULL OR kind = :kind) AND owner = @owner",
        "owner=?",
    ),
    "few rows and no other column": (
        "SELECT note FROM item WHERE gone IS NOT NULL",
        "USING INDEX",
    ),
    "few rows and NOT in front": ("SELECT note FROM item WHERE NOT (gone IS NULL)", "USING INDEX"),
    "a value between two columns": (
        "SELECT note FROM item WHERE 500 BETWEEN day AND day + 3",
        "(day<?",
    ),
    "a parameter between two columns": (
        "SELECT note FROM item WHERE ? BETWEEN day AND day + 3",
        "(day<?",
    ),
    "a row value between two": (
        "SELECT * FROM item WHERE (day, id) BETWEEN (500, 1) AND (510, 5)",
        "(day>? AND day<?",
    ),
    "a column of another table between two": (
        "SELECT note FROM owner JOIN item ON owner.id BETWEEN item.day AND item.day + 3"
        " WHERE owner.name = 'name5'",
        "(day<?",
    ),
    "the better of two indexes if SQLite prefers the other": (
        "SELECT owner FROM item WHERE zip = '00007'"
        " UNION SELECT owner FROM item WHERE day < 90 ORDER BY 1 LIMIT 20",
        "(day<?",
    ),
    "DELETE": ("DELETE FROM item WHERE day < 50", "(day<?"),
    "UPDATE": ("UPDATE item SET note = ? WHERE zip = ?", "(zip=?"),
    "Django's join": (
        'SELECT "item"."id", "item"."note" FROM "item" INNER JOIN "owner"'
        ' ON ("item"."owner" = "owner"."id") WHERE "owner"."name" = \'name7\''
        ' ORDER BY "item"."day" DESC LIMIT 21',
        "(owner=?",
    ),
    "SQLAlchemy's subquery": (
        "SELECT anon_1.id FROM (SELECT item.id AS id, item.owner AS o FROM item) AS anon_1"
        " WHERE anon_1.o = ?",
        "(owner=?",
    ),
}


@pytest.mark.parametrize(("query", "step"), FOUND.values(), ids=FOUND)
def test_it_finds_an_index_for(query, step, db, tmp_path):
    advice = explain_recommendation(db, [query], writes=0, seconds=20)
    assert not advice.skipped
    copy = tmp_path / "copy.db"
    shutil.copy(db, copy)
    create_indexes(copy, indexes=advice.statements)
    (timing,) = advice.queries
    assert timing.indexes and timing.after < timing.before
    if query.startswith("SELECT"):
        assert step in str(analyze_query_performance(copy, query))
    else:
        assert step[1:4] in advice.statements[0]


def test_nothing_is_recommended_that_the_query_as_written_cannot_use(db):
    for query in (
        "SELECT * FROM item WHERE kind = 'a' ORDER BY +day DESC LIMIT 5",
        "SELECT count(*) FROM item WHERE +owner = 7",
    ):
        advice = explain_recommendation(db, [query], writes=0, seconds=20)
        plan = str(analyze_query_performance(db, query))
        assert all(query in index.serves for index in advice.indexes), plan


def test_a_parent_that_is_deleted_needs_an_index_on_its_children(db):
    advice = explain_recommendation(db, ["DELETE FROM owner WHERE id = 5"], writes=0, seconds=20)
    assert [index.statement.split(" ON ")[1] for index in advice.indexes] == ["item(owner)"]


def test_a_delete_that_cascades_needs_an_index_on_the_children_of_children(tmp_path):
    db = tmp_path / "cascade.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.executescript("""
            CREATE TABLE topic(id INTEGER PRIMARY KEY);
            CREATE TABLE post(id INTEGER PRIMARY KEY,
                topic INTEGER REFERENCES topic ON DELETE CASCADE);
            CREATE TABLE mark(id INTEGER PRIMARY KEY,
                post INTEGER REFERENCES post ON DELETE CASCADE, note TEXT);
        """)
        topics, posts, marks = range(500), range(5_000), range(20_000)
        connection.executemany("INSERT INTO topic VALUES (?)", ((i,) for i in topics))
        connection.executemany("INSERT INTO post VALUES (?, ?)", ((i, i // 10) for i in posts))
        connection.executemany("INSERT INTO mark VALUES (?, ?, '')", ((i, i // 4) for i in marks))
    advice = explain_recommendation(db, ["DELETE FROM topic WHERE id = 5"], writes=0, seconds=20)
    indexes = {index.statement.split(" ON ")[1] for index in advice.indexes}
    assert indexes == {"post(topic)", "mark(post)"}


def test_an_update_changes_neither_the_database_nor_the_next_measurement(db):
    before = db.read_bytes()
    count = "SELECT count(*) FROM item WHERE day < 90"
    advice = explain_recommendation(db, ["DELETE FROM item", count], writes=0, seconds=20)
    assert db.read_bytes() == before and not advice.skipped


def test_a_delete_counts_with_what_it_changes_in_indexes(tmp_path):
    db = tmp_path / "log.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE log(id INTEGER PRIMARY KEY, owner, day, note)")
        rows = ((i, i * 7919 % 3_001, i * 104729 % 1_009, "x" * 20) for i in range(40_000))
        connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", rows)
    delete = "DELETE FROM log WHERE id BETWEEN 100 AND 1100"
    search = "SELECT note FROM log WHERE owner = 7"
    often_read = [(delete, 1), (search, 1_000)]
    advice = explain_recommendation(db, often_read, writes=0, seconds=20)
    assert [index.serves for index in advice.indexes] == [(search,)]
    (timing,) = (timing for timing in advice.queries if timing.sql == delete)
    assert timing.after > timing.before
    often_deleted = [(delete, 1_000), (search, 1)]
    assert not explain_recommendation(db, often_deleted, writes=0, seconds=20).indexes


def test_given_parameters_are_used():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t(a, b)")
        rows = ((min(i, 300), i) for i in range(20_000))  # 300 is nearly all of the table
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.commit()
        query = "SELECT sum(length(b)) FROM t WHERE a >= ?"
        rare = [(query, 5, (301,)), (query, 5, [400])]
        common = [(query, 5, {"1": 0})]
        assert explain_recommendation(connection, rare, writes=0, seconds=20).indexes
        advice = explain_recommendation(connection, common, writes=0, seconds=20)
        assert [timing.frequency for timing in advice.queries] == [5]
        wrong = explain_recommendation(connection, [(query, 5, {"x": 0})], writes=0, seconds=20)
        assert wrong.skipped == {query: "it has no value for the parameter 1: pass one"}
        odd = explain_recommendation(connection, [(query, 5, [{1}])], writes=0, seconds=20)
        assert "SQLite can't store" in odd.skipped[query]


@pytest.mark.filterwarnings("ignore:The default date:DeprecationWarning")
@pytest.mark.parametrize(
    "value",
    [
        *(date(2026, 11, 30), datetime(2026, 11, 30, 12), bytearray(b"x"), memoryview(b"x")),
        *(True, -(2**63), math.nan, math.inf, "a\0b", "é", None, b""),
    ],
)
def test_a_value_is_bound_as_python_stores_it(value):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t(a)")
        connection.execute("INSERT INTO t VALUES (?)", [value])
        ((stored,),) = connection.execute("SELECT a FROM t").fetchall()
    assert Statement("SELECT ?").bound([value]) == {"p1": stored}


@pytest.mark.parametrize(
    "value", [7, -(2**63), 0.1, -math.inf, math.inf, 1e300, "it's", "", b"\0", None]
)
def test_a_literal_is_read_as_the_value_it_was_written_for(value):
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(f"SELECT {as_literal(value)}").fetchone() == (value,)


def test_the_order_of_given_parameters_does_not_decide():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t(a, b, c)")
        rows = ((i * 7919 % 9973 if i % 3 else 0, i, f"{i:090}") for i in range(30_000))
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.commit()
        query = "SELECT count(*) FROM t WHERE a = ? AND c LIKE '%x%'"
        for values in ([0], [5], [7]), ([5], [7], [0]):
            workload = [(query, 1, value) for value in values]
            advice = explain_recommendation(connection, workload, writes=0, seconds=20)
            assert [index.statement[-4:] for index in advice.indexes] == ["t(a)"]


def test_parameters_get_the_numbers_that_sqlite_gives_them():
    statement = Statement("SELECT '?', \"a?\", ? /* ? */, ?5, ?, :a, @a, $a, :a -- ?")
    assert statement.names == {
        "p1": "1", "p5": "5", "p6": "6", "p7": "a", "p8": "a", "p9": "a",
    }  # fmt: skip
    assert statement.bound([*"abcdefghi"])["p6"] == "f"


def test_a_parameter_is_named_as_sqlite_reads_it():
    statement = Statement("SELECT a$1, $1, :2, $a::b, $c(d)")
    assert statement.names == {"p1": "1", "p2": "2", "p3": "a::b", "p4": "c(d)"}
    values = statement.bound({"1": 5, "2": 6, "a::b": 7, "c(d)": 8})
    with closing(sqlite3.connect(":memory:")) as connection:
        row = connection.execute(statement.text.replace("a$1", "0"), values).fetchone()
    assert row == (0, 5, 6, 7, 8)


@pytest.mark.parametrize(
    "sql", ["UPDATE OR IGNORE t SET b = 1 WHERE a = ?", "\ufeffSELECT b FROM t WHERE a = $1"]
)
def test_it_reads(sql):
    table = Table("t", 9, {name: name for name in "ab"}, {}, frozenset({"rowid"}))
    (scan,) = Reading(sql, {"t": table}, {}).scans
    assert scan.equal == ("a",)


def test_a_recursive_query_is_read_to_its_end():
    table = Table("t", 9, {n: n for n in ("id", "up")}, {}, frozenset({"rowid", "id"}))
    query = (
        "WITH RECURSIVE r(n) AS (SELECT id FROM t WHERE up = 1"
        " UNION ALL SELECT t.id FROM t JOIN r ON t.up = r.n) SELECT * FROM r WHERE n > 5"
    )
    scans = Reading(query, {"t": table}, {}).scans
    assert {key for scan in scans for key in scan.equal + scan.joined} == {"up"}
    assert Pushdown([], {}).uses(object()) == []
