"""Prefer indexes that don't lead with a column that has one value in the whole table.

SQLite skips such a column (https://www.sqlite.org/optoverview.html#skipscan), so an index with it
can measure as well as one without. Which of the two is faster is chance then; the statistics
decide.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from course_lib.advisor.database_copy import OutOfTime
from course_lib.advisor.measurements import CLEARLY, FASTER, NOISE, Measurements
from course_lib.advisor.schema import Index, Indexes, Keys
from course_lib.advisor.trial import Trial
from course_lib.advisor.workload import Query


def without_constant_heads(
    measurements: Measurements, queries: Sequence[Query], chosen: Indexes
) -> Indexes:
    """Replace each index that leads with a constant column, unless a query needs it there.

    A query does if it looks for a value that the column doesn't have. If time runs out, the other
    indexes stay.
    """
    trial = measurements.trial
    with suppress(OutOfTime):
        for index in trial.in_order(chosen):
            for other in _alternatives(trial, index):
                exchanged = chosen - {index} | {other}
                # With the same columns, only a large difference isn't chance.
                is_moved = {*other.columns} == {*index.columns}
                slower = CLEARLY if is_moved else 1 / FASTER
                is_built = trial.build(other)
                if is_built and _as_fast(measurements, queries, exchanged, chosen, slower):
                    chosen = exchanged
                    break
    return chosen


def _alternatives(trial: Trial, index: Index) -> Iterator[Index]:
    """Yield the index without the constant columns that it leads with, then with them at its end.

    At the end, they let it cover a query.
    """
    constants = _constant_head(trial, index)
    keys = index.keys[len(constants) :]
    if constants and not {*keys} <= trial.copy.tables[index.table].rowid:
        yield replace(index, keys=keys)
        yield replace(index, keys=keys, included=constants + index.included)


def _constant_head(trial: Trial, index: Index) -> Keys:
    """Return the keys that the index leads with and that have one value each, by its statistics.

    These are the number of rows, then the mean number of rows of a value of the first key, of the
    first two, and so on (https://www.sqlite.org/fileformat2.html#the_sqlite_stat1_table).
    """
    row = trial.built[index]
    statistics = row[-1] if row else None
    if not statistics:  # no row is in the index
        return ()
    rows, *rows_of_a_value = statistics.split()[: len(index.keys) + 1]
    pairs = zip(index.keys, rows_of_a_value, strict=True)
    return tuple(key for key, mean in pairs if mean == rows)


def _as_fast(
    measurements: Measurements,
    queries: Sequence[Query],
    exchanged: Indexes,
    chosen: Indexes,
    slower: float,
) -> bool:
    """Check that no run of a query takes `slower` times as long with the exchanged index.

    If one seems slower, both indexes are timed again, because a timing may be wrong by chance.
    """
    for query in queries:
        is_slower = partial(_is_slower, measurements, query, exchanged, chosen, slower)
        if measurements.confirms(is_slower, query, exchanged, chosen):
            return False
    return True


def _is_slower(
    measurements: Measurements, query: Query, exchanged: Indexes, chosen: Indexes, slower: float
) -> bool:
    before = measurements.measure(query, chosen).seconds
    after = measurements.measure(query, exchanged).seconds
    pairs = zip(before, after, strict=True)
    return any(after > slower * before + NOISE for before, after in pairs)
