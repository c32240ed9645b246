"""Time the queries without indexes, so that slow ones leave time for the others.

    all queries, stopped soon --> those that were stopped share the rest of the time

A query that is stopped counts as its limit. The more of them there are, the lower their limits.
"""

import sqlite3
import time
from collections.abc import Iterable

from course_lib.advisor.database_copy import OutOfTime
from course_lib.advisor.measurements import Measurements
from course_lib.advisor.workload import Query

SOON = 0.05  # of the time that a query may take


def measure_without_indexes(
    measurements: Measurements, queries: Iterable[Query], skipped: dict[str, str]
) -> list[Query]:
    """Return the queries that could be measured, most expensive first; add others to `skipped`."""
    measured = _measure_all(measurements, queries, skipped)
    slow = [query for query in measured if measurements.was_stopped(query)]
    _measure_slow(measurements, slow, skipped)

    def cost(query: Query) -> float:
        return query.frequency * measurements.mean(query)

    return sorted((query for query in measured if query.sql not in skipped), key=cost, reverse=True)


def _measure_all(
    measurements: Measurements, queries: Iterable[Query], skipped: dict[str, str]
) -> list[Query]:
    """Measure each query for a short time, and return those that could be measured."""
    measured = []
    for query in queries:
        measurements.limits[query] = SOON * measurements.reads.limit
        try:
            measurements.measure(query)
            measured.append(query)
        except sqlite3.Error as error:  # malformed JSON, say
            skipped[query.sql] = str(error)
        except OutOfTime:
            skipped[query.sql] = "no time was left to measure it: pass a larger `seconds`"
    return measured


def _measure_slow(
    measurements: Measurements, queries: list[Query], skipped: dict[str, str]
) -> None:
    """Measure queries again, each for an equal share of the time that is left."""
    limit = measurements.reads.limit
    for position, query in enumerate(queries):
        left = measurements.trial.copy.deadline - time.perf_counter()
        share = left / (len(queries) - position) / len(query.runs)
        if share < SOON * limit:
            return
        short_times = measurements.times
        measurements.forget(query)
        measurements.limits[query] = min(share, limit)
        try:
            measurements.measure(query)
        except sqlite3.Error as error:
            skipped[query.sql] = str(error)
        except OutOfTime:
            measurements.limits[query] = SOON * limit
            measurements.use(short_times)
