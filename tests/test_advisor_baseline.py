"""Test that slow queries leave time to measure the others."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from course_lib.advisor.baseline import measure_without_indexes
from course_lib.advisor.measurements import Measurements
from course_lib.advisor.reads import Reads
from course_lib.advisor.schema import Index
from course_lib.advisor.trial import Trial
from course_lib.advisor.workload import read_workload, usages

pytestmark = pytest.mark.measures

LIMIT = 0.4  # seconds for each query
# Each of these takes minutes, and all of them together would take three times the limit below.
SLOW = [f"SELECT count(*) FROM t a, t b, t c WHERE a.a + b.a + c.a = {i}" for i in range(12)]
QUICK = "SELECT count(*) FROM t WHERE a = 7"
# Malformed JSON is met after 100,000 rows.
FAILS_LATE = "SELECT sum(json_extract(iif(a.id = 50, b.body, '1'), '$')) FROM t a CROSS JOIN t b"


@pytest.fixture
def measurements(tmp_path) -> Iterator[Measurements]:
    db = tmp_path / "t.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a, body)")
        rows = ((i % 100, "not JSON" if i == 1999 else "1") for i in range(2_000))
        connection.executemany("INSERT INTO t(a, body) VALUES (?, ?)", rows)
    with Trial.of(db, time.perf_counter() + 60) as trial:
        yield Measurements(trial, Reads(trial.copy, LIMIT))


def test_slow_queries_share_the_time_that_others_leave(measurements):
    copy = measurements.trial.copy
    queries, skipped = read_workload(copy, measurements.reads, usages([*SLOW, QUICK]))
    copy.deadline = time.perf_counter() + 4 * LIMIT
    measured = measure_without_indexes(measurements, queries, skipped)
    assert not skipped and {query.sql for query in measured} == {*SLOW, QUICK}
    stopped = [query for query in measured if measurements.was_stopped(query)]
    assert {query.sql for query in stopped} == {*SLOW}
    assert measured[-1].sql == QUICK


def test_a_query_that_was_stopped_early_with_an_index_counts_as_slower(measurements):
    copy = measurements.trial.copy
    uses_index = "SELECT sum(b.id) FROM t a, t b, t c WHERE b.a = 7 AND a.id + c.id > b.id"
    queries, skipped = read_workload(copy, measurements.reads, usages([uses_index]))
    copy.deadline = time.perf_counter() + LIMIT
    (query,) = measure_without_indexes(measurements, queries, skipped)
    copy.deadline = time.perf_counter() + 60
    index = Index("t", ("a",))
    assert measurements.trial.build(index)
    assert measurements.limit(query) < LIMIT and measurements.was_stopped(query)
    assert measurements.is_slower(query, frozenset({index}))


def test_no_run_with_an_index_may_take_longer_than_any_query_may(measurements):
    queries, skipped = read_workload(measurements.trial.copy, measurements.reads, usages([QUICK]))
    (query,) = measure_without_indexes(measurements, queries, skipped)
    measurements.reads.limit = 1.01 * measurements.measure(query).seconds[0]
    assert measurements._limit_of_run(query, 0) == measurements.reads.limit


def test_a_query_that_fails_only_after_a_while_is_left_out(measurements):
    queries, skipped = read_workload(
        measurements.trial.copy, measurements.reads, usages([FAILS_LATE, QUICK])
    )
    (measured,) = measure_without_indexes(measurements, queries, skipped)
    assert measured.sql == QUICK and "malformed JSON" in skipped[FAILS_LATE]
