"""Recommend indexes for a whole workload: proposed from its queries, and measured on a copy.

    queries = [("SELECT * FROM orders WHERE customer = 7", 100), ...]
    print(explain_recommendation("shop.db", queries))
    create_indexes("shop.db", indexes=recommend_indexes("shop.db", queries))

No cost model is trusted, not even SQLite's own. Every index that a query might use is built on a
copy of the database, and the query is timed with it: with the value that's written in it, and with
the hottest and the median value of the column. Five phases share the time, `seconds`:

    until 25%   copy the database, and read the queries
    until 35%   time the queries without indexes, then try ANALYZE alone
    until 80%   search (until 70% if the queries are slow, because verifying then takes longer)
    until 95%   verify: time the queries again with the indexes found
    until 110%  explain; up to here, times that are still missing are measured
"""

import math
import time
import warnings

from course_lib.advisor.analysis import Statistics
from course_lib.advisor.baseline import measure_without_indexes
from course_lib.advisor.costs import Costs, expected_writes
from course_lib.advisor.database_copy import OutOfTime
from course_lib.advisor.explanation import Explanation
from course_lib.advisor.inserts import Inserts
from course_lib.advisor.measurements import Measurements
from course_lib.advisor.reads import Reads
from course_lib.advisor.recommendation import Recommendation
from course_lib.advisor.search import Search
from course_lib.advisor.trial import Trial
from course_lib.advisor.verification import Verification
from course_lib.advisor.workload import MOST, Workload, as_number, read_workload, usages
from course_lib.optimizer import Database


def recommend_indexes(
    db: Database, queries: Workload, *, writes: float | None = None, seconds: float = 45.0
) -> list[str]:
    """Return the CREATE INDEX statements that make a whole workload fast at little cost.

    ANALYZE comes first if old or missing statistics are part of the problem. `create_indexes` runs
    all of them, and does to the database what was measured.

    `queries` are SQL strings, pairs of a string and how often it runs, or triples with the values
    of its parameters. A query that can't be measured is left out, with a warning that has the query
    and the reason. Everything else is as in `explain_recommendation`.
    """
    recommendation = explain_recommendation(db, queries, writes=writes, seconds=seconds)
    for sql, reason in recommendation.skipped.items():
        warnings.warn(f"left out of the workload: {reason}\n  {sql}", stacklevel=2)
    return recommendation.statements


def explain_recommendation(
    db: Database, queries: Workload, *, writes: float | None = None, seconds: float = 45.0
) -> Recommendation:
    """Recommend indexes, with what each serves, gains and costs. The database itself is only read.

    `writes` is the number of rows inserted into the largest table while the workload runs once;
    other tables get rows in proportion to their size. By default, all tables together get five
    rows for each query run. `seconds` is the time that everything may take, a tenth more at most;
    if it's short, fewer indexes are tried. A parameter without a value gets typical ones of what
    it's compared with.

    `before` is measured on the database's own statistics: missing, stale or fresh. A query runs as
    it's written, with other literals for comparison, and only an index that it uses in this form
    counts. An index that no time was left to verify isn't recommended: `unverified` has it. Neither
    is one that makes a query slower, even if others gain far more: `harmful` has it. Queries and
    inserts are measured in processor time, plus waits for the disk if it's read. So other processes
    don't change the advice, as long as there's time to measure.

    A query runs only on the copy, only if it's a single SELECT, UPDATE or DELETE that names a
    table, and is stopped after a twentieth of `seconds`, earlier if many are slow. What it changes
    is rolled back, and triggers don't run. The time of an UPDATE or DELETE includes the changes of
    the new indexes, which alone doesn't make one harmful: it must be worth that time. The copy is
    in the folder for temporary files (TMPDIR) and goes when the process ends, even if it's killed.
    Attached databases, and functions and collations defined on a given connection, aren't copied: a
    query that needs them is left out.

    Raises OSError if the disk is too small for the copy; TimeoutError if a quarter of the time
    isn't enough to copy the database and read the queries, or if the database stays locked;
    sqlite3.DatabaseError if the file is damaged or no database; TypeError or ValueError if
    `queries` isn't a workload; ValueError if `seconds` or `writes` isn't a number in range.

    No measurement shows two things. The planner has to know the new indexes, so `create_indexes`
    analyzes these, and only these. And with an index on a function that can fail (`json_extract` of
    text that isn't JSON), inserting such a row fails.
    """
    workload = usages(queries)
    seconds = _number("seconds", seconds, "a number above 0", least=math.ulp(0.0), most=math.inf)
    if writes is not None:
        writes = _number("writes", writes, "a number of rows, 0 or more, or None", least=0.0)
    start = time.perf_counter()

    def at(share: float) -> float:
        return start + share * seconds

    try:
        with Trial.of(db, at(0.25)) as trial:
            reads = Reads(trial.copy, limit=seconds / 20)
            measurements = Measurements(trial, reads)
            readable, skipped = read_workload(trial.copy, reads, workload)
            trial.copy.deadline = at(0.35)
            measured = measure_without_indexes(measurements, readable, skipped)
            trial.copy.deadline = at(0.45)
            statistics = Statistics(measurements, measured)
            analysis = statistics.refreshed()
            inserts = Inserts(trial)
            rows = expected_writes(trial.copy.tables, measured, writes)
            costs = Costs(measurements, inserts, measured, rows)
            # Verifying needs the most care: the slower the queries, the more time is reserved.
            once = sum(measurements.times.values())
            reserved = min(max(0.15 * seconds, once), 0.25 * seconds)
            chosen = Search(measurements, costs, measured).run(until=at(0.95) - reserved)
            verification = Verification(measurements, costs, measured, chosen)
            chosen = verification.run(deadline=at(0.95), end=at(1.05))
            analysis = statistics.needed(analysis, chosen)
            explanation = Explanation(measurements, inserts, measured, skipped, rows)
            return explanation.of(
                chosen, at(1.06), analysis, verification.unverified, verification.harmful
            )
    except OutOfTime:
        raise TimeoutError(
            "the database is too large to analyze in this time: pass a larger `seconds`"
        ) from None


def _number(name: str, value: float, kind: str, least: float, most: float = MOST) -> float:
    """Return an argument as a float; raise ValueError if it isn't a number in range."""
    number = as_number(value)
    if not least <= number <= most:
        raise ValueError(f"{name} is {value!r}: pass {kind}")
    return number
