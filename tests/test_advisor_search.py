"""Test that a search uses its time well, so that a busy machine changes the advice little."""

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import permutations

import pytest

from course_lib.advisor import explain_recommendation
from course_lib.advisor.costs import Costs
from course_lib.advisor.inserts import Inserts
from course_lib.advisor.measurements import NO_INDEXES, Measurements
from course_lib.advisor.reads import Reads
from course_lib.advisor.schema import Index
from course_lib.advisor.search import Search
from course_lib.advisor.trial import Trial
from course_lib.advisor.verification import Verification
from course_lib.advisor.workload import Query, read_workload, usages

QUERY = "SELECT sum(length(body)) FROM t WHERE a = 7"
OTHER = "SELECT max(length(body)) FROM t WHERE b = 7"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    db = tmp_path_factory.mktemp("search") / "t.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE t(a INTEGER, b INTEGER, body TEXT)")
        rows = ((i % 997, i % 991, "x" * 200) for i in range(20_000))
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    return db


@pytest.fixture
def searching(database) -> Iterator[tuple[Search, list[Query]]]:
    """Yield a search, and its queries measured without indexes."""
    with Trial.of(database, math.inf) as trial:
        reads = Reads(trial.copy, limit=5.0)
        measurements = Measurements(trial, reads)
        queries, _ = read_workload(trial.copy, reads, usages([QUERY, OTHER]))
        for query in queries:
            measurements.measure(query)
        costs = Costs(measurements, Inserts(trial), queries, {"t": 0.0})
        yield Search(measurements, costs, queries), queries


def test_a_run_that_can_only_be_too_slow_is_stopped(searching, monkeypatch):
    search, (query, _) = searching
    measurements = search.measurements
    measurements.use({})
    limits = []

    def stopped(_reads: Reads, _run, _limit: float, most_work: float) -> float:
        limits.append(most_work)
        return most_work

    with monkeypatch.context() as patch:
        patch.setattr(Reads, "seconds", stopped)
        assert measurements.mean_below(query, NO_INDEXES, 1e-6) == math.inf
        assert measurements.mean_below(query, NO_INDEXES, 1e-6) == math.inf
        assert len(limits) == 1 and limits[0] < 0.1
    # What was stopped isn't taken for a time.
    assert 0 < measurements.mean_below(query, NO_INDEXES, 5.0) < math.inf


def test_a_query_whose_share_of_the_time_is_gone_still_gets_its_index(searching):
    search, (query, _) = searching
    best = search._best_for(query, end=time.perf_counter())
    assert [index.keys for index in best] == [("a",)]


def test_of_two_indexes_that_are_about_as_fast_the_first_proposed_is_taken(searching, monkeypatch):
    search, (query, _) = searching
    first, second = Index("t", ("a",)), Index("t", ("a", "b"))
    query = replace(query, candidates=(first, second))
    seconds = {frozenset({first}): 1.05, frozenset({first, second}): 1.0}
    measurements = search.measurements
    monkeypatch.setattr(measurements, "mean", lambda *_: 100.0)
    monkeypatch.setattr(measurements, "mean_below", lambda _, chosen, __: seconds.get(chosen, 1.0))
    monkeypatch.setattr(measurements, "used", lambda _, chosen: chosen - {first} or chosen)
    assert search._best_for(query, math.inf) == {first}


def test_what_was_found_for_a_query_is_kept_when_time_runs_out(searching, monkeypatch):
    search, _ = searching
    best_for = Search._best_for

    def in_time(search: Search, query: Query, _end: float, *best):
        search.trial.copy.deadline = math.inf
        return best_for(search, query, math.inf, *best)

    monkeypatch.setattr(Search, "_best_for", in_time)
    search.trial.copy.deadline = time.perf_counter()  # so there's no time for a second pass
    keys = {index.keys[0] for index in search._best_for_each_query()}
    assert keys == {"a", "b"}


def test_a_set_costs_infinity_if_it_is_not_cheaper(searching):
    search, _ = searching
    cost = search.costs.of(NO_INDEXES)
    assert search.costs.of(NO_INDEXES, below=cost - 0.1) == math.inf
    assert search.costs.of(NO_INDEXES, below=cost + 0.1) == cost


