"""Test what the advisor assumes about the inserts beside a workload."""

import pytest

from course_lib.advisor.costs import WRITES_PER_QUERY, expected_writes
from course_lib.advisor.schema import Table
from course_lib.advisor.workload import Query


def table(name: str, rows: int) -> Table:
    return Table(name, rows, columns={}, widths={}, rowid=frozenset())


TABLES = {"line": table("line", 300), "invoice": table("invoice", 100), "log": table("log", 0)}
QUERIES = [Query("SELECT 1", frequency, (), frozenset(), ()) for frequency in (4, 6)]


def test_more_tables_do_not_mean_more_inserts():
    expected = expected_writes(TABLES, QUERIES, writes=None)
    assert sum(expected.values()) == pytest.approx(WRITES_PER_QUERY * 10)
    assert expected["line"] == pytest.approx(3 * expected["invoice"])
    assert expected["log"] == 0


def test_a_given_number_of_inserts_is_that_of_the_largest_table():
    assert expected_writes(TABLES, QUERIES, writes=30) == {"line": 30, "invoice": 10, "log": 0}


def test_an_empty_database_gets_no_inserts():
    empty = {"log": table("log", 0)}
    assert expected_writes(empty, QUERIES, writes=None) == {"log": 0}
    assert expected_writes(empty, QUERIES, writes=30) == {"log": 0}
