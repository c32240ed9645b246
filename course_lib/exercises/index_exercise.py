"""The base of lesson 2's exercises: a small database that the learner hasn't seen."""

import re
import sqlite3
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, NoReturn

from course_lib.exercises.engine import Exercise
from course_lib.exercises.guard import limited
from course_lib.exercises.verdict import brief
from course_lib.optimizer import Plan, analyze_query_performance

ONE_USER = "SELECT * FROM events WHERE user_id = ?"
NEWEST_OF_USER = "SELECT * FROM events WHERE user_id = ? ORDER BY created_at DESC, id DESC LIMIT 20"
TIME_SPENT = (
    "SELECT user_id, sum(duration_ms) AS spent FROM events "
    "GROUP BY user_id ORDER BY spent DESC LIMIT 10"
)

# The same columns as the lesson's table, and other rows: 4,000 events of 97 users, five minutes
# apart from 2023-12-30 on, none at midnight; every hundredth event appears twice, so that no
# columns but the ID are unique.
UNSEEN = """
CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL,
    country TEXT NOT NULL, plan TEXT NOT NULL, created_at INTEGER NOT NULL);
CREATE TABLE events(id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, type TEXT NOT NULL,
    status INTEGER NOT NULL, duration_ms INTEGER NOT NULL, title TEXT NOT NULL,
    starts_at INTEGER NOT NULL, created_at INTEGER NOT NULL, payload TEXT NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
INSERT INTO events SELECT i, 1 + i * i % 97, 'type ' || (i % 5),
    CASE WHEN i % 7 THEN 200 ELSE 404 END, i * 31 % 900, 'title ' || (i % 50),
    1703894407 + i * 31 % 4000 * 300, 1703894407 + i * 300, '{}' FROM n;
INSERT INTO events SELECT NULL, user_id, type, status, duration_ms, title, starts_at, created_at,
    payload FROM events WHERE id % 100 = 0;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO users SELECT i, 'User' || i || '@Example.com', 'User ' || i, 'DE', 'free',
    1700000000 + i FROM n;
"""
STEPS = 100  # steps of SQLite's virtual machine between two calls of the progress handler
# The index of a UNIQUE or PRIMARY KEY in a CREATE TABLE has no SQL of its own.
INDEX = "SELECT name, lower(tbl_name) FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
COLUMNS = "SELECT name, coll FROM pragma_index_xinfo(?) WHERE key"
PARTIAL_INDEX = """
SELECT 1 FROM sqlite_master JOIN pragma_index_list(tbl_name) AS list USING (name) WHERE list.partial
"""


OTHER_DIALECT = re.compile(
    r"\b(INCLUDE|CONCURRENTLY|USING|ADD (INDEX|KEY)|EXTRACT|INTERVAL|UNIX_TIMESTAMP|TO_TIMESTAMP|"
    r"DATE_TRUNC|NOW|EPOCH|FORCE INDEX|TOP|FETCH (FIRST|NEXT))\b|::|%s|%\(|\$1",
    re.IGNORECASE,
)


class Indexed(NamedTuple):
    """The learner's index, and the plan of the query with it."""

    table: str
    columns: list[str]
    """The name of each column; an expression has an empty one."""
    collated: set[str]
    """Those that the index compares in a way of its own, such as NOCASE."""
    is_partial: bool
    plan: Plan


class IndexingExercise(Exercise):
    """An exercise on the unseen database."""

    lesson = "indexing"
    refusals: ClassVar = {
        "other_dialect": (
            "This is the syntax of another database, such as PostgreSQL or MySQL; SQLite doesn't "
            "know it.",
            "Write it as SQLite does: its message names the word at which it stopped reading.",
        ),
        "no_such_column": (
            "SQLite finds no column of this name in the table.",
            "Check the table, the name and its quotes. A name after AS exists only in its query.",
        ),
        "braces": (
            "SQLite doesn't know `{...}`; that's how Python's f-strings insert a value.",
            "Write a parameter in its place: the value itself doesn't belong in the SQL.",
        ),
        "unnamed_parameter": (
            "A `?` has no name, but the values are passed by name.",
            "Write `:name` instead of each `?`, with the name of the value.",
        ),
    }

    @staticmethod
    def unseen(*statements: str) -> sqlite3.Connection:
        """Return a small database in memory, after running `statements` on it.

        Whatever runs on it is interrupted after a second.
        """
        database = sqlite3.connect(":memory:", isolation_level=None)
        database.executescript(UNSEEN)
        for statement in statements:
            database.execute(statement)
        database.execute("ANALYZE")
        return limited(database)

    @staticmethod
    def counted(
        database: sqlite3.Connection, query: str, parameters: Mapping[str, Any] | tuple[()] = ()
    ) -> tuple[list[str], list[Any], int]:
        """Return a query's columns, its rows and the steps that it took, in hundreds.

        A step is one of SQLite's virtual machine. A query is interrupted after a million.
        """
        steps = 0

        def count() -> bool:
            nonlocal steps
            steps += STEPS
            return steps > 10_000 * STEPS

        database.set_progress_handler(count, STEPS)
        cursor = database.execute(query, parameters)
        return [column for column, *_ in cursor.description], cursor.fetchall(), steps

    def refuse_error(
        self, misconception: str, error: Exception, *, call: str, expected: str = ""
    ) -> NoReturn:
        """Refuse what SQLite rejected, for a more exact mistake if its message shows one."""
        mistakes = {
            "endless": str(error) == "interrupted",
            "dots_left": "..." in call,
            "incomplete": misconception == "sql_error" and "incomplete input" in str(error),
            "aggregate": misconception == "sql_error" and "aggregate" in str(error),
            "no_such_column": "no such column" in str(error),
            "braces": 'unrecognized token: "{"' in str(error),
            "unnamed_parameter": "has no name" in str(error),
            "other_dialect": "syntax error" in str(error) and OTHER_DIALECT.search(call),
        }
        self.refuse_first(mistakes, call=call, got=str(error), expected=expected)
        self.refuse(misconception, call=call, got=str(error), expected=expected)


