"""Exercise: which plans read every row?"""

from typing import Any, ClassVar

from course_lib.exercises.answers import chosen_letters
from course_lib.exercises.choices import ChoiceExercise
from course_lib.exercises.verdict import brief

LETTERS = "abcd"


class ReadPlan(ChoiceExercise):
    """SCAN reads everything, whatever comes after it."""

    lesson = "indexing"
    name = "read_plan"
    task = """Four plans, as SQLite prints them:

    a   SEARCH events USING INDEX idx_events_user_id (user_id=?)
    b   SCAN events
    c   SCAN events USING INDEX idx_events_created_at
    d   SEARCH events USING INTEGER PRIMARY KEY (rowid=?)

Which of them, run to the end, read **every row** of the table? Give their letters, for example
`"ad"`."""
    stub = "read_plan = ..."
    hints = (
        "Look at the first word of each plan before anything else.",
        "SEARCH goes down a B-tree to one position; SCAN walks along it from one end to the other.",
        "You can also walk an index from end to end. Two of the four don't search.",
    )
    read_plan = "bc"
    praise = (
        "SCAN walks along everything, with an index (in its order) or without one, unless a LIMIT "
        "ends it early."
    )
    refusals: ClassVar = {
        "scan_using_index": (
            "`SCAN ... USING INDEX` is still a scan: it walks the whole index and fetches each row "
            "that it points to.",
            "Read the first word; USING INDEX alone proves nothing.",
        ),
        "scan_overlooked": (
            "A plan that says only SCAN reads the whole table.",
            "Look at b again.",
        ),
        "search_taken_for_scan": (
            "`SEARCH ... (user_id=?)` goes down the index to this user's rows and reads no others.",
            "Look at the parentheses in a.",
        ),
        "key_taken_for_scan": (
            "`INTEGER PRIMARY KEY (rowid=?)` is the shortest search there is: the table itself is "
            "ordered by it.",
            "Look at the first word of d.",
        ),
        "no_such_letter": (
            "There's no plan with that letter.",
            "Give letters from a to d, such as `ad`.",
        ),
    }
    mistakes: ClassVar = {
        "d": {True: "key_taken_for_scan"},
        "a": {True: "search_taken_for_scan"},
        "b": {False: "scan_overlooked"},
        "c": {False: "scan_using_index"},
    }

    def choices(self, answer: Any) -> dict[str, bool]:
        """Return for each letter whether it was chosen."""
        letters = chosen_letters(answer)
        if letters is None:
            self.refuse("wrong_type", got=brief(answer), expected='letters, such as "ad"')
        if letters - set(LETTERS):
            self.refuse("no_such_letter", got=brief(answer))
        return {letter: letter in letters for letter in LETTERS}

    def details(self, question: str, choice: Any) -> dict[str, str]:
        """Return whether this letter was chosen."""
        return {"got": f"{question}: {'chosen' if choice else 'not chosen'}"}
