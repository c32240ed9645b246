"""All that the query reads stands in the index."""

from typing import Any, ClassVar

from course_lib.exercises.index_exercise import TIME_SPENT, IndexExercise


class Covering(IndexExercise):
    """All that the query reads stands in the index."""

    name = "covering"
    task = f"""The ten users who spent most time:

    {TIME_SPENT}

Write one `CREATE INDEX` statement with which it never touches the table: a **covering** index, whose order also keeps
each user's entries together."""
    stub = 'covering = ...  # "CREATE INDEX ..."'
    hints = (
        "List the columns that the query mentions anywhere. A covering index holds them all.",
        "There are two. The one in the GROUP BY comes first, so that a group's entries lie side by side.",
        "`CREATE INDEX idx_events_user_id_duration_ms ON events(user_id, ...)`",
    )
    covering = "CREATE INDEX idx_events_user_id_duration_ms ON events(user_id, duration_ms)"
    praise = "Everything stands in the index, in the order of the groups: the table is not opened at all."
    refusals: ClassVar = {
        "not_covering": (
            "A column is missing, so SQLite goes from each entry to the table: slower than no index.",
            "Add every column that the query mentions.",
        ),
        "groups_scattered": (
            "It covers the query, but a user's entries do not lie together: they are collected in a temporary B-tree.",
            "Put the column of the GROUP BY first.",
        ),
        "unused": (
            "SQLite does not use this index for the query at all.",
            "Begin with the column of the GROUP BY.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """The plan must be covered and group without a temporary B-tree."""
        _, columns, plan = self.indexed(answer, TIME_SPENT)
        expected = "COVERING INDEX, and no TEMP B-TREE FOR GROUP BY"
        if not plan.indexes:
            self.refuse(
                "not_covering" if columns[0] == "user_id" else "unused",
                call=answer,
                got=str(plan),
                expected=expected,
            )
        if not plan.covering:
            self.refuse("not_covering", call=answer, got=str(plan), expected=expected)
        if columns[0] != "user_id":
            self.refuse("groups_scattered", call=answer, got=str(plan), expected=expected)
