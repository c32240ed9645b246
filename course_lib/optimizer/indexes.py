"""Create indexes in SQLite, once, even if several workers start at the same time.

    create_indexes("events.db")

An index that's missing is created and analyzed; one that exists is recognized by its definition,
however either was typed.
"""

import re
import sqlite3
from collections.abc import Iterable

from course_lib.optimizer.database import Database, connected, quoted, result_code, wrong_sql

EVENTS_INDEXES = (
    # The newest events of a user; and, read from end to end, the ten busiest users.
    "CREATE INDEX idx_events_user_id_created_at ON events(user_id, created_at)",
    # Totals by type.
    "CREATE INDEX idx_events_type ON events(type)",
    # The time of the newest event, and the users active in the seven days before it.
    "CREATE INDEX idx_events_created_at_user_id ON events(created_at, user_id)",
)

LOCK_TIMEOUT = 60.0  # seconds that a worker waits while another one creates the indexes


class IndexConflictError(ValueError):
    """The database has an index of this name with another definition."""


def create_indexes(
    db: Database, *, indexes: Iterable[str] = EVENTS_INDEXES, analyze: bool = False
) -> list[str]:
    """Create the indexes that are missing, and return their names.

    `indexes` are statements `CREATE [UNIQUE] INDEX [IF NOT EXISTS] name ON table(...)`. Statements
    `ANALYZE` and `ANALYZE table` may be among them, as `recommend_indexes` returns them; they run
    each time, before the indexes are created.

    One transaction creates all of them or none. Each new index is analyzed, which measures for the
    query planner how selective it is. With `analyze=True` everything else is analyzed too if an
    index is created, which can change the plans of other queries, for better or worse.

    If no index is missing, nothing is locked. Several workers may start at once: the first creates
    the indexes; the others wait (up to a minute for a path, the connection's own `timeout` for a
    connection) and find them already there.

    Raises TypeError if `indexes` isn't a list of strings, ValueError if a statement isn't a CREATE
    INDEX or SQLite rejects it, IndexConflictError if its name belongs to an index with another
    definition (letter case, spaces, comments, quotes and ASC don't count), and
    sqlite3.ProgrammingError if the connection is inside a transaction.
    """
    statements = list(indexes)
    if isinstance(indexes, str) or not all(isinstance(part, str) for part in statements):
        raise TypeError(f"indexes is {indexes!r}: pass a list of statements")
    refreshes = [statement for statement in statements if _ANALYZE.fullmatch(statement)]
    created_by = [statement for statement in statements if statement not in refreshes]
    wanted = [(_index_name(statement), statement) for statement in created_by]
    with connected(db, timeout=LOCK_TIMEOUT) as connection:
        if connection.in_transaction:
            raise sqlite3.ProgrammingError(
                "the connection is inside a transaction: commit it or roll it back first,"
                " or, with autocommit=False, pass the path"
            )
        exist = all(_exists(connection, name, statement) for name, statement in wanted)
        if exist and not refreshes:
            return []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in refreshes:
                connection.execute(statement)
            created = _create_missing(connection, wanted, analyze)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return created


def _create_missing(
    connection: sqlite3.Connection, wanted: list[tuple[str, str]], analyze: bool
) -> list[str]:
    created = []
    for name, statement in wanted:
        # Checked again: another worker may have created it while this one waited for the lock.
        if not _exists(connection, name, statement):
            _create(connection, statement)
            if not _exists(connection, name, statement):
                raise ValueError(
                    "only tables of the main database get indexes here, and this one is temporary:"
                    f" run the statement yourself\n  {statement}"
                )
            created.append(name)
    if created and analyze:
        connection.execute("ANALYZE")
        return created
    for name in created:
        connection.execute(f"ANALYZE main.{quoted(name)}")
    return created


def _exists(connection: sqlite3.Connection, name: str, statement: str) -> bool:
    row = connection.execute(
        "SELECT sql FROM main.sqlite_master WHERE type = 'index' AND name = ? COLLATE NOCASE",
        (name,),
    ).fetchone()
    if row is None:
        return False
    (existing,) = row
    if definition(existing or "") != definition(statement):
        raise IndexConflictError(
            f"the name {name!r} already belongs to another index:\n"
            f"  in the database: {existing}\n"
            f"  wanted:          {statement}\n"
            f"Choose another name, or remove the old index first: DROP INDEX {quoted(name)}"
        )
    return True


def _create(connection: sqlite3.Connection, statement: str) -> None:
    try:
        connection.execute(statement)
    except sqlite3.Error as error:
        if result_code(error) == sqlite3.SQLITE_ERROR:
            raise wrong_sql(f"SQLite rejects the index: {error}\n  {statement}", error) from error
        error.add_note(f"The index: {statement}")  # a UNIQUE index on rows that aren't, say
        raise


_TOKEN = re.compile(
    r"""(?P<blank>   \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
      | (?P<string>  '(?:[^']|'')*' )
      | (?P<quoted>  "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^]]*\] )
      | (?P<other>   [\w$]+ | . )""",
    re.VERBOSE | re.DOTALL,
)
_ANALYZE = re.compile(r"""\s*ANALYZE(?:\s+(?:[\w.]+|"(?:[^"]|"")+"))?\s*;?\s*""", re.IGNORECASE)
_CREATE_INDEX = re.compile(r"create (?:unique )?index (?:if not exists )?")


def definition(statement: str) -> str:
    """Return what a CREATE INDEX statement defines, the same for every way to type it.

    Needed because SQLite stores the text of the statement as it was typed.
    """
    words = []
    for token in _tokens(statement):
        is_string = token.startswith("'")
        words.append(token if is_string else token.lower())
    text = " ".join(word for word in words if word != "asc")
    return text.replace(" if not exists", "", 1)


def _index_name(statement: str) -> str:
    tokens = _tokens(statement)
    match = _CREATE_INDEX.match(" ".join(tokens).lower())
    position = len(match[0].split()) if match else 0
    name, on, *rest = [*tokens[position:], "", ""]
    if not match or on.lower() != "on" or not any(rest) or ";" in tokens:
        raise ValueError(
            f"not a statement CREATE [UNIQUE] INDEX name ON table(columns): {statement!r}"
        )
    return name


def _tokens(sql: str) -> list[str]:
    """Split a statement into words and symbols, without quotes, comments and a final semicolon."""
    tokens = []
    for match in _TOKEN.finditer(sql):
        if match.lastgroup == "quoted":
            quote = match[0][-1]
            tokens.append(match[0][1:-1].replace(quote * 2, quote))
        elif match.lastgroup != "blank":
            tokens.append(match[0])
    if tokens[-1:] == [";"]:
        tokens.pop()
    return tokens
