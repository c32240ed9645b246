"""Exercise: rewrite a condition so that it can use an index."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from course_lib.exercises import one_day
from course_lib.exercises.guard import limited
from course_lib.exercises.index_exercise import IndexingExercise
from course_lib.exercises.one_day import DAY
from course_lib.exercises.time_zone import time_zone
from course_lib.exercises.verdict import NotAttempted, brief
from course_lib.optimizer import analyze_query_performance

ONE_DAY = "SELECT id, title FROM events WHERE date(created_at, 'unixepoch') = ?"

STEPS_PER_ROW = 20  # right answers take 6 to 12 of SQLite's; one bound takes 80 on some day


class Sargable(IndexingExercise):
    """A bare column and a half-open range."""

    name = "sargable"
    imports = "from datetime import UTC, datetime, timedelta\n\n\n"
    task = f"""`created_at` is in seconds since 1970, UTC, and has an index. But the query for all
events of a day is

    {ONE_DAY}

which calls the function for every row. Write `sargable(day)` for a day such as `"2024-01-10"`: it
returns the SQL of a query with the same columns and rows that can use the index, and the query's
parameters."""
    stub = imports + "def sargable(day):\n    sql = ...\n    return sql, ()"
    hints = (
        "Step 1, the bare column: `created_at` has to be alone on its side of the comparison.",
        "Step 2, the half-open range: `created_at >= ? AND created_at < ?`, from midnight up to, "
        "but not including, the next one.",
        "Step 3, the bounds, computed once, in Python: "
        "`datetime.fromisoformat(day).replace(tzinfo=UTC)`, and the same plus `timedelta(days=1)`; "
        "then `int(bound.timestamp())` of both.",
    )
    praise = "A bare column between two bounds: the same rows, found by a SEARCH."
    refusals: ClassVar = {
        "still_wrapped": (
            "The rows are right, but the plan still scans: an index works for comparisons of the "
            "bare column, joined by AND.",
            "Leave `created_at` alone on its side, and compute the bounds instead.",
        ),
        "one_bound": (
            "The rows are right, but SQLite reads many more entries of the index: it searches for "
            "one bound only.",
            "Compare the bare column with both, joined by AND: `created_at >= ? AND created_at < "
            "?`.",
        ),
        "next_midnight": (
            "An event at exactly midnight of the next day is included too: BETWEEN includes both "
            "ends.",
            "Use `>=` for the first bound and `<` for the second.",
        ),
        "first_midnight": (
            "The event at exactly midnight of this day is missing.",
            "Use `>=` for the first bound.",
        ),
        "last_second": (
            "An event in the last second of the day is missing.",
            "End with `<` the next midnight, whatever the smallest unit of time is.",
        ),
        "one_second": (
            "The query returns only what happened at midnight: `=` finds one second of the day.",
            "A day has two bounds: `created_at >= ? AND created_at < ?`.",
        ),
        "no_end": (
            "The query returns later days too.",
            "A day has two bounds: `created_at >= ? AND created_at < ?`.",
        ),
        "no_start": (
            "The query returns earlier days too.",
            "A day has two bounds: `created_at >= ? AND created_at < ?`.",
        ),
        "text_and_number": (
            "The query returns no rows: `created_at` is a number, and for SQLite every number is "
            "less than any text.",
            "Pass the bounds as seconds since 1970.",
        ),
        "empty_range": (
            "The query returns no rows, though the bounds are numbers.",
            "Are they seconds since 1970, not days or milliseconds, and is the earlier one first?",
        ),
        "local_time": (
            "In another time zone, your bounds change: you treated the day as local time.",
            "Make the day UTC: `.replace(tzinfo=UTC)`.",
        ),
        "one_day_only": (
            "Right for one day, wrong for another.",
            "Compute both bounds from `day`.",
        ),
        "other_columns": (
            "These aren't the columns of the query.",
            "Select `id, title`, in this order.",
        ),
        "pasted": (
            "The text of `day` became part of the statement: anyone who can choose it can inject "
            "SQL into your query.",
            "Leave a `?` in the SQL, and pass the value as a parameter.",
        ),
        "not_a_pair": (
            "The function has to return two things: the SQL, and its parameters in a tuple, list "
            "or dict.",
            "`return sql, (first, last)`; with only one parameter `(first,)`: the comma makes the "
            "tuple.",
        ),
        "not_a_query": (
            "SQLite doesn't accept this as a query.",
            "Read its message, and fix what it names.",
        ),
        "other_rows": (
            "The rows differ from those of the slow query.",
            "Compare both for one day, by hand.",
        ),
    }

    @staticmethod
    def sargable(day: str) -> tuple[str, tuple[int, int]]:
        """Return a query for the events of one day, by a half-open range of the bare column."""
        midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
        bounds = (midnight, midnight + timedelta(days=1))
        first, last = (int(bound.timestamp()) for bound in bounds)
        return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (
            first,
            last,
        )

    def judge(self, answer: Callable[[str], Any]) -> None:
        """Try days with events at their edges, in another time zone, at a year's end, with SQL."""
        database = self.unseen("CREATE INDEX idx_events_created_at ON events(created_at)")
        one_day.add_edges(database)
        database.execute(one_day.BUSY_DAY)
        self.call(answer, DAY)  # stops an endless answer here, before the time zone is changed
        with time_zone("UTC"):
            self._compare(database, answer, DAY)
        with time_zone("Pacific/Auckland"):
            self._compare(database, answer, DAY, "local_time")
        for day in ("2023-12-31", "2024-01-01", "2024-02-29", "2023-12-30"):
            self._compare(database, answer, day, "one_day_only")
        self._inject_sql(database, answer)

    def _compare(
        self, database: sqlite3.Connection, answer: Any, day: str, otherwise: str = ""
    ) -> None:
        call = self.called(day)
        sql, parameters = self._pair(self.call(answer, day), call)
        try:
            plan = analyze_query_performance(database, sql)
            columns, rows, steps = self.counted(database, sql, parameters)
        except (sqlite3.Error, ValueError, TypeError) as error:
            expected = "one SELECT with its parameters"
            self.refuse_error("not_a_query", error, call=f"{call}: {sql}", expected=expected)
        if columns != ["id", "title"]:
            self.refuse("other_columns", call=call, got=sql, expected="SELECT id, title ...")
        right_rows = database.execute(ONE_DAY, (day,)).fetchall()
        if Counter(rows) != Counter(right_rows):
            mistake = otherwise or one_day.mistake_in(set(rows), set(right_rows), parameters)
            got, expected = f"{len(rows)} rows: {sql}", f"{len(right_rows)} rows"
            self.refuse(mistake, call=call, got=got, expected=expected)
        is_slow = steps > STEPS_PER_ROW * (len(rows) + 50)
        mistakes = {"still_wrapped": plan.scans, "one_bound": is_slow}
        expected = "SEARCH ... (created_at>? AND created_at<?)"
        self.refuse_first(mistakes, call=call, got=str(plan), expected=expected)

    def _pair(self, result: Any, call: str) -> tuple[str, Any]:
        """Return the SQL and its parameters. Refuses anything else."""
        expected = "(sql, parameters)"
        if not isinstance(result, list | tuple) or len(result) != 2:
            self.refuse("not_a_pair", call=call, got=brief(result), expected=expected)
        sql, parameters = result
        if sql is ...:
            raise NotAttempted
        if not isinstance(sql, str) or not isinstance(parameters, list | tuple | dict):
            self.refuse("not_a_pair", call=call, got=brief(result), expected=expected)
        return sql, parameters

    def _inject_sql(self, database: sqlite3.Connection, answer: Any) -> None:
        """Try a day with quotes: in SQL they'd end the text, and leave a syntax error."""
        day = f"{DAY}'\""
        try:
            sql, parameters = answer(day)
        except (Exception, SystemExit):
            return  # an error is a good response to such a day
        try:
            limited(database).execute(sql, parameters)
        except sqlite3.OperationalError as error:
            expected = "no rows, or an error of yours"
            got = f"{error}: {sql}"
            self.refuse("pasted", call=self.called(day), got=got, expected=expected)
        except (sqlite3.Error, ValueError, TypeError):
            return
