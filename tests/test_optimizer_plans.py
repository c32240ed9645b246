"""Test that plans are read right for odd names, and at the ends of a table or an index."""

import sqlite3
from contextlib import closing

import pytest

from course_lib.optimizer import analyze_query_performance
from course_lib.optimizer.database import quoted

NAMES = [
    "a(b", "a)b", "x) AND (y", "x=?", "USING INDEX q", "(", 'q"x', "ANY(z)", "a) AND b=?",
    "INDEX i (c", "?", "--x", "rowid",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_is_read_right_for_a_column_named(name):
    column = quoted(name)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(f"""
            CREATE TABLE t({column}, z);
            CREATE INDEX i ON t({column});
            CREATE INDEX [i (j] ON t(z, {column});
            CREATE TABLE w({column}, z, PRIMARY KEY ({column}, z)) WITHOUT ROWID;
        """)
        found = {}
        for condition in (f"{column} = 5 AND +z = 1", f"z = 1 AND {column} > 3"):
            query = f"SELECT * FROM t WHERE {condition}"
            (step,) = analyze_query_performance(connection, query).searches
            found[condition] = step.index
        assert list(found.values()) == ["i", "i (j"]
        query = f"SELECT * FROM w WHERE {column} = 5 AND z > 3"
        (step,) = analyze_query_performance(connection, query).searches
        assert (step.table, step.index) == ("w", None)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("SELECT max(id) FROM t", "search"),
        ("SELECT min(rowid) FROM t", "search"),
        ("SELECT max(d) FROM t", "scan"),
        ("SELECT max(id) FROM t WHERE d = 5", "scan"),
        ("SELECT max(a) FROM w", "search"),
        ("SELECT max(b) FROM w", "scan"),
        ("SELECT max(x) FROM t", "search"),
        ("SELECT min(x) FROM t", "search"),
        ("SELECT max(y) FROM t", "scan"),
    ],
)
def test_an_extreme_at_the_end_of_an_index_is_no_scan(query, kind):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript("""
            CREATE TABLE t(id INTEGER PRIMARY KEY, d, x, y);
            CREATE INDEX by_x ON t(x, y);
            CREATE TABLE w(a PRIMARY KEY, b) WITHOUT ROWID;
        """)
        (step,) = analyze_query_performance(connection, query).steps
        assert step.kind == kind


def test_a_greatest_value_is_found_beside_one_that_needs_a_scan():
    query = "SELECT (SELECT max(id) FROM t), (SELECT max(d) FROM t)"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, d)")
        plan = analyze_query_performance(connection, query)
    assert len(plan.searches) == len(plan.scans) == 1
