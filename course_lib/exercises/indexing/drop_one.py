"""An index that is the beginning of another one is paid for and never needed."""

import re
from typing import Any, ClassVar

from course_lib.exercises.index_exercise import NEWEST_OF_USER, TIME_SPENT, IndexingExercise
from course_lib.exercises.verdict import brief
from course_lib.optimizer import analyze_query_performance


class DropOne(IndexingExercise):
    """An index that is the beginning of another one is paid for and never needed."""

    name = "drop_one"
    task = """A table carries four indexes, and each is paid for by every write:

    idx_user_id               events(user_id)
    idx_user_id_created_at    events(user_id, created_at)
    idx_user_id_duration_ms   events(user_id, duration_ms)
    idx_status_created_at     events(status, created_at)

The API asks for a user's newest twenty events, for the ten users who spent most time, for the number of a user's
events, and for the newest errors (`WHERE status = 500 ORDER BY created_at DESC LIMIT 20`).
Which **one** index can go, and every query keeps a plan as good? Give its name."""
    stub = "drop_one = ...  # the name of an index, in quotes"
    hints = (
        "For each query, which index does it need? Then look for an index that nobody needs.",
        "An index on (a, b) is sorted by a as well: what can one on (a) do that it cannot?",
        "Three of the names begin alike; the shortest of them is the beginning of the other two.",
    )
    drop_one = "idx_user_id"
    praise = "It is the beginning of two longer ones, so whatever it can find, they find as well."
    refusals: ClassVar = {
        "sorts_again": (
            "Without it a user's newest events are all fetched and sorted again.",
            "Take the next one, and ask of each query: would it miss it?",
        ),
        "not_covered": (
            "Without it the ten users who spent most time are summed from the table again.",
            "Take the next one, and ask of each query: would it miss it?",
        ),
        "scans_again": (
            "Without it the newest errors are looked for in the whole table: no other index begins with status.",
            "Take the next one, and ask of each query: would it miss it?",
        ),
        "not_one_index": ("Exactly one of the four names is asked for.", "Give it as a string."),
    }
    indexes: ClassVar = {
        "idx_user_id": "user_id",
        "idx_user_id_created_at": "user_id, created_at",
        "idx_user_id_duration_ms": "user_id, duration_ms",
        "idx_status_created_at": "status, created_at",
    }
    missed: ClassVar = {
        "idx_user_id_created_at": ("sorts_again", NEWEST_OF_USER),
        "idx_user_id_duration_ms": ("not_covered", TIME_SPENT),
        "idx_status_created_at": (
            "scans_again",
            "SELECT * FROM events WHERE status = 500 ORDER BY created_at DESC LIMIT 20",
        ),
    }
    """For each index that is needed: the misconception of dropping it, and the query that suffers."""

    def judge(self, answer: Any) -> None:
        """Drop it from the unseen database and show the query that suffers."""
        if not isinstance(answer, str):
            self.refuse(
                "wrong_type", got=brief(answer), expected="the name of an index, as a string"
            )
        named = [word for word in re.findall(r"\w+", answer.lower()) if word in self.indexes]
        if len(named) != 1:
            self.refuse(
                "not_one_index", got=brief(answer), expected=f"one of {', '.join(self.indexes)}"
            )
        name = named[0]
        if name in self.missed:
            mistake, suffering = self.missed[name]
            rest = (
                f"CREATE INDEX {each} ON events({on})"
                for each, on in self.indexes.items()
                if each != name
            )
            plan = analyze_query_performance(self.unseen(*rest), suffering)
            self.refuse(mistake, call=f"DROP INDEX {name}; then {suffering}", got=str(plan))
