"""Connect to a database, quote names, and say what to do about SQLite's errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from os import PathLike
from pathlib import Path
from typing import TypeAlias

Database: TypeAlias = str | PathLike[str] | sqlite3.Connection


@contextmanager
def connected(db: Database, timeout: float = 5.0, mode: str = "rw") -> Iterator[sqlite3.Connection]:
    """Yield a connection that returns rows as tuples and text as str.

    A path is opened, and closed at the end. A given connection stays open and gets its row and text
    factories back. `timeout` is how many seconds to wait for a lock; `mode` is "rw", or "ro" if
    nothing may be written. Raises FileNotFoundError if there is no database at the path.
    """
    if isinstance(db, sqlite3.Connection):
        with _advice_on_locks(), _plain_rows(db):
            yield db
        return
    path = Path(db)
    if not path.is_file():
        raise FileNotFoundError(
            f"no database at {str(path)!r}: create it first, or correct the path"
        )
    # Only a URI can set the mode; as_uri() escapes '?', '#' and '%'.
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    with _advice_on_locks(path), closing(sqlite3.connect(uri, uri=True, timeout=timeout)) as opened:
        yield opened


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
def _advice_on_locks(path: Path | None = None) -> Iterator[None]:
    """Add the path, and what to do about a lock, as notes to SQLite's errors."""
    try:
        yield
    except sqlite3.Error as error:
        if path is not None:
            error.add_note(f"The database: {path}.")
        if result_code(error) in _CLEAR:
            error.add_note(f"What to do: {remedy(error)}.")
        raise


# The errors whose cause is clear wherever they happen.
_CLEAR = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_READONLY,
)


def result_code(error: Exception) -> int:
    """Return SQLite's primary result code; 0 if the error comes from Python's own module."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


_REMEDIES = {
    sqlite3.SQLITE_BUSY: (
        "close whatever else reads or writes the database,"
        " or wait longer: sqlite3.connect(path, timeout=60)"
    ),
    sqlite3.SQLITE_FULL: (
        "free some space, also for temporary files (SQLITE_TMPDIR sets their folder)"
    ),
    sqlite3.SQLITE_READONLY: "make the file and its folder writable, and open it without mode=ro",
    sqlite3.SQLITE_NOTADB: (
        "check the path, and if the database is encrypted, pass a decrypted copy"
    ),
    sqlite3.SQLITE_CORRUPT: (
        "restore a backup, or save the rows that can be read: sqlite3 app.db .recover"
    ),
    sqlite3.SQLITE_ERROR: (
        "read this connection's cursors to the end or close them, or pass the path"
    ),
}
_REMEDIES[sqlite3.SQLITE_LOCKED] = _REMEDIES[sqlite3.SQLITE_BUSY]
_REMEDIES[sqlite3.SQLITE_IOERR] = _REMEDIES[sqlite3.SQLITE_FULL]
_REMEDIES[sqlite3.SQLITE_CANTOPEN] = _REMEDIES[sqlite3.SQLITE_READONLY]


def remedy(error: sqlite3.Error) -> str:
    """Return what to do about an error; "" if SQLite's own message is all there is."""
    if _needs_the_application(error):
        return "pass a connection on which the application's functions and collations are defined"
    return _REMEDIES.get(result_code(error), "")


def _needs_the_application(error: sqlite3.Error) -> bool:
    """Check whether SQLite lacks a function, collation or module that the application defines."""
    message = str(error)
    return any(part in message for part in ("no such coll", "unknown function", "no such module"))


def quoted(name: str) -> str:
    """Return a name in double quotes, safe in SQL whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'
