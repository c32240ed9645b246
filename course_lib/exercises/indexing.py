"""The exercises of lesson 2, indexing. Each is checked on a small database that the learner has not seen."""

import os
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NoReturn

from course_lib.exercises.engine import Exercise, NotAttempted, brief
from course_lib.exercises.guard import limited
from course_lib.optimizer import Plan, analyze_query_performance

ONE_USER = "SELECT * FROM events WHERE user_id = ?"
NEWEST_OF_USER = "SELECT * FROM events WHERE user_id = ? ORDER BY created_at DESC, id DESC LIMIT 20"
TIME_SPENT = "SELECT user_id, sum(duration_ms) AS spent FROM events GROUP BY user_id ORDER BY spent DESC LIMIT 10"
ONE_DAY = "SELECT id, title FROM events WHERE date(created_at, 'unixepoch') = ?"
BOTH_ENDS = "SELECT min(created_at), max(created_at) FROM events"
BY_EMAIL = "SELECT id, name FROM users WHERE lower(email) = ?"

# The same columns as the lesson's table, other rows: 4,000 events of 97 users, five minutes apart from 2023-12-30
# on, none at midnight; and every hundredth of them twice, so that no columns but the id are unique.
UNSEEN = """
CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL, country TEXT NOT NULL,
    plan TEXT NOT NULL, created_at INTEGER NOT NULL);
CREATE TABLE events(id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, type TEXT NOT NULL, status INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL, title TEXT NOT NULL, starts_at INTEGER NOT NULL, created_at INTEGER NOT NULL,
    payload TEXT NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
INSERT INTO events SELECT i, 1 + i * i % 97, 'type ' || i % 5, CASE WHEN i % 7 THEN 200 ELSE 404 END, i * 31 % 900,
    'title ' || i % 50, 1703894407 + i * 31 % 4000 * 300, 1703894407 + i * 300, '{}' FROM n;
INSERT INTO events SELECT NULL, user_id, type, status, duration_ms, title, starts_at, created_at, payload
    FROM events WHERE id % 100 = 0;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO users SELECT i, 'User' || i || '@Example.com', 'User ' || i, 'DE', 'free', 1700000000 + i FROM n;
"""


class IndexingExercise(Exercise):
    """What the exercises of this lesson share: the unseen database."""

    lesson = "indexing"

    @staticmethod
    def unseen(*statements: str) -> sqlite3.Connection:
        """A small database in memory, on which `statements` were run; whatever runs on it is ended after a second."""
        database = sqlite3.connect(":memory:", isolation_level=None)
        database.executescript(UNSEEN)
        for statement in statements:
            database.execute(statement)
        database.execute("ANALYZE")
        return limited(database)

    def refuse_error(
        self, misconception: str, error: Exception, *, call: str, expected: str = ""
    ) -> NoReturn:
        """Refuse for an error of SQLite's: `endless` where the statement was ended because it took too long."""
        self.refuse(
            "endless" if str(error) == "interrupted" else misconception,
            call=call,
            got=str(error),
            expected=expected,
        )


class IndexExercise(IndexingExercise):
    """An exercise whose answer is one CREATE INDEX statement."""

    refusals: ClassVar = {
        "not_an_index": (
            "This statement makes no index.",
            "Begin with `CREATE INDEX name ON table(column, ...)`.",
        ),
        "sql_error": (
            "SQLite refuses this statement.",
            "Read its message, and mend what it names.",
        ),
        "two_indexes": (
            "This is more than one statement. Two indexes do not add up: for one table in one query SQLite uses one of "
            "them, and the other only costs.",
            "Give one statement, with all that the query needs in one index.",
        ),
        "unique_index": (
            "A UNIQUE index forbids two rows with the same value, and here many rows share one.",
            "Leave UNIQUE away.",
        ),
        "partial_index": (
            "An index with a WHERE of its own holds only some rows, so the query may not use it for the others.",
            "Leave the WHERE away: the index must serve every value.",
        ),
    }

    def indexed(self, answer: Any, query: str) -> tuple[sqlite3.Connection, list[str], Plan]:
        """The unseen database with the learner's index, the index's columns, and the plan of `query`.

        An expression among the columns is an empty name.
        """
        statements = answer if isinstance(answer, list | tuple) else [answer]
        if len(statements) > 1:
            self.refuse("two_indexes", got=brief(answer), expected="one CREATE INDEX statement")
        if not statements or not isinstance(statements[0], str):
            self.refuse(
                "wrong_type", got=brief(answer), expected="one CREATE INDEX statement, as a string"
            )
        database, statement = self.unseen(), statements[0]
        database.set_authorizer(lambda action, *_: action == sqlite3.SQLITE_ATTACH)
        try:
            database.execute(statement)
        except sqlite3.IntegrityError as error:
            self.refuse("unique_index", call=statement, got=str(error))
        except (sqlite3.ProgrammingError, sqlite3.Warning) as error:
            # Without "one statement" it is about parameters, which only a query has.
            mistake = "two_indexes" if "one statement" in str(error) else "not_an_index"
            self.refuse(mistake, call=statement, got=str(error))
        except (sqlite3.Error, ValueError) as error:
            self.refuse_error("sql_error", error, call=statement)
        database.set_authorizer(None)
        made = database.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchone()
        if not made:
            self.refuse("not_an_index", got=statement, expected="one CREATE INDEX statement")
        columns = [
            name or ""
            for (name,) in database.execute("SELECT name FROM pragma_index_info(?)", made)
        ]
        database.execute("ANALYZE")
        plan = analyze_query_performance(database, query)
        partial = "SELECT 1 FROM sqlite_master JOIN pragma_index_list(tbl_name) AS list USING (name) WHERE list.partial"
        if not plan.indexes and database.execute(partial).fetchone():
            self.refuse("partial_index", call=statement, got=str(plan))
        return database, columns, plan


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


