"""Exercise: which index can go?"""

import re
from typing import Any, ClassVar

from course_lib.exercises.choices import ChoiceExercise
from course_lib.exercises.index_exercise import NEWEST_OF_USER, TIME_SPENT, IndexingExercise
from course_lib.exercises.verdict import brief
from course_lib.optimizer import analyze_query_performance

NEWEST_ERRORS = "SELECT * FROM events WHERE status = 500 ORDER BY created_at DESC LIMIT 20"


class DropOne(IndexingExercise, ChoiceExercise):
    """An index that's the beginning of another one is paid for and never needed."""

    name = "drop_one"
    task = """A table has four indexes, and every write pays for each of them:

    idx_user_id               events(user_id)
    idx_user_id_created_at    events(user_id, created_at)
    idx_user_id_duration_ms   events(user_id, duration_ms)
    idx_status_created_at     events(status, created_at)

The API queries a user's newest twenty events, the ten users who spent the most time, the number of
a user's events, and the newest errors (`WHERE status = 500 ORDER BY created_at DESC LIMIT 20`).
Which **one** index can go, so that every query keeps an equally good plan? Give its name."""
    stub = "drop_one = ...  # the name of an index, in quotes"
    hints = (
        "Which index does each query need? Then look for an index that no query needs.",
        "An index on (a, b) is sorted by a as well: what can one on (a) do that it can't?",
        "Three of the names begin alike; the shortest of them is the beginning of the other two.",
    )
    drop_one = "idx_user_id"
    praise = (
        "It's the beginning of two longer ones, so whatever it can find, they can find as well."
    )
    refusals: ClassVar = {
        "sorts_again": (
            "Without it, SQLite fetches and sorts all of a user's events to find the newest.",
            "Try the next one, and ask for each query: would it miss this index?",
        ),
        "not_covered": (
            "Without it, SQLite goes back to the table to sum the time that each user spent.",
            "Try the next one, and ask for each query: would it miss this index?",
        ),
        "scans_again": (
            "Without it, SQLite reads the whole table for the newest errors: no other index "
            "begins with status.",
            "Try the next one, and ask for each query: would it miss this index?",
        ),
        "not_one_index": (
            "Give exactly one of the four names.",
            "Copy it from the left column of the task.",
        ),
    }
    indexes: ClassVar = {
        "idx_user_id": "user_id",
        "idx_user_id_created_at": "user_id, created_at",
        "idx_user_id_duration_ms": "user_id, duration_ms",
        "idx_status_created_at": "status, created_at",
    }
    mistakes: ClassVar = {
        "index": {
            "idx_user_id_created_at": "sorts_again",
            "idx_user_id_duration_ms": "not_covered",
            "idx_status_created_at": "scans_again",
        }
    }
    needed_by: ClassVar = {
        "idx_user_id_created_at": NEWEST_OF_USER,
        "idx_user_id_duration_ms": TIME_SPENT,
        "idx_status_created_at": NEWEST_ERRORS,
    }

    def choices(self, answer: Any) -> dict[str, str]:
        """Return the name of the index."""
        if isinstance(answer, list | tuple) and len(answer) == 1:
            (answer,) = answer
        if not isinstance(answer, str):
            expected = "the name of an index, as a string"
            self.refuse("wrong_type", got=brief(answer), expected=expected)
        words = re.findall(r"\w+", answer.lower())
        names = [word for word in words if word in self.indexes]
        if len(names) != 1:
            expected = f"one of {', '.join(self.indexes)}"
            self.refuse("not_one_index", got=brief(answer), expected=expected)
        return {"index": names[0]}

    def details(self, question: str, choice: Any) -> dict[str, str]:
        """Return the plan of the query that suffers if this index is dropped."""
        statements = []
        for name, columns in self.indexes.items():
            if name != choice:
                statements.append(f"CREATE INDEX {name} ON events({columns})")
        query = self.needed_by[choice]
        plan = analyze_query_performance(self.unseen(*statements), query)
        return {"call": f"DROP INDEX {choice}; then {query}", "got": str(plan)}
