"""Exercise: the missing index of a JOIN."""

import sqlite3
from typing import Any, ClassVar

from course_lib.exercises.index_exercise import IndexExercise

REFUNDS = """SELECT u.name, e.title, e.created_at
    FROM users AS u JOIN events AS e ON e.user_id = u.id
    WHERE u.country = 'JP' AND u.plan = 'team' AND e.type = 'refund'"""
# 24,000 events of 500 users, of whom 16 meet the condition; a fifth of the events are refunds.
COUNTRIES_AND_REFUNDS = (
    """INSERT INTO events SELECT NULL, 1 + id % 500, type, status, duration_ms, title, starts_at,
        created_at, payload FROM events, (VALUES (1), (2), (3), (4), (5))""",
    """UPDATE users SET country = CASE id % 3 WHEN 0 THEN 'JP' ELSE 'DE' END,
        plan = CASE id % 10 WHEN 0 THEN 'team' ELSE 'free' END""",
    "UPDATE events SET type = CASE id % 5 WHEN 0 THEN 'refund' ELSE 'view' END",
)


class InnerSide(IndexExercise):
    """Each turn of the outer loop looks for rows of the inner table: that's the index it needs."""

    name = "inner_side"
    task = f"""The refunds of the team accounts in Japan:

    {REFUNDS}

SQLite runs this query as

    SCAN e
    SEARCH u USING INTEGER PRIMARY KEY (rowid=?)

though only about twenty of the 20,000 users meet the condition, and `events` has a million rows.
Write the **one** `CREATE INDEX` statement that lets SQLite start with these users and go straight
to the events of each."""
    stub = 'inner_side = ...  # "CREATE INDEX ..."'
    hints = (
        "Which line of the plan reads a million rows? The missing index is on that table.",
        "Imagine the other order: SQLite has a user's row, with its `id`, and looks for the events "
        "of this user. Which column of `events` does it compare?",
        "It's the column of `events` in the ON: `CREATE INDEX name ON events(...)`.",
    )
    inner_side = "CREATE INDEX idx_events_user_id_type ON events(user_id, type)"
    praise = (
        "Now `users` is the outer table, and for each user that meets the condition, SQLite goes "
        "straight to the events. (The column of the ON is enough; `type` saves fetching events "
        "that aren't refunds.)"
    )
    refusals: ClassVar = {
        "outer_side": (
            "This finds the users faster, but reading 20,000 users was never the problem: without "
            "an index on `events`, SQLite still reads all events.",
            "Which line of the plan reads a million rows? Index that table.",
        ),
        "primary_key": (
            "A table is already sorted by its `id`; the plan calls that INTEGER PRIMARY KEY.",
            "Look for the other column in the ON.",
        ),
        "filter_only": (
            "This finds all refunds of all users, and then looks up the user of each. The work "
            "still grows with the table.",
            "Add the column that connects an event to its user.",
        ),
        "out_of_reach": (
            "The column of the ON is in the index, but behind a column that the query doesn't fix: "
            "a user's events are scattered in it.",
            "Put only columns that the query compares with `=` before it.",
        ),
        "wrong_column": (
            "The plan hasn't changed: no condition of the query compares the first column of this "
            "index.",
            "Which column of `events` does the ON compare?",
        ),
        "partial_index": (
            "An index with its own WHERE has only some of the rows, and SQLite doesn't search this "
            "one for a user's events.",
            "Leave out the WHERE, and put `type` among the columns if you like.",
        ),
        "two_indexes": (
            "This is more than one statement. Only one index is missing.",
            "Write the one that keeps SQLite from reading all events.",
        ),
    }

    @staticmethod
    def unseen(*statements: str) -> sqlite3.Connection:
        """Return the unseen database, with countries, plans and refunds."""
        return IndexExercise.unseen(*COUNTRIES_AND_REFUNDS, *statements)

    def judge(self, answer: Any) -> None:
        """Expect a plan that searches `events` by user."""
        index = self.indexed(answer, REFUNDS)
        columns, plan = index.columns, index.plan
        if any(step.table == "e" and "user_id=?" in step.text for step in plan.searches):
            return
        mistakes = {
            "partial_index": index.is_partial,
            "collation": index.collated & {"user_id", "type"},
            "primary_key": columns[0] == "id",
            "outer_side": index.table == "users",
            "out_of_reach": "user_id" in columns,
            "filter_only": columns[0] == "type",
            "wrong_column": True,
        }
        expected = "SEARCH e USING INDEX ... (user_id=?)"
        self.refuse_first(mistakes, call=answer, got=str(plan), expected=expected)
