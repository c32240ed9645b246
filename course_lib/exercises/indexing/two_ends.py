"""Two questions, each answered at an end of the index."""

import sqlite3
from typing import Any, ClassVar

from course_lib.exercises.index_exercise import IndexingExercise
from course_lib.exercises.verdict import brief
from course_lib.optimizer import analyze_query_performance

BOTH_ENDS = "SELECT min(created_at), max(created_at) FROM events"


class TwoEnds(IndexingExercise):
    """Two questions, each answered at an end of the index."""

    name = "two_ends"
    task = f"""With an index on `created_at`, `min(created_at)` alone takes microseconds, as does `max(created_at)`. But

    {BOTH_ENDS}

walks the whole index. Write a query with the same one row that does not."""
    stub = 'two_ends = ...  # "SELECT ..."'
    hints = (
        "SQLite jumps to an end of an index only where a query asks for one end and nothing else.",
        "A query in parentheses may stand where a value may: `SELECT (SELECT ...), (SELECT ...)`.",
        "`SELECT (SELECT min(created_at) FROM events), (...)`",
    )
    two_ends = "SELECT (SELECT min(created_at) FROM events), (SELECT max(created_at) FROM events)"
    praise = "Two questions, each answered at one end of the index."
    refusals: ClassVar = {
        "walks_it_all": (
            "The answer is right, but the work still grows with the table: the whole index is walked.",
            "Ask for each end in a query of its own.",
        ),
        "two_rows": (
            "Two rows came back; one row with two columns was asked for.",
            "Put both into one SELECT.",
        ),
        "swapped": ("The two values have changed places.", "First the minimum, then the maximum."),
        "typed_in": (
            "Right for one table, wrong for another.",
            "Let the database find the values.",
        ),
        "not_a_query": (
            "SQLite does not accept this as a query.",
            "Read its message, and mend what it names.",
        ),
        "other_row": ("This is another row than that of the slow query.", "Run both, and compare."),
    }

    def judge(self, answer: Any) -> None:
        """The same row on two tables, for steps of SQLite's machine that do not grow with the table."""
        if not isinstance(answer, str):
            self.refuse("wrong_type", got=brief(answer), expected="one SELECT, as a string")
        whole, steps = self._run(answer, self._database())
        middle, _ = self._run(
            answer, self._database("DELETE FROM events WHERE id NOT BETWEEN 2001 AND 3000")
        )
        expected = self._database().execute(BOTH_ENDS).fetchall()
        if whole != expected:
            mistake = "typed_in" if whole and whole == middle else "other_row"
            mistake = "two_rows" if len(whole) > 1 else mistake
            mistake = "swapped" if whole == [expected[0][::-1]] else mistake
            self.refuse(mistake, call=answer, got=brief(whole), expected=brief(expected))
        if steps > 10:
            self.refuse(
                "walks_it_all", call=answer, got=f"about {100 * steps:,} steps of SQLite's machine"
            )

    def _database(self, *statements: str) -> sqlite3.Connection:
        return self.unseen("CREATE INDEX idx_events_created_at ON events(created_at)", *statements)

    def _run(self, answer: str, database: sqlite3.Connection) -> tuple[list[Any], int]:
        """The rows of the answer, and how many hundreds of steps they took."""
        steps = 0

        def count() -> bool:
            nonlocal steps
            steps += 1
            return steps > 10_000

        try:
            analyze_query_performance(database, answer)
            database.set_progress_handler(count, 100)
            return database.execute(answer).fetchall(), steps
        except (sqlite3.Error, ValueError) as error:
            self.refuse_error("not_a_query", error, call=answer, expected="one SELECT")
