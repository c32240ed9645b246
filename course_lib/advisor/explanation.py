"""Explain a set of indexes: what each serves, gains and costs, from the measurements."""

from collections.abc import Sequence
from contextlib import suppress

from course_lib.advisor.database_copy import OutOfTime
from course_lib.advisor.inserts import Inserts
from course_lib.advisor.measurements import Measurements
from course_lib.advisor.recommendation import Advice, Recommendation, Timing
from course_lib.advisor.schema import Index, Indexes
from course_lib.advisor.workload import Query


class Explanation:
    """Turns measurements into a `Recommendation`. `skipped` are queries that weren't measured."""

    def __init__(
        self,
        measurements: Measurements,
        inserts: Inserts,
        queries: Sequence[Query],
        skipped: dict[str, str],
    ) -> None:
        self.measurements = measurements
        self.trial = measurements.trial
        self.inserts = inserts
        self.queries = queries
        self.skipped = skipped

    def of(self, chosen: Indexes, deadline: float) -> Recommendation:
        """Return the recommendation of these indexes.

        They're in the order in which they were built: those of the most expensive query first.
        """
        self.trial.copy.deadline = deadline
        chosen = self._without_idle(chosen)
        timings, used_names = self._timings(chosen)
        indexes = [self._advice(index, chosen) for index in self.trial.built if index in chosen]
        unused = [name for name in self.trial.copy.indexes if name not in used_names]
        return Recommendation(tuple(indexes), tuple(timings), self.skipped, tuple(unused))

    def _without_idle(self, chosen: Indexes) -> Indexes:
        """Drop indexes that gain nothing; a search that ran out of time may have kept some."""
        while idle := [index for index in chosen if self._served(index, chosen)[1] <= 0]:
            chosen -= {idle[0]}
        return chosen

    def _timings(self, chosen: Indexes) -> tuple[list[Timing], set[str]]:
        """Return the timing of each query, and the names of all indexes that are used."""
        limit = self.measurements.reads.limit
        timings = []
        used_names = set[str]()
        for query in self.queries:
            try:
                before = self.measurements.mean(query)
                after = self.measurements.mean(query, chosen)
            except OutOfTime:
                self.skipped[query.sql] = (
                    "no time was left to measure it with the indexes: pass a larger `seconds`"
                )
                continue
            used_names |= self.measurements.measure(query, chosen).index_names
            if after < limit:
                timings.append(Timing(query.sql, query.frequency, before, after))
            else:
                self.skipped[query.sql] = (
                    f"it was stopped after {limit:.1f} s, with every index that was tried"
                )
        return timings, used_names

    def _advice(self, index: Index, chosen: Indexes) -> Advice:
        serves, gain = self._served(index, chosen)
        return Advice(
            statement=self.trial.statement(index),
            serves=serves,
            gain=gain,
            bytes=self.trial.bytes[index],
            write=self.inserts.seconds(index.table, index),
        )

    def _served(self, index: Index, chosen: Indexes) -> tuple[tuple[str, ...], float]:
        """Return the queries that use an index, and how many seconds longer they'd take without."""
        serves = []
        gain = 0.0
        for query in self.queries:
            with suppress(OutOfTime):
                uses = index in self.measurements.used(query, chosen)
                if uses and self.measurements.mean(query, chosen) < self.measurements.reads.limit:
                    serves.append(query.sql)
                    gain += query.frequency * self._gain(query, index, chosen)
        return tuple(serves), gain

    def _gain(self, query: Query, index: Index, chosen: Indexes) -> float:
        """Return how many seconds longer a query takes without an index.

        If there's no time to measure that, it's compared with the time without any index.
        """
        after = self.measurements.mean(query, chosen)
        try:
            return self.measurements.mean(query, chosen - {index}) - after
        except OutOfTime:
            return self.measurements.mean(query) - after
