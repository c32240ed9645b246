"""Recommend indexes for a whole workload: proposed from its queries, and measured on a copy.

    print(explain_recommendation("app.db", [("SELECT * FROM events WHERE user_id = 123", 100)]))

Read `advisor.py` first. The steps, with their files:

    read     workload.py       the queries, with typical values to run them with (values.py)
             reading.py        one query, as a syntax tree (dialect.py)
             scans.py          what a SELECT needs from each table (select_table.py, orders.py)
             candidates.py     indexes that might serve it (schema.py has Table and Index)
    try      database_copy.py  the copy on which everything runs
             trial.py          indexes on it: built, shown, hidden
             reads.py          plans and times of queries
             inserts.py        times of inserts
    decide   measurements.py   the times, by query and plan
             costs.py          what a set of indexes costs
             search.py         the cheapest set
             verification.py   every query timed again
    explain  explanation.py    what each index gains and costs (recommendation.py)
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
