"""What the exercises about indexes share."""

import sqlite3
from typing import Any, ClassVar, NoReturn

from course_lib.exercises.engine import Exercise
from course_lib.exercises.guard import limited
from course_lib.exercises.verdict import brief
from course_lib.optimizer import Plan, analyze_query_performance

ONE_USER = "SELECT * FROM events WHERE user_id = ?"
NEWEST_OF_USER = "SELECT * FROM events WHERE user_id = ? ORDER BY created_at DESC, id DESC LIMIT 20"


TIME_SPENT = "SELECT user_id, sum(duration_ms) AS spent FROM events GROUP BY user_id ORDER BY spent DESC LIMIT 10"


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
