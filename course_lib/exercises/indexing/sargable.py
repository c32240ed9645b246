"""A bare column and a half-open range."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from course_lib.exercises.guard import limited
from course_lib.exercises.index_exercise import IndexingExercise
from course_lib.exercises.time_zone import time_zone
from course_lib.exercises.verdict import NotAttempted, brief
from course_lib.optimizer import analyze_query_performance

ONE_DAY = "SELECT id, title FROM events WHERE date(created_at, 'unixepoch') = ?"


UNIX_DAY = 19_732  # 2024-01-10, in days since 1970-01-01


class Sargable(IndexingExercise):
    """A bare column and a half-open range."""

    name = "sargable"
    imports = "from datetime import UTC, datetime, timedelta\n\n\n"
    task = f"""`created_at` holds seconds since 1970, UTC, and is indexed. Yet all events of a day are found by

    {ONE_DAY}

which asks the function of every row. Write `sargable(day)` for a day like `"2024-01-10"`: it returns the SQL of a query
with the same columns and rows, that can use the index, and its parameters."""
    stub = imports + "def sargable(day):\n    sql = ...\n    return sql, ()"
    hints = (
        "Step 1, the bare column: `created_at` must stand alone on its side of the comparison.",
        "Step 2, the half-open range: `created_at >= ? AND created_at < ?`, from midnight to just before the next.",
        "Step 3, the bounds, once, in Python: `datetime.fromisoformat(day).replace(tzinfo=UTC)`, and the same plus "
        "`timedelta(days=1)`; then `int(bound.timestamp())` of both.",
    )
    praise = "A bare column between two bounds: the same rows, found by a SEARCH."
    refusals: ClassVar = {
        "still_wrapped": (
            "The rows are right, but the plan still scans: an index serves comparisons of the bare column, with AND.",
            "Leave `created_at` alone on its side, and compute the bounds instead.",
        ),
        "next_midnight": (
            "An event at midnight sharp of the next day is counted too: BETWEEN includes both its ends.",
            "Use `>=` for the first bound and `<` for the second.",
        ),
        "first_midnight": (
            "The event at midnight sharp of this day is missing.",
            "Use `>=` for the first bound.",
        ),
        "last_second": (
            "An event in the last second of the day is missing.",
            "End with `<` the next midnight, whatever the smallest unit of time is.",
        ),
        "no_end": (
            "Later days are found too.",
            "A day has two bounds: `created_at >= ? AND created_at < ?`.",
        ),
        "no_start": (
            "Earlier days are found too.",
            "A day has two bounds: `created_at >= ? AND created_at < ?`.",
        ),
        "text_and_number": (
            "No row is found: `created_at` is a number, and for SQLite every number is less than any text.",
            "Give the bounds as seconds since 1970.",
        ),
        "empty_range": (
            "No row is found, though the bounds are numbers.",
            "Are they seconds since 1970, not days or milliseconds, and is the earlier one first?",
        ),
        "local_time": (
            "In another time zone your bounds are other seconds: the day was taken as local time.",
            "Say that the day is UTC: `.replace(tzinfo=UTC)`.",
        ),
        "one_day_only": (
            "Right for one day, wrong for another.",
            "Compute both bounds from `day`.",
        ),
        "other_columns": (
            "These are not the columns of the query.",
            "Select `id, title`, in this order.",
        ),
        "pasted": (
            "The text of `day` became part of the statement: whoever chooses it can write SQL into your query.",
            "Leave a `?` in the SQL, and hand the value over as a parameter.",
        ),
        "not_a_pair": (
            "Two things are to be returned: the SQL, and its parameters in a tuple, list or dict.",
            "`return sql, (first, last)`; with a single one, `(first,)`: the comma makes the tuple.",
        ),
        "not_a_query": (
            "SQLite does not accept this as a query.",
            "Read its message, and mend what it names.",
        ),
        "other_rows": (
            "The rows differ from those of the slow query.",
            "Compare both for one day, by hand.",
        ),
    }

    @staticmethod
    def sargable(day: str) -> tuple[str, tuple[int, int]]:
        """The events of one day, by a half-open range of the bare column."""
        midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
        bounds = (midnight, midnight + timedelta(days=1))
        first, last = (int(bound.timestamp()) for bound in bounds)
        return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (
            first,
            last,
        )

    def judge(self, answer: Callable[[str], Any]) -> None:
        """Days with events at each edge, months and years that end, another time zone, a day with SQL in it."""
        database = self.unseen("CREATE INDEX idx_events_created_at ON events(created_at)")
        edges = [UNIX_DAY * 86_400 + second for second in (-1, 0, 86_399, 86_400)]
        for number, second in enumerate(edges, start=5_001):
            row = (number, 1, "edge", 200, 1, f"edge {number}", second, second, "{}")
            database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self.call(
            answer, "2024-01-10"
        )  # what never ends is stopped here, before the time zone is changed
        with time_zone("UTC"):
            self._rows_of(database, answer, "2024-01-10")
        with time_zone("Pacific/Auckland"):
            self._rows_of(database, answer, "2024-01-10", "local_time")
        for day in ("2023-12-31", "2024-01-01", "2024-02-29", "2023-12-30"):
            self._rows_of(database, answer, day, "one_day_only")
        self._refuses_sql(database, answer)

    def _rows_of(
        self, database: sqlite3.Connection, answer: Any, day: str, otherwise: str = ""
    ) -> None:
        call = self.called(day)
        sql, parameters = self._pair(self.call(answer, day), call)
        try:
            plan = analyze_query_performance(database, sql)
            cursor = limited(database).execute(sql, parameters)
            got = cursor.fetchall()
        except (sqlite3.Error, ValueError, TypeError) as error:
            self.refuse_error(
                "not_a_query", error, call=call, expected="one SELECT with its parameters"
            )
        if [column[0] for column in cursor.description] != ["id", "title"]:
            self.refuse("other_columns", call=call, got=sql, expected="SELECT id, title ...")
        expected = database.execute(ONE_DAY, (day,)).fetchall()
        if Counter(got) != Counter(expected):
            mistake = otherwise or self._mistake(set(got), set(expected), parameters)
            self.refuse(
                mistake, call=call, got=f"{len(got)} rows: {sql}", expected=f"{len(expected)} rows"
            )
        if plan.scans:
            self.refuse(
                "still_wrapped",
                call=call,
                got=str(plan),
                expected="SEARCH ... (created_at>? AND created_at<?)",
            )

    def _pair(self, result: Any, call: str) -> tuple[str, Any]:
        if not isinstance(result, list | tuple) or len(result) != 2:
            self.refuse("not_a_pair", call=call, got=brief(result), expected="(sql, parameters)")
        if result[0] is ...:
            raise NotAttempted
        if not isinstance(result[0], str) or not isinstance(result[1], list | tuple | dict):
            self.refuse("not_a_pair", call=call, got=brief(result), expected="(sql, parameters)")
        return result[0], result[1]

    @staticmethod
    def _mistake(got: set[Any], expected: set[Any], parameters: Any) -> str:
        """Which misconception explains the rows that are missing or too many on the day with edges."""
        if not got:
            values = parameters.values() if isinstance(parameters, dict) else parameters
            numbers = values and all(isinstance(each, int | float) for each in values)
            return "empty_range" if numbers else "text_and_number"
        missing, extra = (
            {number for number, _ in expected - got},
            {number for number, _ in got - expected},
        )
        if len(extra) > 1 and not missing:
            return "no_end" if min(extra) > min(number for number, _ in expected) else "no_start"
        edges = {
            "first_midnight": 5_002 in missing,
            "last_second": 5_003 in missing,
            "next_midnight": 5_004 in extra,
        }
        only_edges = missing | extra <= {5_002, 5_003, 5_004}
        return next((edge for edge, wrong in edges.items() if wrong and only_edges), "other_rows")

    def _refuses_sql(self, database: sqlite3.Connection, answer: Any) -> None:
        """A day with quotes in it: pasted into the SQL, they end the text there, and the rest is no SQL."""
        day = "2024-01-10'\""
        try:
            sql, parameters = answer(day)
        except (Exception, SystemExit):
            return  # an error is a good answer to such a day
        try:
            limited(database).execute(sql, parameters)
        except sqlite3.OperationalError as error:
            self.refuse(
                "pasted",
                call=self.called(day),
                got=f"{error}: {sql}",
                expected="no rows, or an error of yours",
            )
        except (sqlite3.Error, ValueError, TypeError):
            return
