"""Exercise: the next page, from the place where the last one ended."""

import sqlite3
from typing import Any, ClassVar

from course_lib.exercises import user_history
from course_lib.exercises.index_exercise import IndexingExercise
from course_lib.exercises.user_history import Page, Parameters
from course_lib.exercises.verdict import brief
from course_lib.optimizer import analyze_query_performance

COLUMNS = ["id", "created_at", "type"]
# The page begins after this many rows: in a tie, within the first page, between ties, before a
# year without events, before the last rows, at the end.
PAGES = (40, 12, 50, 1_490, 2_990, user_history.EVENTS)
MOST_STEPS = 4_000  # a page takes about 600; reading all of a user's events takes more than 10,000


class Keyset(IndexingExercise):
    """A page that begins after the last row shown, ties included."""

    name = "keyset"
    task = """A user scrolls through a list of events, newest first, twenty to a page. The usual
query for the next page is

    SELECT id, created_at, type FROM events WHERE user_id = :user_id
    ORDER BY created_at DESC, id DESC LIMIT 20 OFFSET :shown

To skip the rows already shown, SQLite reads them all again, so each page takes longer than the one
before. Write a query that returns the same twenty rows and begins where the last page ended. Its
only parameters are `:user_id`, and `:created_at` and `:id` of the last row shown. Many events can
have the same `created_at`. The index is on `(user_id, created_at)`."""
    stub = 'keyset = ...  # "SELECT ..."'
    hints = (
        "You know the last row shown. Which condition is true only for the rows after it?",
        "Of two events with the same `created_at`, the ORDER BY puts the larger `id` first. The "
        "condition has to break ties in the same way.",
        "SQLite compares pairs as it sorts them, by the first value and then by the second: "
        "`WHERE user_id = :user_id AND (<time>, <tie>) < (:created_at, :id)`, then the same ORDER "
        "BY and LIMIT.",
    )
    keyset = (
        "SELECT id, created_at, type FROM events "
        "WHERE user_id = :user_id AND (created_at, id) < (:created_at, :id) "
        "ORDER BY created_at DESC, id DESC LIMIT 20"
    )
    praise = (
        "SQLite goes straight to the last row shown, so the last page takes no longer than the "
        "first."
    )
    refusals: ClassVar = {
        "offset": (
            "The rows are right, but this is OFFSET again: SQLite reads every row already shown to "
            "skip it.",
            "Leave out OFFSET, and compare with `:created_at` and `:id`.",
        ),
        "skips_twice": (
            "The query leaves out rows that were never shown: the condition is already past the "
            "rows shown, and OFFSET skips more.",
            "Leave out OFFSET.",
        ),
        "fixed_user": (
            "The query doesn't use the parameter `:user_id`; in quotes, that's only a text.",
            "Compare with the parameter, without quotes: `user_id = :user_id`.",
        ),
        "ignores_last": (
            "The query returns the same rows whatever the last row shown is.",
            "Compare with `:created_at` and `:id`; you need no OFFSET.",
        ),
        "loses_ties": (
            "Events at the same time as the last row shown are lost, though they were never shown.",
            "If `created_at` is the same, compare the `id` too.",
        ),
        "repeats_rows": (
            "The page repeats rows that were already shown.",
            "Let only rows after the last one pass: `<` for the pair of `created_at` and `id`.",
        ),
        "joined_by_and": (
            "An earlier event with a larger ID is lost: `id` has to be smaller only if "
            "`created_at` is the same.",
            "Compare the pair, or join the two cases by OR.",
        ),
        "id_alone": (
            "The list is in order of time, and a smaller `id` isn't always an earlier event.",
            "Compare `created_at` first, and `id` only if the times are the same.",
        ),
        "backwards": (
            "These rows come before the last row shown: they're newer.",
            "The list runs from newest to oldest, so the next rows are less than the last one.",
        ),
        "wrong_order": (
            "The rows aren't in the order of the list, or only by luck.",
            "Keep the ORDER BY as it was, with both columns and both DESC. Without `id`, ties may "
            "come in any order.",
        ),
        "other_user": (
            "There are rows of another user in the page.",
            "Keep `user_id = :user_id`, and put an OR in parentheses: AND binds more tightly.",
        ),
        "not_twenty": (
            "The page begins with the right row, but has a different number of rows.",
            "Keep `LIMIT 20`, and let no other condition end the page.",
        ),
        "scans": (
            "The rows are right, but SQLite scans: it doesn't go straight to the user.",
            "Compare the bare column: `user_id = :user_id`.",
        ),
        "sorts": (
            "The rows are right, but SQLite fetches and sorts all the user's rows to keep twenty.",
            "Sort by the bare columns, which the index has in order.",
        ),
        "walks_past": (
            "The rows are right, but SQLite walks past all rows already shown, as OFFSET does.",
            "Give the index a bound: a comparison in which `created_at` stands alone.",
        ),
        "other_parameter": (
            "The query has a parameter that the page doesn't send.",
            "Use `:user_id`, `:created_at` and `:id` only; there's no need for OFFSET.",
        ),
        "other_columns": (
            "These aren't the columns of the query.",
            "Select `id, created_at, type`, in this order.",
        ),
        "not_a_query": (
            "SQLite doesn't accept this as a query.",
            "Read its message, and fix what it names.",
        ),
        "other_rows": (
            "These aren't the next twenty rows.",
            "Compare with the query that has the OFFSET, by hand.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Expect the same pages with either index, in steps that don't grow with the list."""
        if not isinstance(answer, str):
            self.refuse("wrong_type", got=brief(answer), expected="one SELECT, as a string")
        database = self._database("user_id, created_at")
        rows = database.execute(user_history.ALL_OF_USER, {"user_id": user_history.USER}).fetchall()
        pages = [self._page(answer, database, rows, shown) for shown in PAGES]
        ignores_last = pages[1].rows == pages[-2].rows
        for page in pages:
            self._compare(page, rows, ignores_last)
        slowest = max(pages, key=lambda page: page.steps)
        self._count(slowest)
        # Here the entries of a tie are in order of their types, so `id` has to be in the ORDER BY.
        database = self._database("user_id, created_at, type")
        page = self._page(answer, database, rows, PAGES[0])
        self._compare(page, rows)

    def _database(self, columns: str) -> sqlite3.Connection:
        return self.unseen(f"CREATE INDEX idx_events ON events({columns})", user_history.HISTORY)

    def _page(self, answer: str, database: sqlite3.Connection, rows: list[Any], shown: int) -> Page:
        """Run the answer after `shown` rows."""
        number, created_at, _ = rows[shown - 1]
        last = {"user_id": user_history.USER, "created_at": created_at, "id": number}
        parameters = Parameters(shown, last)
        try:
            plan = analyze_query_performance(database, answer, last)
            columns, got, steps = self.counted(database, answer, parameters)
        except (sqlite3.Error, ValueError) as error:
            self.refuse_error("not_a_query", error, call=answer, expected="one SELECT")
        return Page(shown, last, parameters.used, parameters.unknown, columns, got, steps, plan)

    def _compare(self, page: Page, rows: list[Any], ignores_last: bool = False) -> None:
        """Refuse other rows than the next twenty."""
        if page.columns != COLUMNS:
            self.refuse("other_columns", got=brief(page.columns), expected=brief(COLUMNS))
        expected = rows[page.shown : page.shown + 20]
        if page.rows == expected:
            return
        mistakes = {
            "other_user": not set(page.rows) <= set(rows),
            "skips_twice": user_history.skips_twice(page, rows),
            "other_parameter": page.unknown,
            "fixed_user": "user_id" not in page.used,
            "ignores_last": ignores_last,
            **user_history.wrong_conditions(page, rows),
            "repeats_rows": set(page.rows) & set(rows[: page.shown]),
            "not_twenty": expected and page.rows[:1] == expected[:1],
            "other_rows": True,
        }
        got, wanted = user_history.from_first_difference(page.rows, expected)
        self.refuse_first(mistakes, call=f"after {page.last}", got=got, expected=wanted)

    def _count(self, page: Page) -> None:
        """Refuse a page that takes too many steps, and parameters that aren't of the last row."""
        is_slow = page.steps > MOST_STEPS
        mistakes = {
            "offset": is_slow and page.unknown,
            "other_parameter": page.unknown,
            "scans": is_slow and (page.plan.scans or page.plan.skip_scans),
            "sorts": is_slow and "ORDER BY" in page.plan.sorts,
            "walks_past": is_slow,
        }
        got = f"about {page.steps:,} steps of SQLite's virtual machine\n{page.plan}"
        expected = f"at most {MOST_STEPS:,} steps, and parameters of the last row only"
        self.refuse_first(mistakes, call=f"after {page.last}", got=got, expected=expected)
