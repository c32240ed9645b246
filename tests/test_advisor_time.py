"""Test that the advisor ends in its time, whatever a row or a statement costs."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from course_lib.advisor import explain_recommendation
from course_lib.advisor.database_copy import DatabaseCopy
from course_lib.advisor.inserts import Inserts
from course_lib.advisor.reading import Reading
from course_lib.advisor.schema import Table
from course_lib.advisor.trial import Trial

NUMBERS = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
EASY = "SELECT count(*) FROM easy WHERE owner = 7"


def create(path: Path, table: str, rows: int, values: str) -> Path:
    """Create a database with this table t and one that's easy to serve."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(table)
        connection.execute(f"{NUMBERS.format(rows=rows)} INSERT INTO t SELECT {values} FROM n")
        connection.execute("CREATE TABLE easy(id INTEGER PRIMARY KEY, owner INTEGER, body TEXT)")
        easy = f"{NUMBERS.format(rows=5_000)} INSERT INTO easy SELECT i, i % 900, 'x' FROM n"
        connection.execute(easy)
    return path


def test_few_rows_are_rewritten_if_each_takes_long(tmp_path, monkeypatch):
    counts: list[int] = []
    rewrite = Inserts._rewrite

    def count(inserts: Inserts, table: Table, rows: int, repeats: int = 1) -> float:
        counts.append(rows)
        return rewrite(inserts, table, rows, repeats)

    monkeypatch.setattr(Inserts, "_rewrite", count)
    heavy = "length(hex(zeroblob(2000000 + a)))"  # takes milliseconds, in an index that exists
    db = create(tmp_path / "t.db", "CREATE TABLE t(id INTEGER PRIMARY KEY, a)", 40, "i, i % 50")
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(f"CREATE INDEX heavy ON t({heavy})")
    with Trial.of(db, time.perf_counter() + 30) as trial:
        assert Inserts(trial).seconds("t") > 0
        assert max(counts) < 100
        assert Inserts(trial).seconds("easy") > 0
        assert max(counts) > 100


def test_a_table_with_expensive_generated_columns_is_read_without_computing_them(tmp_path):
    table = "CREATE TABLE t(id INTEGER PRIMARY KEY, a, s AS (a || 'x') STORED)"
    db = create(tmp_path / "t.db", table, 400, "i, i % 50")
    with closing(sqlite3.connect(db)) as connection:
        column = "g AS (length(hex(zeroblob(20000000 + a))))"
        connection.execute(f"ALTER TABLE t ADD COLUMN {column}")
    with DatabaseCopy.of(db, time.perf_counter() + 5) as copy:
        widths = copy.tables["t"].widths
    assert widths["s"] > 2 and "g" not in widths and "g" in copy.tables["t"].columns


def test_a_statement_too_long_to_read_in_time_does_not_cost_the_others_theirs(tmp_path):
    db = create(tmp_path / "t.db", "CREATE TABLE t(a, b)", 10, "i, i")
    # The parser needs half a minute for this.
    long = f"SELECT b FROM t WHERE a IN ({', '.join(map(str, range(200_000)))})"
    advice = explain_recommendation(db, [long, EASY], writes=0, seconds=8)
    assert list(advice.skipped) == [long] and "no time was left" in advice.skipped[long]
    assert [timing.sql for timing in advice.queries] == [EASY]


def test_of_more_statements_than_there_is_time_to_read_some_are_measured(tmp_path):
    db = create(tmp_path / "t.db", "CREATE TABLE t(id INTEGER PRIMARY KEY, a)", 9, "i, i")
    statements = [f"SELECT id FROM t WHERE a = {number}" for number in range(20_000)]
    advice = explain_recommendation(db, statements, seconds=4)
    assert advice.queries and advice.skipped
    assert len(advice.queries) + len(advice.skipped) == len(statements)


@pytest.mark.parametrize("branches", [20, 200])
def test_a_long_or_is_read_by_looking_at_the_whole_tree_once(branches, monkeypatch):
    from course_lib.advisor import select_table

    calls = []
    own_joins = select_table.own_joins
    monkeypatch.setattr(
        select_table, "own_joins", lambda select: calls.append(1) or own_joins(select)
    )
    table = Table("t", 9, {name: name for name in "ab"}, {}, frozenset({"rowid"}))
    either = " OR ".join(f"(a = {number} AND b = {number})" for number in range(branches))
    reading = Reading(f"SELECT a FROM t WHERE {either}", {"t": table}, {})
    assert len(reading.scans) == branches + 1 and len(calls) == 1
