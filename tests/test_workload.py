"""Sets of indexes are compared on copies of their own; `.expert` takes part if there is a shell."""

import os
import shutil
import sqlite3

import pytest

from course_lib.lab import events, paths, workload

ROWS = 20_000
QUERIES = [
    ("SELECT count(*) FROM events WHERE user_id = 123", 10),
    ("SELECT max(duration_ms) FROM events", 1),
]
INDEX = "CREATE INDEX i ON events(user_id)"


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "DATA", tmp_path)


def test_each_set_is_measured_and_a_missing_one_is_skipped():
    results = workload.contest({"none": [], "absent": None, "one": [INDEX]}, QUERIES, rows=ROWS)
    assert list(results) == ["none", "one"]
    assert (results["none"].indexes, results["none"].bytes) == (0, 0)
    assert results["one"].indexes == 1 and results["one"].bytes > 100_000
    assert 0 < results["one"].seconds < results["none"].seconds


def test_the_picture_names_the_number_and_size_of_the_indexes():
    sets = {"none": workload.Result(0, 0, 2.0), "one": workload.Result(1, 3_000_000, 0.5)}
    picture = workload.plot({**sets, "two": workload.Result(2, 8_000_000, 4.0)}, "A contest")
    assert "one\n1 index, 3 MB 4, two\n2 indexes, 8 MB 0.5" in picture.alt


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
