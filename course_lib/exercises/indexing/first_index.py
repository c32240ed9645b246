"""Exercise: the first index."""

from typing import Any, ClassVar

from course_lib.exercises.index_exercise import ONE_USER, IndexExercise


class FirstIndex(IndexExercise):
    """An index on the column in the WHERE."""

    name = "first_index"
    task = f"""The list of one user's events runs

    {ONE_USER}

Write the `CREATE INDEX` statement that turns its SCAN into a SEARCH. Call the index
`idx_events_user_id`."""
    stub = 'first_index = ...  # "CREATE INDEX ..."'
    hints = (
        "Which column does the WHERE compare?",
        "The form is `CREATE INDEX name ON table(column)`.",
        "`CREATE INDEX idx_events_user_id ON events(...)`: only the column's name is missing.",
    )
    first_index = "CREATE INDEX idx_events_user_id ON events(user_id)"
    praise = (
        "The plan now says SEARCH: SQLite goes down the index to this user and reads no other row."
    )
    refusals: ClassVar = {
        "wrong_column": (
            "This index doesn't contain the column that the WHERE compares, so the plan hasn't "
            "changed.",
            "Index the column beside the `=`.",
        ),
        "not_first": (
            "An index is ordered by its first column; here user_id comes later, so one user's rows "
            "are scattered.",
            "Put user_id first.",
        ),
        "expression": (
            "This indexes the value of an expression, but the query compares the bare column.",
            "Name the column itself.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Expect a plan that searches by user_id, for any user."""
        index = self.indexed(answer, ONE_USER)
        if index.plan.searches:
            return
        mistakes = {
            "collation": "user_id" in index.collated,
            "expression": not index.columns[0],
            "not_first": "user_id" in index.columns,
            "wrong_column": True,
        }
        self.refuse_first(mistakes, call=answer, got=str(index.plan), expected="SEARCH")
