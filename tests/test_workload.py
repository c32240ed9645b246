"""Sets of indexes are compared on copies of their own; `.expert` takes part if there is a shell."""

import os
import shutil
import sqlite3

import pytest

from course_lib.lab import bench, events, paths, workload

ROWS = 20_000
QUERIES = [
    ("SELECT count(*) FROM events WHERE user_id = 123", 10),
    ("SELECT max(duration_ms) FROM events", 1),
]
INDEX = "CREATE INDEX i ON events(user_id)"


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "DATA", tmp_path)


@pytest.mark.measures
def test_each_set_is_measured_and_a_missing_one_is_skipped():
    contest = workload.contest({"none": [], "absent": None, "one": [INDEX]}, QUERIES, rows=ROWS)
    assert list(contest.sets) == ["none", "one"]
    assert contest.sets["none"] == workload.IndexSet(0, 0)
    assert contest.sets["one"].indexes == 1 and contest.sets["one"].bytes > 100_000
    assert contest.total.median("one") < contest.total.median("none")


def test_the_table_has_each_query_and_the_whole_workload_by_set():
    table = example().table()
    assert list(table.columns) == ["none", "one"]
    assert table.loc["SELECT 1", "one"] == "10 ms"
    assert table.loc["the whole workload", "none"] == "2 s"
    assert table.loc["times faster (95% interval)"].tolist() == ["1", "4 (4 to 4)"]


def test_the_picture_names_the_number_and_size_of_the_indexes():
    assert "one 1 index, 3 MB 4." in example().plot("A contest").alt


def example():
    sets = {"none": workload.IndexSet(0, 0), "one": workload.IndexSet(1, 3_000_000)}
    total = bench.Comparison({"none": [2.0] * 6, "one": [0.5] * 6})
    query = bench.Comparison({"none": [0.04] * 6, "one": [0.01] * 6})
    return workload.Contest(sets, total, {"SELECT\n  1": query})


def test_a_statement_that_sqlite_rejects_is_an_error_and_leaves_no_copy():
    with pytest.raises(sqlite3.OperationalError, match="no such column: absent"):
        workload.contest(
            {"none": [], "wrong": ["CREATE INDEX i ON events(absent)"]}, QUERIES, rows=ROWS
        )
    assert len(events._open_copies) == 0


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="the sqlite3 shell is not installed")
def test_expert_proposes_indexes_for_queries_of_several_lines():
    with events.copy(rows=ROWS) as db:
        several_lines = ("SELECT count(*)\nFROM events\nWHERE user_id = 123", 1)
        statements = workload.expert(db, [several_lines, *QUERIES])
        assert any("events(user_id)" in statement for statement in statements)
        db.connect().execute(statements[0])  # SQLite accepts it unchanged


def test_without_a_shell_expert_returns_none(monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    with events.copy(rows=ROWS) as db:
        assert workload.expert(db, QUERIES) is None


def test_the_advisor_returns_a_timing_for_each_query():
    with events.copy(rows=ROWS) as db:
        advice = workload.advise(db, QUERIES, seconds=5)
    assert len(advice.queries) == len(QUERIES)
