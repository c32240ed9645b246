"""Search for the cheapest set of indexes.

                     +------- a set that is cheaper <------+
                     v                                     |
    best for each --> drop what isn't --> try the sets one step away:
    query, together   worth its cost      narrow, merge, exchange, add --> none is cheaper: done

Such a search, from too many indexes down, is the "relaxation" of Bruno and Chaudhuri ("Automatic
Physical Database Tuning: A Relaxation-based Approach", SIGMOD 2005). They estimate; we measure.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import permutations

from course_lib.advisor.candidates import MOST_COLUMNS
from course_lib.advisor.constants import without_constant_heads
from course_lib.advisor.costs import LEAST_GAIN, Costs
from course_lib.advisor.database_copy import OutOfTime
from course_lib.advisor.measurements import CLEARLY, FASTER, NO_INDEXES, Measurements
from course_lib.advisor.schema import Index, Indexes
from course_lib.advisor.workload import Query

SHARE_FOR_QUERIES = 0.6  # of the search's time, to find the best indexes for each query
LEAST_TIME = 0.1  # seconds to time a query with all of its candidates


class Search:
    """Searches the sets of indexes for `queries`, which are sorted: most expensive first."""

    def __init__(self, measurements: Measurements, costs: Costs, queries: Sequence[Query]) -> None:
        self.measurements = measurements
        self.trial = measurements.trial
        self.costs = costs
        # Costs that are about the same count as equal: their order is chance, and would decide in
        # which order the indexes are tried.
        self.queries = sorted(queries, key=self._magnitude, reverse=True)

    def run(self, until: float) -> Indexes:
        """Return the cheapest set found before `until`, a time of `time.perf_counter`."""
        if not self.queries:
            return Indexes()
        start = time.perf_counter()
        self.trial.copy.deadline = start + SHARE_FOR_QUERIES * (until - start)
        best = self._best_for_each_query()
        self.trial.copy.deadline = until
        with suppress(OutOfTime):
            self._improve(best)
            self._improve(Indexes())
        cheapest = self.costs.cheapest
        chosen = best if cheapest is None else cheapest
        return without_constant_heads(self.measurements, self.queries, chosen)

    def _magnitude(self, query: Query) -> int:
        """Return the power of two that is nearest to a query's cost without indexes."""
        seconds = query.frequency * self.measurements.mean(query)
        return round(math.log2(seconds)) if seconds else 0

    def _best_for_each_query(self) -> Indexes:
        deadline = self.trial.copy.deadline
        best = dict.fromkeys(self.queries, Indexes())
        # First an equal share of the time for each, so that a slow query leaves some for others.
        for position, query in enumerate(self.queries):
            now = time.perf_counter()
            share = (deadline - now) / (len(self.queries) - position)
            best[query] = self._best_for(query, now + share)
        # Then again, with all the time that is left. What was measured is known.
        for query in self.queries:
            if time.perf_counter() < deadline:
                best[query] = self._best_for(query, deadline, best[query])
        return Indexes().union(*best.values())

    def _best_for(self, query: Query, end: float, best: Indexes = NO_INDEXES) -> Indexes:
        """Return the indexes that make one query fastest, as far as found before `end`."""
        used = self.measurements.used
        with suppress(OutOfTime):
            built = list(self._built_before(query, end))
            single = [frozenset({index}) for index in built]
            # SQLite's own choice of all is rarely far from the best, and is found soon. It's timed
            # even if building took all of the time.
            every = frozenset(built)
            if self._is_faster(query, every, best, max(end, time.perf_counter() + LEAST_TIME)):
                best = used(query, every)
                # About as fast is enough for one index: the order of proposals decides.
                as_fast = (
                    indexes for indexes in single if self._is_as_fast(query, indexes, best, end)
                )
                best = next(as_fast, best)
            for indexes in single:
                if self._is_faster(query, indexes, best, end):
                    best = used(query, indexes)
            for index in built:
                for indexes in _with(index, best, self.trial.in_order(best)):
                    if self._is_faster(query, indexes, best, end):
                        best = used(query, indexes)
        return best

    def _is_faster(self, query: Query, indexes: Indexes, best: Indexes, end: float) -> bool:
        """Check that a query is faster than with the best so far; compare if it isn't clear.

        If no time is left to compare, the indexes that were proposed first stay.
        """
        measurements = self.measurements

        def is_best_slower() -> bool:
            return measurements.mean(query, indexes) < FASTER * measurements.mean(query, best)

        seconds = measurements.mean(query, best)
        if not self._is_below(query, indexes, FASTER * seconds, end):
            return False
        if not best or CLEARLY * measurements.mean(query, indexes) < seconds:
            return True
        return measurements.confirms(is_best_slower, query, best, indexes)

    def _is_as_fast(self, query: Query, indexes: Indexes, best: Indexes, end: float) -> bool:
        most = self.measurements.mean(query, best) / FASTER
        return self._is_below(query, indexes, most, end)

    def _is_below(self, query: Query, indexes: Indexes, seconds: float, end: float) -> bool:
        """Check that a query takes less than this, and can be timed before `end`."""
        left = (end - time.perf_counter()) / len(query.runs)
        most = min(seconds, left)
        return left > 0 and self.measurements.mean_below(query, indexes, most) < most

    def _built_before(self, query: Query, end: float) -> Iterator[Index]:
        """Build the candidates of a query, and yield those that could be."""
        for index in query.candidates:
            if self.trial.build(index):
                yield index
            if time.perf_counter() > end:
                return

    def _improve(self, chosen: Indexes) -> None:
        """Prune a set, take the first step that makes it cheaper, and repeat until none does."""
        seen = set[Indexes]()
        chosen = self.costs.pruned(chosen)
        while chosen not in seen:
            seen.add(chosen)
            cost = self.costs.of(chosen)
            least = cost - LEAST_GAIN
            for neighbor in self._neighbors(chosen):
                if self.costs.of(neighbor, below=least) < least:
                    chosen = neighbor
                    break
            chosen = self.costs.pruned(chosen)

    def _neighbors(self, chosen: Indexes) -> Iterator[Indexes]:
        """Yield the sets one step away: an index narrowed, two merged, one exchanged, one added."""
        indexes = self.trial.in_order(chosen)
        for index in indexes:
            narrow = replace(index, included=())
            if index.included and self.trial.build(narrow):
                yield chosen - {index} | {narrow}
        for first, second in permutations(indexes, 2):
            merged = _merged(first, second)
            if merged and self.trial.build(merged):
                yield chosen - {first, second} | {merged}
        others = [index for index, row in self.trial.built.items() if row and index not in chosen]
        for other in others:
            for index in indexes:
                if _similar(index, other) or _selects(other, index):
                    yield chosen - {index} | {other}
        for other in others:
            yield chosen | {other}


def _with(index: Index, best: Indexes, in_order: Sequence[Index]) -> Iterator[Indexes]:
    """Yield the best indexes with one more, which a join may need; then with it instead of another.

    While SQLite sees both, it may prefer the worse of the two.
    """
    yield best | {index}
    for other in in_order:
        if other.table == index.table and other != index:
            yield best - {other} | {index}


def _merged(first: Index, second: Index) -> Index | None:
    """Return an index with the first one's keys and the columns of both; None if that's no use."""
    if not _similar(first, second) or first.where != second.where:
        return None
    columns = second.columns + first.included
    included = dict.fromkeys(column for column in columns if column not in first.keys)
    merged = replace(first, included=tuple(included))
    return merged if len(merged.columns) <= MOST_COLUMNS else None


def _similar(first: Index, second: Index) -> bool:
    """Check whether one index might replace another: same table, same first key."""
    return (first.table, first.columns[0]) == (second.table, second.columns[0])


def _selects(partial: Index, index: Index) -> bool:
    """Check whether a condition on the first key of an index makes the other a partial one."""
    on_first_key = partial.where.startswith(f"{index.columns[0]} ")
    return on_first_key and partial.table == index.table
