"""Test which indexes are proposed for the queries of a workload."""

import math
import sqlite3
from contextlib import closing

import pytest

from course_lib.advisor.database_copy import DatabaseCopy
from course_lib.advisor.reads import Reads
from course_lib.advisor.values import Values
from course_lib.advisor.workload import read_workload, usages

SELECTIVE = "SELECT name FROM user WHERE active = 1 AND deleted_at IS NULL AND email = 'u5'"
POPULAR = [f"SELECT {column} FROM user WHERE active = 1" for column in ("name", "email")]


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    db = tmp_path_factory.mktemp("users") / "users.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE user(active, deleted_at, email, name)")
        connection.execute("CREATE TABLE task(owner REFERENCES user(rowid), state, due)")
        tasks = ((i % 20, i % 20, i) for i in range(999))
        connection.executemany("INSERT INTO task VALUES (?, ?, ?)", tasks)
        rows = ((1, f"day {i}" if i % 9 == 0 else None, f"u{i}", f"n{i % 99}") for i in range(999))
        connection.executemany("INSERT INTO user VALUES (?, ?, ?, ?)", rows)
    return db


def first_proposed(db, *workload: str) -> tuple[str, ...]:
    """Return the keys of the first index that's proposed for the first query."""
    with DatabaseCopy.of(db, math.inf) as copy:
        queries, _ = read_workload(copy, Reads(copy, limit=5.0), usages(workload))
    return queries[0].candidates[0].keys


def test_of_several_equalities_the_column_of_most_values_leads(users):
    assert first_proposed(users, SELECTIVE) == ("email", "deleted_at", "active")


def test_a_column_that_more_queries_look_for_leads_so_that_they_share_an_index(users):
    assert first_proposed(users, SELECTIVE, *POPULAR) == ("active", "email", "deleted_at")


def test_values_come_from_a_spread_sample_if_counting_all_takes_too_long(users, monkeypatch):
    monkeypatch.setattr("course_lib.advisor.values.SAMPLE", 3)
    slow = "rowid + 0 * length(hex(randomblob(300000)))"  # about 1 ms
    with DatabaseCopy.of(users, math.inf) as copy:
        typical = Values(copy, limit=0.5).typical("user", slow)
    assert typical.distinct == 3
    assert typical.top == 666  # of 999 rows


def test_a_partial_index_is_proposed_for_a_state_and_not_for_a_reference(users):
    with DatabaseCopy.of(users, math.inf) as copy:
        values = Values(copy)
        assert values.is_rare("task", "state = 5", ("state",))
        assert not values.is_rare("task", "owner = 5", ("owner",))
        assert values.is_rare("task", "owner IS NULL", ("owner",))
        assert values.typical("task", "state").is_state
        assert not values.typical("task", "owner").is_state
