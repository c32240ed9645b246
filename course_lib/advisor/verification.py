"""Verify a set of indexes: time every query again, and keep only indexes that still pay off.

A time that was too short by chance would otherwise decide: out of many timings, a search picks the
lucky ones.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import permutations

from course_lib.advisor.costs import Costs
from course_lib.advisor.database_copy import OutOfTime
from course_lib.advisor.measurements import FASTER, SLOWER, Measurements, Times
from course_lib.advisor.reads import SLOW
from course_lib.advisor.schema import Index, Indexes
from course_lib.advisor.workload import Query

# The bound for times that alternated: less than SLOWER, so that a limit of SLOWER is kept.
SURELY_SLOWER = 1.2
DOUBTFUL = 0.1  # of the time before: a query that takes more could be slower on a quiet machine
CLEARLY = 3.0  # times as fast: no chance measurement of a slow query is so wrong


class Verification:
    """Drops indexes that make a query slower than without indexes, or that help none.

    `chosen` are the indexes that are left. What was dropped stays dropped if time runs out;
    `unverified` are those dropped because of that.
    """

    def __init__(
        self,
        measurements: Measurements,
        costs: Costs,
        queries: Sequence[Query],
        chosen: Indexes,
    ) -> None:
        self.measurements = measurements
        self.costs = costs
        self.queries = queries
        self.chosen = chosen
        self.unverified: Indexes = frozenset()
        self._slower = SLOWER

    def run(self, deadline: float, end: float) -> Indexes:
        """Return the indexes that pass.

        At `deadline`, measuring again ends, and the times so far decide. Queries that weren't timed
        with the remaining indexes still can be, until `end`.
        """
        copy = self.measurements.trial.copy
        copy.deadline = deadline
        earlier = self.measurements.times
        try:
            # First by the times that are known, then by new ones.
            self.measurements.use(earlier)
            self._drop_harmful()
            self.measurements.use(self._clear_times())
            self._drop_harmful()
            self.chosen = self.costs.pruned(self.chosen)
            self._drop_idle()
            self._compare_doubtful()
            self._slower = SURELY_SLOWER
            self._drop_harmful()
            self._drop_idle()
        except OutOfTime:
            copy.deadline = end
            before = self.chosen
            self.measurements.use(earlier | self.measurements.times)
            self.chosen -= self._beginnings()
            self._drop_doubtful()
            self.unverified = before - self.chosen
        return self.chosen

    def _clear_times(self) -> Times:
        """Return the times without indexes of slow queries that are now several times as fast.

        Measuring these again would take most of the time and change nothing.
        """
        times: Times = {}
        for query in self.queries:
            before = self.measurements.mean(query)
            if before > SLOW and before > CLEARLY * self.measurements.mean(query, self.chosen):
                times |= self.measurements.times_of(query)
        return times

    def _drop_harmful(self) -> None:
        """Drop indexes until no query is slower."""
        while query := self._first_slower():
            self.measurements.forget(query)
            self.measurements.compare_again(query, self.chosen)  # the first time may be chance
            if self._is_slower(query):
                smaller_sets = [self.chosen - {index} for index in self._suspects(query)]
                self.chosen = min(smaller_sets, key=self.costs.of)

    def _first_slower(self) -> Query | None:
        for query in self.queries:
            if self._is_slower(query):
                return query
        return None

    def _is_slower(self, query: Query) -> bool:
        return self.measurements.is_slower(query, self.chosen, slower=self._slower)

    def _compare_doubtful(self) -> None:
        """Compare again the queries that aren't clearly faster, the slowest-looking first.

        If time runs out, the others have the one comparison that they've passed.
        """
        slowdowns = {}
        for query in self.queries:
            if self.measurements.used(query, self.chosen):
                slowdowns[query] = self.measurements.slowdown(query, self.chosen)
        with suppress(OutOfTime):
            for query in sorted(slowdowns, key=slowdowns.__getitem__, reverse=True):
                if slowdowns[query] > DOUBTFUL:
                    self.measurements.compare_again(query, self.chosen)

    def _suspects(self, query: Query) -> Indexes:
        """Return the indexes that a query uses; if none, all on its tables.

        The statistics of an index can change a plan that doesn't use the index.
        """
        return self.measurements.used(query, self.chosen) or self._on_tables_of(query)

    def _on_tables_of(self, query: Query) -> Indexes:
        return frozenset(index for index in self.chosen if index.table in query.tables)

    def _drop_idle(self) -> None:
        """Drop indexes until each helps a query."""
        while idle := [index for index in self.chosen if not self._helps(index)]:
            self.chosen -= {idle[0]}

    def _helps(self, index: Index) -> bool:
        """Check whether a query that uses the index would be clearly slower without it."""
        for query in self.queries:
            if index in self.measurements.used(query, self.chosen):
                seconds = self.measurements.mean(query, self.chosen)
                without = self.measurements.mean(query, self.chosen - {index})
                if seconds < FASTER * without:
                    return True
        return False

    def _beginnings(self) -> Indexes:
        """Return the indexes that are the beginning of another: no time is left to compare them."""
        beginnings = Indexes()
        for shorter, longer in permutations(self.chosen, 2):
            same_rows = (shorter.table, shorter.where) == (longer.table, longer.where)
            if same_rows and longer.columns[: len(shorter.columns)] == shorter.columns:
                beginnings |= {shorter}
        return beginnings

    def _drop_doubtful(self) -> None:
        while doubtful := self._doubtful():
            self.chosen -= doubtful

    def _doubtful(self) -> Indexes:
        """Return the suspects of the first slower query.

        If no query is known to be slower, return the indexes on the tables of the queries for which
        no time is left to find out.
        """
        unknown = Indexes()
        for query in self.queries:
            try:
                if self.measurements.is_slower(query, self.chosen):
                    return self._suspects(query)
            except OutOfTime:
                unknown |= self._on_tables_of(query)
        return unknown
