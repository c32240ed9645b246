"""Verify a set of indexes: time every query again, and keep only indexes that still pay off.

A time that was too short by chance would otherwise decide: out of many timings, a search picks the
lucky ones.
"""

from collections.abc import Sequence
from itertools import permutations

from course_lib.advisor.costs import Costs
from course_lib.advisor.database_copy import OutOfTime
from course_lib.advisor.measurements import CLEARLY, FASTER, Measurements, Times
from course_lib.advisor.reads import SLOW
from course_lib.advisor.regressions import Regressions
from course_lib.advisor.schema import Index, Indexes
from course_lib.advisor.workload import Query


class Verification:
    """Drops indexes that make a query slower than without indexes, or that help none.

    `chosen` are the indexes that are left. What was dropped stays dropped if time runs out;
    `unverified` are those dropped because of that; `harmful` has those dropped because of a query
    that they make slower.
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
        self.harmful: dict[Index, Query] = {}
        self._added: set[Index] = set()
        self._in_order = measurements.trial.in_order
        self._regressions = Regressions(measurements, queries)

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
            self._regressions.compare_doubtful(self.chosen)
            self._drop_harmful()
            self._drop_idle()
        except OutOfTime:
            copy.deadline = end
            before = self.chosen
            self.measurements.use(earlier | self.measurements.times)
            self.chosen -= _beginnings(self.chosen)
            while doubtful := self._regressions.doubtful(self.chosen):
                self.chosen -= doubtful
            self.unverified = before - self.chosen
        return self.chosen

    def _clear_times(self) -> Times:
        """Return the times without indexes of slow queries that are now several times as fast.

        Measuring these again would take most of the time and change nothing. The same is true of
        slow queries whose plan stays.
        """
        times: Times = {}
        for query in self.queries:
            before = self.measurements.mean(query)
            after = self.measurements.mean(query, self.chosen)
            if before > SLOW and (after == before or after < before / CLEARLY):
                times |= self.measurements.times_of(query)
        return times

    def _drop_harmful(self) -> None:
        """Drop indexes until no query is slower; or add one, if that's the cheaper cure."""
        while query := self._regressions.first(self.chosen):
            if self._regressions.confirmed(query, self.chosen):
                suspects = self._regressions.suspects(query, self.chosen)
                sets = [self.chosen - {index} for index in self._in_order(suspects)]
                sets += self._with_a_cure(query)
                before = self.chosen
                self.chosen = min(sets, key=self.costs.of)
                self._added |= self.chosen - before
                self.harmful |= dict.fromkeys(before - self.chosen, query)

    def _with_a_cure(self, query: Query) -> list[Indexes]:
        """Return the sets with another index for a slower query, with which it isn't slower.

        The one that made it slower may be what most of the workload needs. Each is added only once,
        so that this ends.
        """
        sets = []
        for index in self._in_order(frozenset(query.candidates) - self.chosen - self._added):
            larger = self.chosen | {index}
            is_built = self.measurements.trial.built[index]
            if is_built and not self.measurements.is_slower(query, larger):
                sets.append(larger)
        return sets

    def _drop_idle(self) -> None:
        """Drop indexes until each helps a query."""
        while idle := [index for index in self._in_order(self.chosen) if not self._helps(index)]:
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


def _beginnings(chosen: Indexes) -> Indexes:
    """Return the indexes that are the beginning of another: no time is left to compare them."""
    beginnings = Indexes()
    for shorter, longer in permutations(chosen, 2):
        same_rows = (shorter.table, shorter.where) == (longer.table, longer.where)
        if same_rows and longer.columns[: len(shorter.columns)] == shorter.columns:
            beginnings |= {shorter}
    return beginnings
