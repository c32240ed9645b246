"""Try ANALYZE alone, which is the whole fix for many a slow database.

The copy has the statistics of the original: missing, stale or fresh. `before` is measured with
them. They're refreshed only if that makes the workload faster and no query slower.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from statistics import fmean

from course_lib.advisor.database_copy import DatabaseCopy, OutOfTime
from course_lib.advisor.measurements import FASTER, NO_INDEXES, Measurements
from course_lib.advisor.recommendation import Analysis
from course_lib.advisor.schema import Indexes
from course_lib.advisor.workload import Query
from course_lib.optimizer.database import quoted, result_code

TABLES = ("sqlite_stat1", "sqlite_stat4")  # the second only in some builds of SQLite


class Statistics:
    """The statistics on the copy, which can be refreshed, and restored."""

    def __init__(self, measurements: Measurements, queries: Sequence[Query]) -> None:
        self.measurements = measurements
        self.queries = queries
        self.copy = measurements.trial.copy
        self._original = _rows(self.copy)

    def refreshed(self) -> Analysis | None:
        """Run ANALYZE, and keep its statistics if they help: then return what they change."""
        self.measurements.keep_as_it_was(self.queries)
        try:
            statements = _analyze(self.copy)
            before = sum(
                query.frequency * fmean(self.measurements.before(query).seconds)
                for query in self.queries
            )
            after = self._workload(NO_INDEXES)
            if after < FASTER * before and not self._surely_slower():
                return Analysis(statements, before, after)
        except (OutOfTime, sqlite3.Error):
            pass  # what couldn't be measured isn't recommended
        self._restore()
        self.measurements.reset()
        return None

    def needed(self, analysis: Analysis | None, chosen: Indexes) -> Analysis | None:
        """Return the analysis if the indexes need it: without it, the workload must be slower.

        An index is analyzed when it's created, and that's often enough.
        """
        if analysis is None or not chosen:
            return analysis
        try:
            limit = self._workload(chosen) / FASTER
            self._restore()
            self.measurements.use(self.measurements.times)
            if self._workload(chosen) < limit and not self._slower(chosen):
                return None
        except OutOfTime:
            pass
        self.copy.deadline += 1.0  # or the copy stays with the statistics of neither
        self.measurements.trial.show(NO_INDEXES)
        with suppress(OutOfTime):
            _analyze(self.copy)
        self.measurements.use(self.measurements.times)
        return analysis

    def _workload(self, chosen: Indexes) -> float:
        """Return the seconds of the workload; raise OutOfTime if a query can't be measured."""
        return sum(
            query.frequency * self.measurements.mean(query, chosen) for query in self.queries
        )

    def _surely_slower(self) -> bool:
        """Check whether a query is slower with the new statistics, each time it's measured."""
        for query in self.queries:
            is_slower = partial(self.measurements.is_slower, query, NO_INDEXES)
            if self.measurements.confirms(is_slower, query, NO_INDEXES):
                return True
        return False

    def _slower(self, chosen: Indexes) -> bool:
        return any(self.measurements.is_slower(query, chosen) for query in self.queries)

    def _restore(self) -> None:
        """Put the statistics of the original back."""
        self.measurements.trial.show(NO_INDEXES)  # it keeps the statistics of its indexes itself
        with closing(self.copy.change()) as connection:
            connection.execute("BEGIN")
            for name in _rows(self.copy):
                connection.execute(f"DELETE FROM {name}")
                for row in self._original.get(name, []):
                    places = ", ".join("?" * len(row))
                    connection.execute(f"INSERT INTO {name} VALUES ({places})", row)
            connection.execute("COMMIT")


def _analyze(copy: DatabaseCopy) -> tuple[str, ...]:
    """Run ANALYZE, and return its statements: several if some tables can't be read."""
    with closing(copy.change()) as connection, copy.bounded(connection):
        try:
            connection.execute("ANALYZE")
        except sqlite3.OperationalError as error:
            if result_code(error) != sqlite3.SQLITE_ERROR:
                raise
        else:
            return ("ANALYZE",)
        statements = []
        for table in copy.tables.values():
            statement = f"ANALYZE {quoted(table.name)}"
            with suppress(sqlite3.OperationalError):  # a collation that's missing, say
                connection.execute(statement)
                statements.append(statement)
        return tuple(statements)


def _rows(copy: DatabaseCopy) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of the tables with statistics."""
    rows = {}
    with closing(copy.connect()) as connection:
        for name in TABLES:
            with suppress(sqlite3.OperationalError):
                rows[name] = connection.execute(f"SELECT * FROM {name}").fetchall()
    return rows
