"""Connect to a database, quote names, and say what to do about SQLite's errors."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from os import PathLike
from pathlib import Path
from typing import TypeAlias

Database: TypeAlias = str | PathLike[str] | sqlite3.Connection

LONGEST_TIMEOUT = 86_400.0  # seconds; SQLite counts milliseconds in 32 bits


@contextmanager
def connected(db: Database, timeout: float = 5.0, mode: str = "rw") -> Iterator[sqlite3.Connection]:
    """Yield a connection that returns rows as tuples and text as str.

    A path is opened, and closed at the end. A given connection stays open and gets its row and text
    factories back. `timeout` is how many seconds to wait for a lock; `mode` is "rw", or "ro" if
    nothing may be written. Raises FileNotFoundError if there is no database at the path.
    """
    if isinstance(db, sqlite3.Connection):
        with with_advice(db), _plain_rows(db):
            yield db
        return
    path = Path(os.fsdecode(db))
    if not path.is_file():
        raise FileNotFoundError(
            f"no database at {str(path)!r}: create it first, or correct the path"
            " (instead of a URI or ':memory:', pass a connection)"
        )
    uri = _uri(path.resolve(), mode)
    timeout = min(timeout, LONGEST_TIMEOUT)
    with with_advice(db), closing(sqlite3.connect(uri, uri=True, timeout=timeout)) as opened:
        if mode == "ro":
            opened.execute("PRAGMA query_only = ON")
        yield opened


def _uri(path: Path, mode: str) -> str:
    """Return a URI, which alone can set the mode; as_uri() escapes '?', '#' and '%'.

    A read-only connection can't roll back what a killed writer left, and leaves an empty log beside
    a database in WAL mode. But if there's a log, any other connection may move it into the file.
    """
    if mode == "ro" and not path.with_name(f"{path.name}-wal").exists():
        mode = "rw"
    return f"{path.as_uri()}?mode={mode}"


@contextmanager
def _plain_rows(connection: sqlite3.Connection) -> Iterator[None]:
    """Make a connection return tuples and str, and restore its factories at the end."""
    factories = connection.row_factory, connection.text_factory
    connection.row_factory, connection.text_factory = None, str
    try:
        yield
    finally:
        connection.row_factory, connection.text_factory = factories


@contextmanager
def with_advice(db: Database) -> Iterator[None]:
    """Add the path, and what to do if that's known, as notes to SQLite's errors."""
    try:
        yield
    except sqlite3.Error as error:
        notes = []
        if not isinstance(db, sqlite3.Connection):
            notes.append(f"The database: {os.fsdecode(db)}.")
        # An error that Python's own module raised has no code.
        if result_code(error) and (advice := remedy(error)):
            notes.append(f"What to do: {advice}.")
        known = getattr(error, "__notes__", [])
        for note in notes:
            if note not in known:
                error.add_note(note)
        raise


def result_code(error: Exception) -> int:
    """Return SQLite's primary result code; 0 if the error comes from Python's own module."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


# What SQLite says if it needs something that only the application defines.
_MISSING = ("no such collation", "no such function", "unknown function", "no such module")

_DEFINED_BY_THE_APPLICATION = (
    "pass a connection on which the application's functions and collations are defined"
)

_REMEDIES_BY_MESSAGE = {
    **dict.fromkeys(_MISSING, _DEFINED_BY_THE_APPLICATION),
    "statements in progress": (
        "read this connection's cursors to the end or close them, or pass the path"
    ),
    "unsupported file format": "use the release of SQLite that wrote the database, or a later one",
}

_REMEDIES_BY_CODE = {
    sqlite3.SQLITE_BUSY: (
        "close whatever else reads or writes the database,"
        " or wait longer: sqlite3.connect(path, timeout=60)"
    ),
    sqlite3.SQLITE_FULL: (
        "free some space, also for temporary files (SQLITE_TMPDIR sets their folder)"
    ),
    sqlite3.SQLITE_READONLY: (
        "make the file and its folder writable, and open it without mode=ro and query_only;"
        " or, to read it, pass a copy in a folder that is"
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "check the permissions of the file and its folder; in WAL mode even a reader writes there,"
        " so pass a copy in a writable folder"
    ),
    sqlite3.SQLITE_NOTADB: (
        "check the path, and if the database is encrypted, pass a decrypted copy"
    ),
    sqlite3.SQLITE_CORRUPT: (
        "restore a backup, or save the rows that can be read: sqlite3 app.db .recover"
    ),
}
_REMEDIES_BY_CODE[sqlite3.SQLITE_LOCKED] = _REMEDIES_BY_CODE[sqlite3.SQLITE_BUSY]
_REMEDIES_BY_CODE[sqlite3.SQLITE_IOERR] = _REMEDIES_BY_CODE[sqlite3.SQLITE_FULL]


def remedy(error: Exception) -> str:
    """Return what to do about an error; "" if SQLite's own message is all there is."""
    for part, advice in _REMEDIES_BY_MESSAGE.items():
        if part in str(error):
            return advice
    return _REMEDIES_BY_CODE.get(result_code(error), "")


def wrong_sql(message: str, error: Exception) -> ValueError:
    """Return an error about a statement that SQLite rejects, with what to do if that's known."""
    wrong = ValueError(message)
    if result_code(error) and (advice := remedy(error)):
        wrong.add_note(f"What to do: {advice}.")
    return wrong


def needs_the_application(message: str) -> bool:
    """Check whether an error is about something that only the application defines."""
    return any(part in message for part in _MISSING)


def quoted(name: str) -> str:
    """Return a name in double quotes, safe in SQL whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'
