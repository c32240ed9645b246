"""Test that a timing which a busy machine made too long doesn't decide."""

import math
import sqlite3
from contextlib import closing

import pytest

from course_lib.advisor.costs import Costs
from course_lib.advisor.inserts import Inserts
from course_lib.advisor.measurements import NO_INDEXES, Measurements
from course_lib.advisor.reads import Reads
from course_lib.advisor.schema import Index
from course_lib.advisor.trial import Trial
from course_lib.advisor.verification import Verification
from course_lib.advisor.workload import read_workload, usages

# The planner takes an index on `a` for this, and then reads nearly the whole table in its order.
QUERY = "SELECT sum(length(body)) FROM t WHERE a > 1"


@pytest.mark.measures
def test_an_index_that_a_single_long_timing_made_look_good_is_dropped(tmp_path, monkeypatch):
    db = tmp_path / "t.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE t(a INTEGER, body TEXT)")
        rows = ((i * 7919 % 10_007, "x" * 200) for i in range(20_000))
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    with Trial.of(db, math.inf) as trial:
        reads = Reads(trial.copy, limit=5.0)
        measurements = Measurements(trial, reads)
        queries, _ = read_workload(trial.copy, reads, usages([QUERY]))
        (query,) = queries
        index = Index("t", ("a",))
        assert trial.build(index)
        chosen = frozenset({index})
        assert measurements.used(query, chosen) == chosen
        assert measurements.is_slower(query, chosen)

        too_long = {}
        trial.show(NO_INDEXES)
        for run in query.runs:
            too_long[run, reads.plan(run), NO_INDEXES] = 2 * measurements.mean(query, chosen)
        measurements.use(measurements.times | too_long)
        assert not measurements.is_slower(query, chosen)

        seconds = Reads.seconds

        def first_too_long(reads: Reads, run, *limits: float) -> float:
            timed = run, reads.plan(run), NO_INDEXES
            return too_long.pop(timed, None) or seconds(reads, run, *limits)

        monkeypatch.setattr(Reads, "seconds", first_too_long)
        costs = Costs(measurements, Inserts(trial), queries, {"t": 0.0})
        verification = Verification(measurements, costs, queries, chosen)
        assert verification.run(deadline=math.inf, end=math.inf) == NO_INDEXES
        assert verification.harmful == {index: query}
        assert not too_long


@pytest.mark.measures
def test_a_query_that_an_index_made_slower_may_get_another_one(tmp_path):
    db = tmp_path / "t.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE t(a INTEGER, b INTEGER, body TEXT)")
        rows = ((i * 7919 % 10_007, i, "x" * 200) for i in range(20_000))
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    often, seldom = "SELECT body FROM t WHERE a = 77", "SELECT sum(b) FROM t WHERE a > 1"
    with Trial.of(db, math.inf) as trial:
        reads = Reads(trial.copy, limit=5.0)
        measurements = Measurements(trial, reads)
        queries, _ = read_workload(trial.copy, reads, usages([(often, 1000), (seldom, 1)]))
        short, covering = Index("t", ("a",)), Index("t", ("a",), ("b",))
        assert trial.build(short) and trial.build(covering)
        chosen = frozenset({short})
        assert measurements.is_slower(queries[1], chosen)
        costs = Costs(measurements, Inserts(trial), queries, {"t": 0.0})
        verification = Verification(measurements, costs, queries, chosen)
        verified = verification.run(deadline=math.inf, end=math.inf)
        assert covering in verified
        assert not measurements.is_slower(queries[1], verified)
