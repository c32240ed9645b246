"""Find the queries that a set of indexes makes slower, and the indexes that may be the cause."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from course_lib.advisor.database_copy import OutOfTime
from course_lib.advisor.measurements import SLOWER, Measurements
from course_lib.advisor.schema import Indexes
from course_lib.advisor.workload import Query

# The bound for times that alternated: less than SLOWER, so that a limit of SLOWER is kept.
SURELY_SLOWER = 1.2
DOUBTFUL = 0.1  # of the time before: a query that takes more could be slower on a quiet machine


class Regressions:
    """The queries that became slower. Times that look so are compared again, in alternation."""

    def __init__(self, measurements: Measurements, queries: Sequence[Query]) -> None:
        self.measurements = measurements
        self.queries = queries
        self._slower = SLOWER

    def first(self, chosen: Indexes) -> Query | None:
        """Return the first query that seems slower with these indexes, and because of them."""
        for query in self.queries:
            if self._is_slower(query, chosen) and self.suspects(query, chosen):
                return query
        return None

    def confirmed(self, query: Query, chosen: Indexes) -> bool:
        """Time a query again, because the first time may be chance: is it still slower?"""
        self.measurements.forget(query)
        self.measurements.compare_again(query, chosen)
        is_slower = partial(self._is_slower, query, chosen)
        return self.measurements.confirms(is_slower, query, chosen)

    def _is_slower(self, query: Query, chosen: Indexes) -> bool:
        return self.measurements.is_slower(query, chosen, slower=self._slower)

    def compare_doubtful(self, chosen: Indexes) -> None:
        """Compare again the queries that aren't clearly faster, the slowest-looking first.

        From then on the bound is tighter. If time runs out, the others have the one comparison that
        they've passed.
        """
        slowdowns = {}
        for query in self.queries:
            if self.measurements.used(query, chosen):
                slowdowns[query] = self.measurements.slowdown(query, chosen)
        with suppress(OutOfTime):
            for query in sorted(slowdowns, key=slowdowns.__getitem__, reverse=True):
                if slowdowns[query] > DOUBTFUL:
                    self.measurements.compare_again(query, chosen)
        self._slower = SURELY_SLOWER

    def suspects(self, query: Query, chosen: Indexes) -> Indexes:
        """Return the indexes that a query uses; if none, all on its tables.

        The statistics of an index can change a plan that doesn't use the index.
        """
        return self.measurements.used(query, chosen) or query.relevant(chosen)

    def doubtful(self, chosen: Indexes) -> Indexes:
        """Return the suspects of the first slower query, by the times that are known.

        If no query is known to be slower, return the indexes on the tables of the queries for which
        no time is left to find out.
        """
        unknown = Indexes()
        for query in self.queries:
            try:
                is_slower = self.measurements.is_slower(query, chosen)
                if is_slower and (suspects := self.suspects(query, chosen)):
                    return suspects
            except OutOfTime:
                unknown |= query.relevant(chosen)
        return unknown