def test_indexes_are_tried_in_the_order_in_which_they_were_built(searching):
    search, _ = searching
    trial = search.trial
    columns = permutations(["a", "b", "body"])
    built = [Index("t", keys) for keys in columns if trial.build(Index("t", keys))]
    assert len(built) == 6
    # A set has another order in each process.
    assert trial.in_order(frozenset(built)) == built
    exchanged = [chosen - {built[0]} for chosen in search._neighbors(frozenset({built[0]}))]
    assert [*dict.fromkeys(chosen for chosen in exchanged)] == [{index} for index in built[1:]]


def test_two_indexes_whose_times_differ_by_chance_cost_the_same(searching, monkeypatch):
    search, _ = searching
    costs = search.costs
    first, second, slower = (Index("t", ("a", *other)) for other in [(), ("b",), ("body",)])
    seconds = {first: 1.0, second: 0.97, slower: 1.2}
    for index in seconds:
        search.trial.build(index)
        search.trial.bytes[index] = 1_000

    def mean_below(_query: Query, chosen: frozenset[Index], _most: float) -> float:
        return seconds[next(iter(chosen))]

    monkeypatch.setattr(costs.measurements, "mean_below", mean_below)
    monkeypatch.setattr(costs.measurements, "is_slower", lambda *_: False)
    assert costs.of({first}) == costs.of({second}) < costs.of({slower})


def test_queries_that_cost_about_the_same_are_searched_in_the_order_given(searching, monkeypatch):
    search, (first, second) = searching
    seconds = {first: 1.0, second: 1.05}
    monkeypatch.setattr(search.measurements, "mean", lambda query: seconds[query])
    order = Search(search.measurements, search.costs, [first, second]).queries
    assert order == [first, second]
    seconds[second] = 3.0
    order = Search(search.measurements, search.costs, [first, second]).queries
    assert order == [second, first]


def test_inserts_are_timed_only_if_some_are_expected(searching, monkeypatch):
    search, _ = searching
    timed = []
    monkeypatch.setattr(Inserts, "seconds", lambda _, table, *index: timed.append(table) or 1.0)
    without = search.costs.of(NO_INDEXES)
    assert not timed
    search.costs.writes = {"t": 1.0}
    assert search.costs.of(NO_INDEXES) > without and timed == ["t"]


def test_a_query_that_no_index_made_slower_drops_none(searching):
    search, queries = searching
    measurements = search.measurements
    measurements.keep_as_it_was(queries)
    faster_before = {query: measurements.measure(query) for query in queries}
    for query, measurement in faster_before.items():
        seconds = tuple(seconds / 100 for seconds in measurement.seconds)
        measurements._as_it_was[query] = type(measurement)(seconds, frozenset())
    verification = Verification(measurements, search.costs, queries, NO_INDEXES)
    assert verification.run(deadline=math.inf, end=math.inf) == NO_INDEXES


def test_the_explanation_says_what_the_expected_inserts_cost(database):
    explained = explain_recommendation(database, [QUERY], writes=1, seconds=20)
    (advice,) = explained.indexes
    assert advice.inserts == 1 and explained.writing == advice.write
    assert "writes=0" in str(explained) and "1 inserts expected" in str(explained)
    without = explain_recommendation(database, [QUERY], writes=0, seconds=20)
    assert without.writing == 0 and "writes=0" not in str(without)


def test_the_advisor_works_without_a_shell(database, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert explain_recommendation(database, [QUERY], writes=0, seconds=20).indexes


@pytest.mark.measures
def test_a_small_partial_index_replaces_a_large_one_that_is_as_fast(tmp_path):
    db = tmp_path / "rentals.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE rental(id INTEGER PRIMARY KEY, returned, rented, note)")
        rows = ((i % 100 and i, i * 7919 % 20_000, "n" * 40) for i in range(20_000))
        connection.executemany(
            "INSERT INTO rental(returned, rented, note) VALUES (nullif(?, 0), ?, ?)", rows
        )
    query = "SELECT * FROM rental WHERE returned IS NULL ORDER BY rented LIMIT 20"
    (advice,) = explain_recommendation(db, [query], writes=0, seconds=20).indexes
    assert advice.statement.endswith("ON rental(rented) WHERE returned IS NULL")
