"""Exercise: one index that both finds and orders."""

from typing import Any, ClassVar

from course_lib.exercises.index_exercise import NEWEST_OF_USER, IndexExercise


class Composite(IndexExercise):
    """Equalities first, then the order."""

    name = "composite"
    task = f"""The newest twenty events of a user, for any user:

    {NEWEST_OF_USER}

Write **one** `CREATE INDEX` statement that lets SQLite search for the user *and* find the rows
already in order."""
    stub = 'composite = ...  # "CREATE INDEX ..."'
    hints = (
        "An index on several columns is sorted like a phone book: by the first column, and within "
        "that by the second.",
        "Step 1, the equalities: which column is compared with `=`? Step 2, the order: which "
        "column sorts the rows?",
        "`CREATE INDEX idx_events_user_id_created_at ON events(<equality>, <order>)`",
    )
    composite = "CREATE INDEX idx_events_user_id_created_at ON events(user_id, created_at)"
    praise = (
        "Equality first, then the order: SQLite goes straight to the user's newest event and reads "
        "twenty entries."
    )
    refusals: ClassVar = {
        "order_first": (
            "Sorted by time first, a user's rows are scattered among everyone's: fine for users "
            "with many events, a long walk for users with few.",
            "Put the column with `=` first, then the one that sorts.",
        ),
        "still_sorted": (
            "The index finds the user's rows, but not in the order that the query asks for: SQLite "
            "fetches and sorts them all to keep twenty.",
            "After the equality, name the column of the ORDER BY.",
        ),
        "gap": (
            "Between the user and the time there's a column that the query doesn't fix: within a "
            "user, the rows are no longer ordered by time.",
            "Put nothing between the equalities and the order.",
        ),
        "no_equality": (
            "SQLite can't search this index for a user.",
            "Begin with the column that's compared with `=`.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Expect a plan that searches by user_id and finds the rows in order of time."""
        index = self.indexed(answer, NEWEST_OF_USER)
        columns, plan = index.columns, index.plan
        starts_with_user = columns[0] == "user_id"
        # "PART OF ORDER BY" is fine: it only sorts the IDs of events in the same second.
        if plan.searches and "ORDER BY" not in plan.sorts and starts_with_user:
            return
        mistakes = {
            "collation": index.collated & {"user_id", "created_at"},
            "gap": starts_with_user and "created_at" in columns[2:],
            "still_sorted": starts_with_user,
            "order_first": columns[0] == "created_at" and "user_id" in columns,
            "no_equality": True,
        }
        expected = "a SEARCH, and nothing sorted"
        self.refuse_first(mistakes, call=answer, got=str(plan), expected=expected)
