"""Test that no index leads with a column that has one value, unless a query needs it there."""

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from course_lib.advisor.constants import without_constant_heads
from course_lib.advisor.measurements import Measurements
from course_lib.advisor.reads import Reads
from course_lib.advisor.schema import Index, Indexes
from course_lib.advisor.trial import Trial
from course_lib.advisor.workload import read_workload, usages

pytestmark = pytest.mark.measures


@pytest.fixture(scope="module")
def trial(tmp_path_factory) -> Iterator[Trial]:
    db = tmp_path_factory.mktemp("constants") / "orders.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(
            "CREATE TABLE orders(id INTEGER PRIMARY KEY, tenant, deleted, customer, at, note)"
        )
        rows = ((1, 0, i * 7919 % 2000, i, "n" * 80) for i in range(10_000))
        connection.executemany(
            "INSERT INTO orders(tenant, deleted, customer, at, note) VALUES (?, ?, ?, ?, ?)", rows
        )
    with Trial.of(db, math.inf) as trial:
        yield trial


def exchanged(trial: Trial, keys: str, query: str, included: str = "") -> Indexes:
    """Return what an index on these keys is exchanged for if this is the workload."""
    index = Index("orders", tuple(keys.split()), tuple(included.split()))
    assert trial.build(index)
    reads = Reads(trial.copy, limit=5.0)
    queries, _ = read_workload(trial.copy, reads, usages([query]))
    measurements = Measurements(trial, reads)
    assert measurements.used(queries[0], frozenset({index}))
    return without_constant_heads(measurements, queries, frozenset({index}))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT note FROM orders WHERE tenant = 1 AND deleted = 0 AND customer = 7",
        "SELECT note FROM orders WHERE customer = 7",  # SQLite skips the first two columns
    ],
)
def test_columns_of_one_value_do_not_lead(query, trial):
    assert exchanged(trial, "tenant deleted customer", query) == {Index("orders", ("customer",))}


def test_a_column_of_one_value_stays_at_the_end_of_an_index_that_covers(trial):
    query = "SELECT sum(at) FROM orders WHERE tenant = 1 AND customer >= 1000"
    covering = Index("orders", ("customer",), ("tenant", "at"))
    assert exchanged(trial, "tenant customer", query, included="at") == {covering}


def test_a_column_leads_if_a_query_looks_for_a_value_that_no_row_has(trial):
    query = "SELECT note FROM orders WHERE deleted = 1 AND at > 100"
    assert exchanged(trial, "deleted at", query) == {Index("orders", ("deleted", "at"))}
