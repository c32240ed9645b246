"""Explain a set of indexes: what each serves, gains and costs, from the measurements."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from statistics import fmean
from types import MappingProxyType

from course_lib.advisor.database_copy import OutOfTime
from course_lib.advisor.foreign_keys import needed_by_foreign_keys
from course_lib.advisor.inserts import Inserts
from course_lib.advisor.measurements import NO_INDEXES, Measurements
from course_lib.advisor.recommendation import Advice, Analysis, Recommendation, Timing
from course_lib.advisor.schema import Index, Indexes
from course_lib.advisor.workload import Query


class Explanation:
    """Turns measurements into a `Recommendation`.

    `skipped` are queries that weren't measured; `rows` the inserts expected for each table.
    """

    def __init__(
        self,
        measurements: Measurements,
        inserts: Inserts,
        queries: Sequence[Query],
        skipped: dict[str, str],
        rows: Mapping[str, float],
    ) -> None:
        self.measurements = measurements
        self.trial = measurements.trial
        self.inserts = inserts
        self.queries = queries
        self.skipped = skipped
        self.rows = rows
        self.names: dict[str, str] = {}  # of the existing and the recommended indexes

    def of(
        self,
        chosen: Indexes,
        deadline: float,
        analysis: Analysis | None = None,
        unverified: Indexes = NO_INDEXES,
        harmful: Mapping[Index, Query] = MappingProxyType({}),
    ) -> Recommendation:
        """Return the recommendation of these indexes.

        They're in the order in which they were built: those of the most expensive query first.
        """
        self.trial.copy.deadline = deadline
        kept = self._without_idle(chosen)
        built = self.trial.in_order(kept)
        # The names are given in this order, because a second index of a name gets a number.
        statements = {index: self.trial.statement(index) for index in built}
        self.names = {name: name for name in self.trial.copy.indexes}
        for candidate, index in self.trial.by_name.items():
            if index in statements:
                self.names[candidate] = statements[index].split(" ON ")[0].split()[-1]
        served = {index: self._served(index, kept) for index in built}
        timings, used_names = self._timings(kept)
        indexes = []
        for index, statement in statements.items():
            serves, gain = served[index]
            write, least, most = self.inserts.interval(index)
            size = self.trial.bytes[index]
            rows = self.rows[index.table]
            indexes.append(Advice(statement, serves, gain, size, write, (least, most), rows))
        doubtful = self.trial.in_order(unverified - kept)
        dropped = self.trial.in_order(frozenset(harmful) - kept)
        return Recommendation(
            indexes=tuple(indexes),
            queries=tuple(timings),
            skipped=self.skipped,
            unused=tuple(self._unused(used_names)),
            analysis=analysis,
            unverified=tuple(self.trial.statement_as("unverified", index) for index in doubtful),
            harmful={
                self.trial.statement_as("harmful", index): harmful[index].sql for index in dropped
            },
        )

    def _unused(self, used_names: set[str]) -> list[str]:
        """Return the indexes, of the tables that queries read, that only cost time and space."""
        copy = self.trial.copy
        tables = frozenset[str]().union(*(query.tables for query in self.queries))
        needed = used_names | copy.unique | needed_by_foreign_keys(copy)
        return [
            name
            for name, table in copy.index_tables.items()
            if table in tables and name not in needed
        ]

    def _without_idle(self, chosen: Indexes) -> Indexes:
        """Drop indexes that gain nothing; a search that ran out of time may have kept some."""
        while idle := [
            index for index in self.trial.in_order(chosen) if self._served(index, chosen)[1] <= 0
        ]:
            chosen -= {idle[0]}
        return chosen

    def _timings(self, chosen: Indexes) -> tuple[list[Timing], set[str]]:
        """Return the timing of each query, and the names of all indexes that are used."""
        timings = []
        used_names = set[str]()
        for query in self.queries:
            try:
                before = fmean(self.measurements.before(query).seconds)
                measurement = self.measurements.measure(query, chosen)
            except OutOfTime:
                self.skipped[query.sql] = (
                    "no time was left to measure it with the indexes: pass a larger `seconds`"
                )
                continue
            after = fmean(measurement.seconds)
            limit = self.measurements.limit(query)
            used_names |= measurement.index_names
            if after < limit:
                used = sorted(self.names.get(name, name) for name in measurement.index_names)
                timings.append(Timing(query.sql, query.frequency, before, after, tuple(used)))
            else:
                self.skipped[query.sql] = (
                    f"it was stopped after {limit:.2g} s, with every index that was tried"
                )
        return timings, used_names

    def _served(self, index: Index, chosen: Indexes) -> tuple[tuple[str, ...], float]:
        """Return the queries that use an index, and how many seconds longer they'd take without."""
        serves = []
        gain = 0.0
        for query in self.queries:
            with suppress(OutOfTime):
                uses = index in self.measurements.used(query, chosen)
                limit = self.measurements.limit(query)
                if uses and self.measurements.mean(query, chosen) < limit:
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
            return fmean(self.measurements.before(query).seconds) - after
