"""Recommend indexes for a whole workload: proposed from its queries, and measured on a copy of the database.

    print(explain_recommendation("app.db", [("SELECT * FROM events WHERE user_id = 123", 100)]))

Read `advisor.py` first.
"""

from course_lib.advisor.advisor import (
    Recommendation,
    explain_recommendation,
    recommend_indexes,
)

__all__ = [
    "Recommendation",
    "explain_recommendation",
    "recommend_indexes",
]