class IndexExercise(IndexingExercise):
    """An exercise whose answer is one CREATE INDEX statement."""

    refusals: ClassVar = {
        "not_an_index": (
            "This statement doesn't create an index.",
            "Begin with `CREATE INDEX name ON table(column, ...)`.",
        ),
        "incomplete": (
            "The statement ends too soon: a part is missing, such as a closing parenthesis or the "
            "columns.",
            "The form of an index is `CREATE INDEX name ON table(column, ...)`.",
        ),
        "aggregate": (
            "An index has an entry for each row, with values of that row: no sum over many rows.",
            "Name the column whose values are summed.",
        ),
        "sql_error": (
            "SQLite rejects this statement.",
            "Read its message. The form is `CREATE INDEX name ON table(column, ...)`.",
        ),
        "two_indexes": (
            "This is more than one statement. Two indexes don't add up: for one table in one "
            "query, SQLite uses one of them, and the other only costs.",
            "Write one statement, with everything the query needs in one index.",
        ),
        "unique_index": (
            "A UNIQUE index forbids two rows with the same value, and here many rows share one.",
            "Leave out UNIQUE.",
        ),
        "partial_index": (
            "An index with its own WHERE contains only some rows, so the query can't use it for "
            "the others.",
            "Leave out the WHERE: the index has to work for every value.",
        ),
        "wrong_table": (
            "The query doesn't read the table that you indexed.",
            "Create the index on the table in the FROM.",
        ),
        "collation": (
            "The index and the query compare a column by different collations, so SQLite can't "
            "use the index for that.",
            "Leave out COLLATE: then both compare in the same way.",
        ),
    }

    def indexed(self, answer: Any, query: str) -> Indexed:
        """Create the learner's index in the unseen database, and return it with a query's plan.

        Refuses an index of a table that isn't in the query, and a partial one that isn't used.
        """
        statement = self._statement(answer)
        database = self.unseen()
        self._create_index(database, statement)
        found = database.execute(INDEX).fetchone()
        if not found:
            self.refuse("not_an_index", got=statement, expected="one CREATE INDEX statement")
        name, table = found
        if not re.search(rf"\b{table}\b", query):
            self.refuse("wrong_table", call=statement, got=table)
        columns = database.execute(COLUMNS, (name,)).fetchall()
        names = [column or "" for column, _ in columns]
        if "" in names:
            self._expect_no_text_for_a_name(statement)
        collated = {column or "" for column, collation in columns if collation != "BINARY"}
        is_partial = database.execute(PARTIAL_INDEX).fetchone() is not None
        database.execute("ANALYZE")
        plan = analyze_query_performance(database, query)
        if is_partial and not plan.indexes:
            self.refuse("partial_index", call=statement, got=str(plan))
        return Indexed(table, names, collated, is_partial, plan)

    def _expect_no_text_for_a_name(self, statement: str) -> None:
        """Refuse a column that doesn't exist in double quotes, which SQLite takes for a text."""
        try:
            self.unseen().execute(statement.replace('"', "`"))
        except sqlite3.Error as error:
            if "no such column" in str(error):
                self.refuse("no_such_column", call=statement, got=str(error))

    def _statement(self, answer: Any) -> str:
        """Return the one statement of an answer, a string or a list of one string."""
        statements = answer if isinstance(answer, list | tuple) else [answer]
        expected = "one CREATE INDEX statement"
        if len(statements) > 1:
            self.refuse("two_indexes", got=brief(answer), expected=expected)
        if not statements or not isinstance(statements[0], str):
            self.refuse("wrong_type", got=brief(answer), expected=f"{expected}, as a string")
        return statements[0]

    def _create_index(self, database: sqlite3.Connection, statement: str) -> None:
        database.set_authorizer(lambda action, *_: action == sqlite3.SQLITE_ATTACH)
        try:
            database.execute(statement)
        except sqlite3.IntegrityError as error:
            self.refuse("unique_index", call=statement, got=str(error))
        except (sqlite3.ProgrammingError, sqlite3.Warning) as error:
            # Without "one statement" the error is about parameters, which only a query has.
            mistake = "two_indexes" if "one statement" in str(error) else "not_an_index"
            self.refuse(mistake, call=statement, got=str(error))
        except (sqlite3.Error, ValueError) as error:
            self.refuse_error("sql_error", error, call=statement)
        database.set_authorizer(None)
