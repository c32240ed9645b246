"""The cost of a set of indexes: the time of reads and writes, and the space."""

import math
import time
from collections.abc import Mapping, Sequence

from course_lib.advisor.database_copy import OutOfTime
from course_lib.advisor.inserts import Inserts
from course_lib.advisor.measurements import Measurements
from course_lib.advisor.schema import Index, Indexes, Table
from course_lib.advisor.ties import Ties, tolerance
from course_lib.advisor.workload import Query

# What the advisor can't know, and therefore assumes.
# Rows inserted into all tables for each query run. That's rather many, because an insert that's
# measured meets cached pages, and no checkpoint has to write the pages once more.
WRITES_PER_QUERY = 5
COST_OF_SPACE = 0.2  # an index as large as the whole database must save a fifth of the time

LEAST_GAIN = 0.002  # a step of the search must lower the cost by this share
PENALTY = 10  # a query that has become slower counts as if it took this many times as long


class Costs:
    """Computes costs, and remembers the cheapest set of indexes.

    `writes` has the rows inserted into each table while the workload runs once.
    """

    def __init__(
        self,
        measurements: Measurements,
        inserts: Inserts,
        queries: Sequence[Query],
        writes: Mapping[str, float],
    ) -> None:
        self.measurements = measurements
        self.trial = measurements.trial
        self.inserts = inserts
        self.queries = queries
        self.writes = writes
        self.tables = frozenset[str]().union(*(query.tables for query in queries))
        self.lowest = math.inf
        self._ties = Ties()
        self.cheapest: Indexes | None = None

    def of(self, chosen: Indexes, below: float = math.inf) -> float:
        """Return the cost of a set of indexes; infinity if it isn't `below` this.

        It's the logarithm of the seconds, so that shares count and not units, plus the space.
        Raises OutOfTime at the deadline.
        """
        self._check_time()
        space = sum(self.trial.bytes[index] for index in chosen) / self.trial.copy.bytes
        writes = self._writes(chosen)
        most = math.exp(below - COST_OF_SPACE * space)
        reads = self._reads(chosen, most - writes)
        if math.isinf(reads):
            return math.inf
        cost = math.log(reads + writes) + COST_OF_SPACE * space
        if cost < self.lowest:
            self.lowest = cost
            self.cheapest = chosen
        return cost

    def _check_time(self) -> None:
        if time.perf_counter() > self.trial.copy.deadline:
            raise OutOfTime

    def _reads(self, chosen: Indexes, most: float) -> float:
        """Return the seconds of the queries; infinity if they take more than `most`."""
        total = 0.0
        for query in self.queries:
            left = (most - total) / query.frequency
            seconds = self.measurements.mean_below(query, chosen, left + tolerance(left))
            if math.isinf(seconds):
                return math.inf
            seconds = self._ties.same(query, seconds)
            if self.measurements.is_slower(query, chosen):
                seconds *= PENALTY
            total += query.frequency * seconds
            if total > most:
                return math.inf
        return total

    def _writes(self, chosen: Indexes) -> float:
        total = 0.0
        # Timing inserts takes long, and if there are none, it isn't needed.
        written = [table for table in sorted(self.tables) if self.writes[table]]
        for table in written:
            self._check_time()
            total += self.writes[table] * self.inserts.seconds(table)
        for index in self.trial.in_order(chosen):
            if index.table in written:
                self._check_time()
                total += self.writes[index.table] * self._added(index)
        return total

    def _added(self, index: Index) -> float:
        """Return the seconds that an index adds to an insert."""
        added = self.inserts.seconds(index.table, index)
        return self._ties.same(index.table, added, added + self.inserts.seconds(index.table))

    def pruned(self, chosen: Indexes) -> Indexes:
        """Drop the index that is worth least, repeatedly, until each is worth its cost."""
        while chosen:
            least = self.of(chosen) + LEAST_GAIN
            cheapest = None
            for index in self.trial.in_order(chosen):
                cost = self.of(chosen - {index}, below=least)
                if cost < least:
                    least = cost
                    cheapest = chosen - {index}
            if cheapest is None:
                break
            chosen = cheapest
        return chosen


def expected_writes(
    tables: Mapping[str, Table], queries: Sequence[Query], writes: float | None
) -> dict[str, float]:
    """Return the rows inserted into each table while the workload runs once.

    Tables get rows in proportion to their size. `writes` is the number for the largest; without it,
    all tables together get `WRITES_PER_QUERY` for each query run.
    """
    sizes = {name: table.rows for name, table in tables.items()}
    if writes is None:
        runs = sum(query.frequency for query in queries)
        for_each_row = WRITES_PER_QUERY * runs / max(sum(sizes.values()), 1)
    else:
        for_each_row = writes / max([*sizes.values(), 1])
    return {name: for_each_row * rows for name, rows in sizes.items()}
