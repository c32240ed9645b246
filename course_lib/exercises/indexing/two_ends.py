"""Exercise: minimum and maximum, each from its end of an index."""

import sqlite3
from typing import Any, ClassVar

from course_lib.exercises.index_exercise import STEPS, IndexingExercise
from course_lib.exercises.verdict import brief
from course_lib.optimizer import analyze_query_performance

BOTH_ENDS = "SELECT min(created_at), max(created_at) FROM events"
BY_ID = """
SELECT (SELECT created_at FROM events ORDER BY id LIMIT 1),
    (SELECT created_at FROM events ORDER BY id DESC LIMIT 1)
"""
# So that neither end is the event with the first or last ID, nor both in the smaller table.
LATE_EVENTS = (
    "UPDATE events SET created_at = 1600000000 WHERE id = 2345",
    "UPDATE events SET created_at = 1800000000 WHERE id = 1234",
)


class TwoEnds(IndexingExercise):
    """Two questions, each answered at one end of the index."""

    name = "two_ends"
    task = f"""With an index on `created_at`, `min(created_at)` alone takes microseconds, and so
does `max(created_at)`. But

    {BOTH_ENDS}

walks the whole index. Write a query that returns the same single row without doing that."""
    stub = 'two_ends = ...  # "SELECT ..."'
    hints = (
        "SQLite jumps to one end of an index only if the query asks for that end and nothing else.",
        "A query in parentheses can be used as a value: `SELECT (SELECT ...), (SELECT ...)`.",
        "`SELECT (SELECT min(created_at) FROM events), (...)`",
    )
    two_ends = "SELECT (SELECT min(created_at) FROM events), (SELECT max(created_at) FROM events)"
    praise = "Two questions, each answered at one end of the index."
    refusals: ClassVar = {
        "walks_it_all": (
            "The result is right, but the work still grows with the table: SQLite walks the whole "
            "index.",
            "Get each end with a query of its own.",
        ),
        "two_rows": (
            "The query returned two rows instead of one row with two columns.",
            "Put both into one SELECT.",
        ),
        "by_id": (
            "Those are the times of the first and the last ID. Events don't have to arrive in the "
            "order of their times.",
            "Look for the smallest and the largest `created_at`.",
        ),
        "one_end": (
            "Only one of the two values is there.",
            "Return one row with two columns: the minimum and the maximum.",
        ),
        "same_end_twice": (
            "Both columns have the same value: that's one end twice.",
            "One of them has to be the minimum, the other the maximum.",
        ),
        "swapped": ("The two values are swapped.", "First the minimum, then the maximum."),
        "typed_in": (
            "The result stays the same when the events change.",
            "Let the database find both values in `events`.",
        ),
        "not_a_query": (
            "SQLite doesn't accept this as a query.",
            "Read its message, and fix what it names.",
        ),
        "other_row": (
            "This isn't the row that the slow query returns.",
            "Run both, and compare.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Expect the same row on two tables, in a number of steps that doesn't grow with them."""
        if not isinstance(answer, str):
            self.refuse("wrong_type", got=brief(answer), expected="one SELECT, as a string")
        rows, steps = self._run(answer, self._database())
        smaller = self._database("DELETE FROM events WHERE id NOT BETWEEN 2001 AND 3000")
        rows_of_smaller, _ = self._run(answer, smaller)
        expected = self._database().execute(BOTH_ENDS).fetchall()
        minimum, maximum = expected[0]
        by_id = self._database().execute(BY_ID).fetchall()
        mistakes = {
            "swapped": rows == [(maximum, minimum)],
            "by_id": rows in (by_id, [by_id[0][::-1]]),
            "one_end": rows in ([(minimum,)], [(maximum,)]),
            "same_end_twice": rows in ([(minimum, minimum)], [(maximum, maximum)]),
            "two_rows": len(rows) > 1,
            "typed_in": rows and rows == rows_of_smaller,
            "other_row": True,
        }
        if rows != expected:
            self.refuse_first(mistakes, call=answer, got=brief(rows), expected=brief(expected))
        if steps > 10 * STEPS:
            got = f"about {steps:,} steps of SQLite's virtual machine"
            self.refuse("walks_it_all", call=answer, got=got)

    def _database(self, *statements: str) -> sqlite3.Connection:
        index = "CREATE INDEX idx_events_created_at ON events(created_at)"
        return self.unseen(index, *LATE_EVENTS, *statements)

    def _run(self, answer: str, database: sqlite3.Connection) -> tuple[list[Any], int]:
        """Return the rows of the answer, and the steps that it took. Stops a long query."""
        try:
            analyze_query_performance(database, answer)
            _, rows, steps = self.counted(database, answer)
        except (sqlite3.Error, ValueError) as error:
            self.refuse_error("not_a_query", error, call=answer, expected="one SELECT")
        return rows, steps
