"""Test that what other processes take away isn't counted as a query's own time."""

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, cycle

import pytest

from course_lib.advisor import inserts, reads, stopwatch
from course_lib.advisor.inserts import Inserts
from course_lib.advisor.measurements import MOST_COMPARISONS, Measurements
from course_lib.advisor.reads import Reads, Run
from course_lib.advisor.stopwatch import Stopwatch
from course_lib.advisor.trial import Trial
from course_lib.advisor.workload import Query, read_workload, usages

PAUSE = 0.06  # seconds

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture
def trial(tmp_path) -> Iterator[Trial]:
    db = tmp_path / "t.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE t(a INTEGER, b INTEGER)")
        connection.execute("INSERT INTO t VALUES (1, 2)")
    with Trial.of(db, math.inf) as trial:
        yield trial


def test_waiting_for_a_processor_takes_no_time():
    watch = Stopwatch()
    time.sleep(PAUSE)
    assert watch.seconds() < PAUSE


def test_waiting_for_the_disk_takes_time(monkeypatch):
    blocks = iter([5, 6])
    monkeypatch.setattr(stopwatch, "_blocks_read", lambda: next(blocks))
    watch = Stopwatch()
    time.sleep(PAUSE)
    assert watch.seconds() >= PAUSE


def test_the_shortest_time_of_each_insert_counts(trial, monkeypatch):
    with closing(trial.copy.change()) as connection:
        connection.executemany("INSERT INTO t VALUES (?, 2)", ((i,) for i in range(100)))
    times = chain([1e-3] * inserts.FIRST, cycle([1e-5, 5e-5, 1e-5, 1e-5, 9e-4, 1e-5, 1e-5]))

    class Clock:
        def seconds(self) -> float:
            return next(times)

    monkeypatch.setattr(inserts, "Stopwatch", Clock)
    assert Inserts(trial).seconds("t") == pytest.approx(1e-5)


def test_a_run_is_stopped_by_its_work_and_not_by_its_waits(trial, monkeypatch):
    fetch_all = reads._fetch_all

    def fetch_all_after_a_pause(*arguments) -> None:
        time.sleep(PAUSE)
        fetch_all(*arguments)

    run = Run("SELECT max(a) FROM t")
    with monkeypatch.context() as patch:
        patch.setattr(reads, "_fetch_all", fetch_all_after_a_pause)
        assert Reads(trial.copy, limit=60.0).seconds(run, 60.0, PAUSE / 2) < PAUSE / 2
    assert Reads(trial.copy, limit=60.0).seconds(Run(ENDLESS), 60.0, PAUSE) == PAUSE


@pytest.mark.parametrize(("quiet_after", "confirmed"), [(2, False), (math.inf, True)])
def test_a_query_is_slower_only_if_each_comparison_says_so(quiet_after, confirmed, trial):
    measurements = Measurements(trial, Reads(trial.copy, limit=5.0))
    queries, _ = read_workload(trial.copy, measurements.reads, usages(["SELECT b FROM t"]))
    asked = []

    def is_slower() -> bool:
        asked.append(1)
        return len(asked) <= quiet_after

    query: Query = queries[0]
    assert measurements.confirms(is_slower, query, frozenset()) is confirmed
    assert len(asked) <= MOST_COMPARISONS + 1
