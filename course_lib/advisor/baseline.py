"""Time the queries without indexes, so that slow ones leave time for the others.

    all queries, stopped soon --> those that were stopped share the rest of the time

A query that is stopped counts as its limit. The more of them there are, the lower their limits.
"""

import sqlite3
import time
from collections.abc import Sequence

from course_lib.advisor.database_copy import OutOfTime
from course_lib.advisor.measurements import Measurements
from course_lib.advisor.workload import Query

SOON = 0.1  # seconds
FIRST_SHARE = 0.25  # of the time for a query, until each has been tried


def measure_without_indexes(
    measurements: Measurements, queries: Sequence[Query], skipped: dict[str, str]
) -> list[Query]:
    """Return the queries that could be measured, most expensive first; add others to `skipped`."""
    measured = _measure_all(measurements, queries, skipped)
    slow = _lift_limits(measurements, measured)
    _measure_slow(measurements, slow, skipped)
    _lift_limits(measurements, [query for query in slow if query.sql not in skipped])

    def cost(query: Query) -> float:
        return query.frequency * measurements.mean(query)

    return sorted((query for query in measured if query.sql not in skipped), key=cost, reverse=True)


def _measure_all(
    measurements: Measurements, queries: Sequence[Query], skipped: dict[str, str]
) -> list[Query]:
    """Measure each query for a short time, and return those that could be measured.

    Most of the time is left, because a busy machine may stop a query late.
    """
    measured = []
    for position, query in enumerate(queries):
        share = _left(measurements) / (len(queries) - position)
        measurements.limits[query] = min(SOON, FIRST_SHARE * share, measurements.reads.limit)
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
    for position, query in enumerate(queries):
        share = _left(measurements) / (len(queries) - position) / len(query.runs)
        short_limit = measurements.limits[query]
        short_times = measurements.times
        if share < short_limit:
            return
        measurements.forget(query)
        measurements.limits[query] = min(share, measurements.reads.limit)
        try:
            measurements.measure(query)
        except sqlite3.Error as error:
            skipped[query.sql] = str(error)
        except OutOfTime:
            measurements.limits[query] = short_limit
            measurements.use(short_times)


def _lift_limits(measurements: Measurements, queries: list[Query]) -> list[Query]:
    """Give queries that weren't stopped their full limit back, and return the others."""
    stopped = []
    for query in queries:
        if measurements.was_stopped(query):
            stopped.append(query)
        else:
            del measurements.limits[query]
    return stopped


def _left(measurements: Measurements) -> float:
    """Return the seconds until the deadline."""
    return measurements.trial.copy.deadline - time.perf_counter()
