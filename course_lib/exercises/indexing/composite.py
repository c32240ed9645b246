"""Equalities first, then the order."""

from typing import Any, ClassVar

from course_lib.exercises.index_exercise import NEWEST_OF_USER, IndexExercise


class Composite(IndexExercise):
    """Equalities first, then the order."""

    name = "composite"
    task = f"""The newest twenty events of a user, whoever it is:

    {NEWEST_OF_USER}

Write **one** `CREATE INDEX` statement with which it searches for the user *and* finds the rows already in order."""
    stub = 'composite = ...  # "CREATE INDEX ..."'
    hints = (
        "An index on several columns is sorted like a telephone book: by the first, within that by the second.",
        "Step 1, the equalities: which column is compared with `=`? Step 2, the order: by which column is it sorted?",
        "`CREATE INDEX idx_events_user_id_created_at ON events(<equality>, <order>)`",
    )
    composite = "CREATE INDEX idx_events_user_id_created_at ON events(user_id, created_at)"
    praise = "Equality first, then the order: SQLite stands at the user's newest event at once and reads twenty entries."
    refusals: ClassVar = {
        "order_first": (
            "Sorted by time first, a user's rows lie scattered among everybody's: fine for who has many, a long walk "
            "for who has few.",
            "Put the column with `=` first, then the one that sorts.",
        ),
        "still_sorted": (
            "The index finds the user's rows, but in another order than the query wants them: they are all fetched and "
            "sorted to keep twenty.",
            "After the equality, name the column of the ORDER BY.",
        ),
        "gap": (
            "Between the user and the time stands a column that the query does not fix: within a user, rows are no "
            "longer in the order of time.",
            "Nothing may stand between the equalities and the order.",
        ),
        "no_equality": (
            "This index cannot be searched for a user.",
            "Begin with the column that is compared with `=`.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """The plan must search by user_id and find the times in order."""
        _, columns, plan = self.indexed(answer, NEWEST_OF_USER)
        # "PART OF ORDER BY" is fine: among events of one second the ids are put in order, no more.
        if plan.searches and "ORDER BY" not in plan.sorts and columns[0] == "user_id":
            return
        if columns[0] == "user_id":
            mistake = "gap" if "created_at" in columns[2:] else "still_sorted"
        else:
            mistake = (
                "order_first"
                if columns[0] == "created_at" and "user_id" in columns
                else "no_equality"
            )
        self.refuse(mistake, call=answer, got=str(plan), expected="a SEARCH, and nothing sorted")