class FirstIndex(IndexExercise):
    """An index on the column of the WHERE."""

    name = "first_index"
    task = f"""The list of one user's events runs

    {ONE_USER}

Write the `CREATE INDEX` statement that turns its SCAN into a SEARCH. The guide calls the index `idx_events_user_id`."""
    stub = 'first_index = ...  # "CREATE INDEX ..."'
    hints = (
        "Which column does the WHERE compare?",
        "The form is `CREATE INDEX name ON table(column)`.",
        "`CREATE INDEX idx_events_user_id ON events(...)`: one column's name is missing.",
    )
    first_index = "CREATE INDEX idx_events_user_id ON events(user_id)"
    praise = "The plan now says SEARCH: down the index to this user, and no other row is read."
    refusals: ClassVar = {
        "wrong_column": (
            "This index does not hold the column that the WHERE compares, so the plan is what it was.",
            "Index the column that stands beside the `=`.",
        ),
        "not_first": (
            "An index is ordered by its first column; here user_id comes later, so one user's rows lie scattered.",
            "Put user_id first.",
        ),
        "expression": (
            "This indexes the value of an expression; the query compares the bare column.",
            "Name the column itself.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """The plan must search by user_id, for any user."""
        _, columns, plan = self.indexed(answer, ONE_USER)
        if not plan.searches:
            scattered = "not_first" if "user_id" in columns else "wrong_column"
            self.refuse(
                "expression" if "" in columns[:1] else scattered,
                call=answer,
                got=str(plan),
                expected="SEARCH",
            )


class WorthIt(IndexingExercise):
    """An index helps to find few rows among many, and to stand at an end; not to fetch most of a table."""

    name = "worth_it"
    task = """Five queries, and an index for each. Which run **at least twice as fast** with their index?

| | query | index on |
|---|---|---|
| a | all events of an ordinary user, about 30 of a million | `user_id` |
| b | all events of the hottest user, about 4% of the table | `user_id` |
| c | `sum(duration_ms) ... WHERE status = 200`, about 85% of the table | `status` |
| d | `max(created_at)` over all events | `created_at` |
| e | all events `WHERE title LIKE '%Retro #7'` | `title` |

Put `True` or `False` for each. You can measure them all right afterwards."""
    stub = 'worth_it = {"a": ..., "b": ..., "c": ..., "d": ..., "e": ...}'
    hints = (
        "Ask of each: how many rows must still be fetched from the table, one by one, after the index was read?",
        "Fetching 40,000 rows one by one, each from another page, is no cheaper than reading all pages in order.",
        "An index is sorted, so its largest value stands at its end; but no order helps to find letters in mid-text.",
    )
    worth_it: ClassVar = {"a": True, "b": False, "c": False, "d": True, "e": False}
    praise = "Few rows, or an end of the order: there an index pays. For a good part of the table it does not."
    refusals: ClassVar = {
        "hot_user": (
            "The index finds the hottest user's rows at once, but then fetches tens of thousands of them one by one.",
            "Think about b: how many pages of the table hold one of her events?",
        ),
        "most_rows": (
            "With 85% of the rows to fetch, the way over the index is longer than simply reading the table.",
            "Think about c: which rows can be left out?",
        ),
        "middle_of_text": (
            "An index on title is sorted by its first letters; what stands in the middle may be anywhere.",
            "Think about e: where in a telephone book is everybody whose name contains `ann`?",
        ),
        "few_rows": (
            "Thirty rows of a million: here an index saves nearly all the work.",
            "Think about a: how many rows does the query need, and how many does a scan read?",
        ),
        "one_end": (
            "An index is sorted, so the largest value is its last entry: one step instead of a whole table.",
            "Think about d: where does the maximum stand in a sorted list?",
        ),
        "not_five": (
            "True or False is needed for each of a, b, c, d, e.",
            "Keep the five keys of the stub.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Each query by its own key, the most surprising first."""
        if not isinstance(answer, dict):
            self.refuse("wrong_type", got=brief(answer), expected="a dict with the keys a to e")
        if ... in answer.values():
            raise NotAttempted
        if set(answer) != set(self.worth_it) or not all(
            isinstance(each, bool) for each in answer.values()
        ):
            self.refuse(
                "not_five", got=brief(answer), expected="True or False for each of a, b, c, d, e"
            )
        mistakes = {
            "b": "hot_user",
            "c": "most_rows",
            "e": "middle_of_text",
            "a": "few_rows",
            "d": "one_end",
        }
        for query, mistake in mistakes.items():
            if answer[query] != self.worth_it[query]:
                self.refuse(mistake, got=f"{query}: {answer[query]}")


class Composite(IndexExercise):
    """Equalities first, then the order."""

    name = "composite"
    task = f"""The newest twenty events of a user, whoever it is:

    {NEWEST_OF_USER}

Write **one** `CREATE INDEX` statement with which it searches for the user *and* finds the rows already in order."""
    stub = 'composite = ...  # "CREATE INDEX ..."'
    hints = (
        "An index on several columns is sorted like a telephone book: by the first, within that by the second.",
        "Step 1, the equalities: which column is compared with `=`? Step 2, the order: by which column is it sorted?",
        "`CREATE INDEX idx_events_user_id_created_at ON events(<equality>, <order>)`",
    )
    composite = "CREATE INDEX idx_events_user_id_created_at ON events(user_id, created_at)"
    praise = "Equality first, then the order: SQLite stands at the user's newest event at once and reads twenty entries."
    refusals: ClassVar = {
        "order_first": (
            "Sorted by time first, a user's rows lie scattered among everybody's: fine for who has many, a long walk "
            "for who has few.",
            "Put the column with `=` first, then the one that sorts.",
        ),
        "still_sorted": (
            "The index finds the user's rows, but in another order than the query wants them: they are all fetched and "
            "sorted to keep twenty.",
            "After the equality, name the column of the ORDER BY.",
        ),
        "gap": (
            "Between the user and the time stands a column that the query does not fix: within a user, rows are no "
            "longer in the order of time.",
            "Nothing may stand between the equalities and the order.",
        ),
        "no_equality": (
            "This index cannot be searched for a user.",
            "Begin with the column that is compared with `=`.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """The plan must search by user_id and find the times in order."""
        _, columns, plan = self.indexed(answer, NEWEST_OF_USER)
        # "PART OF ORDER BY" is fine: among events of one second the ids are put in order, no more.
        if plan.searches and "ORDER BY" not in plan.sorts and columns[0] == "user_id":
            return
        if columns[0] == "user_id":
            mistake = "gap" if "created_at" in columns[2:] else "still_sorted"
        else:
            mistake = (
                "order_first"
                if columns[0] == "created_at" and "user_id" in columns
                else "no_equality"
            )
        self.refuse(mistake, call=answer, got=str(plan), expected="a SEARCH, and nothing sorted")


class Covering(IndexExercise):
    """All that the query reads stands in the index."""

    name = "covering"
    task = f"""The ten users who spent most time:

    {TIME_SPENT}

Write one `CREATE INDEX` statement with which it never touches the table: a **covering** index, whose order also keeps
each user's entries together."""
    stub = 'covering = ...  # "CREATE INDEX ..."'
    hints = (
        "List the columns that the query mentions anywhere. A covering index holds them all.",
        "There are two. The one in the GROUP BY comes first, so that a group's entries lie side by side.",
        "`CREATE INDEX idx_events_user_id_duration_ms ON events(user_id, ...)`",
    )
    covering = "CREATE INDEX idx_events_user_id_duration_ms ON events(user_id, duration_ms)"
    praise = "Everything stands in the index, in the order of the groups: the table is not opened at all."
    refusals: ClassVar = {
        "not_covering": (
            "A column is missing, so SQLite goes from each entry to the table: slower than no index.",
            "Add every column that the query mentions.",
        ),
        "groups_scattered": (
            "It covers the query, but a user's entries do not lie together: they are collected in a temporary B-tree.",
            "Put the column of the GROUP BY first.",
        ),
        "unused": (
            "SQLite does not use this index for the query at all.",
            "Begin with the column of the GROUP BY.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """The plan must be covered and group without a temporary B-tree."""
        _, columns, plan = self.indexed(answer, TIME_SPENT)
        expected = "COVERING INDEX, and no TEMP B-TREE FOR GROUP BY"
        if not plan.indexes:
            self.refuse(
                "not_covering" if columns[0] == "user_id" else "unused",
                call=answer,
                got=str(plan),
                expected=expected,
            )
        if not plan.covering:
            self.refuse("not_covering", call=answer, got=str(plan), expected=expected)
        if columns[0] != "user_id":
            self.refuse("groups_scattered", call=answer, got=str(plan), expected=expected)


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


UNIX_DAY = 19_732  # 2024-01-10, in days since 1970-01-01


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


class CaseBlind(IndexExercise):
    """An index on the expression that the query compares."""

    name = "case_blind"
    task = f"""The login looks for an account, and its query cannot be changed:

    {BY_EMAIL}

An index on `email` does not help. Write the `CREATE INDEX` statement that does."""
    stub = 'case_blind = ...  # "CREATE INDEX ..."'
    hints = (
        "What is compared is not the column but a value made from it.",
        "An index may hold the value of an expression, in the place of a column.",
        "`CREATE INDEX idx_users_lower_email ON users(...)`: write the left side of the `=` there.",
    )
    case_blind = "CREATE INDEX idx_users_lower_email ON users(lower(email))"
    praise = "An index on an expression is used where the query has that same expression."
    refusals: ClassVar = {
        "plain_column": (
            "This index is sorted by the email as it was typed; the query compares its lower-case form.",
            "Index the expression: what stands left of the `=`.",
        ),
        "collation": (
            "NOCASE is another way to be blind to case, for a query on the bare column; this one calls lower().",
            "Index the expression itself.",
        ),
        "other_expression": (
            "An index on an expression serves that very expression only.",
            "Copy what stands left of the `=`.",
        ),
        "expression_later": (
            "An index is sorted by what stands first in it, and here the expression stands later.",
            "Begin with the expression.",
        ),
        "wrong_table": ("The query reads the table users.", "Make the index on users."),
    }

    def judge(self, answer: Any) -> None:
        """The plan must search; the query stays as it is."""
        database, columns, plan = self.indexed(answer, BY_EMAIL)
        if not plan.searches:
            table, sql = database.execute(
                "SELECT lower(tbl_name), sql FROM sqlite_master WHERE type = 'index'"
            ).fetchone()
            mistake = "other_expression" if "" in columns else "plain_column"
            mistake = "expression_later" if "" in columns[1:] else mistake
            mistake = "collation" if "NOCASE" in sql.upper() else mistake
            self.refuse(
                "wrong_table" if table != "users" else mistake,
                call=answer,
                got=str(plan),
                expected="SEARCH",
            )


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


class time_zone:  # noqa: N801  used like contextlib's own
    """`with time_zone(name):` this process lives in another time zone for a while."""

    def __init__(self, name: str) -> None:
        self.name, self.before = name, os.environ.get("TZ")

    def __enter__(self) -> None:
        os.environ["TZ"] = self.name
        time.tzset()

    def __exit__(self, *_: object) -> None:
        if self.before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = self.before
        time.tzset()


def chosen_letters(answer: Any) -> set[str] | None:
    """The letters of an answer like "bc", "b and c", ["B", "c"] or {"b", "c"}; None for anything else."""
    if isinstance(answer, str | list | tuple | set | frozenset) and all(
        isinstance(each, str) for each in answer
    ):
        return {letter for letter in "".join(answer).lower().replace("and", "") if letter.isalnum()}
    return None


read_plan = ReadPlan()
first_index = FirstIndex()
worth_it = WorthIt()
composite = Composite()
covering = Covering()
sargable = Sargable()
drop_one = DropOne()
case_blind = CaseBlind()
two_ends = TwoEnds()
