"""Exercise: a covering index."""

from typing import Any, ClassVar

from course_lib.exercises.index_exercise import TIME_SPENT, IndexExercise


class Covering(IndexExercise):
    """The index contains everything that the query reads."""

    name = "covering"
    task = f"""The ten users who spent the most time:

    {TIME_SPENT}

Write one `CREATE INDEX` statement that answers this query without touching the table: a
**covering** index, in an order that also keeps each user's entries together."""
    stub = 'covering = ...  # "CREATE INDEX ..."'
    hints = (
        "List the columns that the query mentions anywhere. A covering index contains them all.",
        "There are two. The one in the GROUP BY comes first, so that a group's entries are side by "
        "side.",
        "`CREATE INDEX idx_events_user_id_duration_ms ON events(user_id, ...)`",
    )
    covering = "CREATE INDEX idx_events_user_id_duration_ms ON events(user_id, duration_ms)"
    praise = "The index has everything, in the order of the groups: SQLite never opens the table."
    refusals: ClassVar = {
        "not_covering": (
            "A column is missing, so SQLite goes from each entry to the table: slower than no "
            "index.",
            "Add every column that the query mentions.",
        ),
        "groups_scattered": (
            "It covers the query, but a user's entries aren't together: SQLite collects them in a "
            "temporary B-tree.",
            "Put the column of the GROUP BY first.",
        ),
        "unused": (
            "SQLite doesn't use this index for the query at all.",
            "Begin with the column of the GROUP BY.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Expect a covered plan that groups without a temporary B-tree."""
        index = self.indexed(answer, TIME_SPENT)
        plan = index.plan
        starts_with_user = index.columns[0] == "user_id"
        mistakes = {
            "collation": "user_id" in index.collated,
            "unused": not plan.indexes and not starts_with_user,
            "not_covering": not plan.indexes or not plan.covering,
            "groups_scattered": "GROUP BY" in plan.sorts,
        }
        expected = "COVERING INDEX, and no TEMP B-TREE FOR GROUP BY"
        self.refuse_first(mistakes, call=answer, got=str(plan), expected=expected)
