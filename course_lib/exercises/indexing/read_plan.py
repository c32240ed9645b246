"""SCAN reads everything, whatever stands behind it."""

from typing import Any, ClassVar

from course_lib.exercises.answers import chosen_letters
from course_lib.exercises.index_exercise import IndexingExercise
from course_lib.exercises.verdict import brief


class ReadPlan(IndexingExercise):
    """SCAN reads everything, whatever stands behind it."""

    name = "read_plan"
    task = """Four plans, as SQLite prints them:

    a   SEARCH events USING INDEX idx_events_user_id (user_id=?)
    b   SCAN events
    c   SCAN events USING INDEX idx_events_created_at
    d   SEARCH events USING INTEGER PRIMARY KEY (rowid=?)

Which of them, run to their end, visit **every row** of the table? Give their letters, for example `"ad"`."""
    stub = "read_plan = ..."
    hints = (
        "Look at the first word of each plan before anything else.",
        "SEARCH goes down a B-tree to a place; SCAN walks along it from one end to the other.",
        "An index can be walked from end to end too. Two of the four do not search.",
    )
    read_plan = "bc"
    praise = "SCAN walks along everything, with an index (in its order) or without one, unless a LIMIT ends it early."
    refusals: ClassVar = {
        "scan_using_index": (
            "`SCAN ... USING INDEX` is still a scan: it walks the whole index and fetches each row that it points to.",
            "Read the first word; USING INDEX alone proves nothing.",
        ),
        "scan_overlooked": (
            "A plan that says SCAN and no more reads the whole table.",
            "Look at b again.",
        ),
        "search_taken_for_scan": (
            "`SEARCH ... (user_id=?)` goes down the index to this user's rows and reads no others.",
            "Look at what stands in the parentheses of a.",
        ),
        "key_taken_for_scan": (
            "`INTEGER PRIMARY KEY (rowid=?)` is the shortest search there is: the table itself is ordered by it.",
            "Look at the first word of d.",
        ),
        "no_such_letter": (
            "There is no plan of that letter.",
            "Give letters from a to d, such as `ad`.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Letters in a string, list or set, in any order and case."""
        letters = chosen_letters(answer)
        if letters is None:
            self.refuse("wrong_type", got=brief(answer), expected='letters, such as "ad"')
        for mistake, made in {
            "no_such_letter": letters - set("abcd"),
            "key_taken_for_scan": "d" in letters,
            "search_taken_for_scan": "a" in letters,
            "scan_overlooked": "b" not in letters,
            "scan_using_index": "c" not in letters,
        }.items():
            if made:
                self.refuse(mistake, got="".join(sorted(letters)))
