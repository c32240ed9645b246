"""Recommend indexes for a whole workload: proposed from its queries, and measured on a copy.

    print(explain_recommendation("app.db", [("SELECT * FROM events WHERE user_id = 123", 100)]))

The same on the command line: `python -m course_lib.advisor app.db queries.sql`.

Read `advisor.py` first. The steps, with their files:

    read     workload.py       the queries, with typical values to run them with (values.py)
             statement.py      the text that runs, and its parameters
             reading.py        one query, as a syntax tree (dialect.py)
             scans.py          what a SELECT needs from each table (select_table.py, orders.py)
             conditions.py     what an index can do for a condition
             pushdown.py       conditions of an outer query on a subquery, view or CTE
             foreign_keys.py   the lookups of children that a DELETE makes
             candidates.py     indexes that might serve it (schema.py has Table and Index)
    try      database_copy.py  the copy on which everything runs (watchdog.py stops it in time)
             baseline.py       the queries without indexes
             analysis.py       ANALYZE alone
             trial.py          indexes on it: built, shown, hidden
             reads.py          plans and times of queries
             inserts.py        times of inserts (stopwatch.py measures processor time)
    decide   measurements.py   the times, by query and plan
             costs.py          what a set of indexes costs (ties.py: times that differ by chance)
             search.py         the cheapest set (constants.py drops useless leading columns)
             verification.py   every query timed again (regressions.py finds the slower ones)
    explain  explanation.py    what each index gains and costs (recommendation.py, tables.py)
             ticker.py         how much of the time has passed, for a progress bar
"""

try:
    import sqlglot  # noqa: F401
except ImportError as error:
    raise ImportError(
        "the advisor reads SQL with sqlglot, which is not installed:"
        " pip install 'api-performance-workbook[advisor]'"
    ) from error

from course_lib.advisor.advisor import explain_recommendation, recommend_indexes
from course_lib.advisor.recommendation import Recommendation

__all__ = [
    "Recommendation",
    "explain_recommendation",
    "recommend_indexes",
]
