"""An index on the column of the WHERE."""

from typing import Any, ClassVar

from course_lib.exercises.index_exercise import ONE_USER, IndexExercise


class FirstIndex(IndexExercise):
    """An index on the column of the WHERE."""

    name = "first_index"
    task = f"""The list of one user's events runs

    {ONE_USER}

Write the `CREATE INDEX` statement that turns its SCAN into a SEARCH. The guide calls the index `idx_events_user_id`."""
    stub = 'first_index = ...  # "CREATE INDEX ..."'
    hints = (
        "Which column does the WHERE compare?",
        "The form is `CREATE INDEX name ON table(column)`.",
        "`CREATE INDEX idx_events_user_id ON events(...)`: one column's name is missing.",
    )
    first_index = "CREATE INDEX idx_events_user_id ON events(user_id)"
    praise = "The plan now says SEARCH: down the index to this user, and no other row is read."
    refusals: ClassVar = {
        "wrong_column": (
            "This index does not hold the column that the WHERE compares, so the plan is what it was.",
            "Index the column that stands beside the `=`.",
        ),
        "not_first": (
            "An index is ordered by its first column; here user_id comes later, so one user's rows lie scattered.",
            "Put user_id first.",
        ),
        "expression": (
            "This indexes the value of an expression; the query compares the bare column.",
            "Name the column itself.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """The plan must search by user_id, for any user."""
        _, columns, plan = self.indexed(answer, ONE_USER)
        if not plan.searches:
            scattered = "not_first" if "user_id" in columns else "wrong_column"
            self.refuse(
                "expression" if "" in columns[:1] else scattered,
                call=answer,
                got=str(plan),
                expected="SEARCH",
            )
