"""The seeded file: created once, complete or not at all, and again when it no longer fits.

    missing, damaged, other recipe --> lock --> write events.db.part --> rename to events.db

A process that's killed on the way leaves a `.part` file at most, which the next one removes.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from course_lib.lab import paths, seeded_rows

ROWS = 1_000_000


def rows() -> int:
    """Return the number of events that the lessons use: COURSE_ROWS if it's set, else a million.

    Raises ValueError if COURSE_ROWS isn't a positive whole number.
    """
    text = os.environ.get("COURSE_ROWS", str(ROWS))
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(
            f"COURSE_ROWS is {text!r}: set it to a positive whole number, such as 100000"
        )
    return int(text)


def path(number: int | None = None) -> Path:
    """Return the seeded file with that many events (by default `rows()`).

    Creates the file first if it's missing, damaged or of another recipe.
    """
    number = rows() if number is None else number
    file = paths.DATA / ("events.db" if number == ROWS else f"events-{number}.db")
    return _create_if_needed(file, number)


def seed(target: str | os.PathLike[str], rows: int = ROWS) -> Path:
    """Make `target` the seeded table with that many events; leave it alone if it already is.

    The file gets its name when it's complete, so an interrupt never leaves half a table. Raises
    FileExistsError if `target` is some other file, ValueError if `rows` is less than one.
    """
    target = Path(target)
    if target.exists() and not _is_ours(target):
        raise FileExistsError(
            f"{target} is not a seeded events table: name another file, or move it away first"
        )
    return _create_if_needed(target, rows)


def _create_if_needed(target: Path, rows: int) -> Path:
    if rows < 1:
        raise ValueError(f"rows is {rows}: a seeded table has at least one event")
    if _is_complete(target, rows):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target):
        # Check again: another process may have created it while we waited for the lock.
        if not _is_complete(target, rows):
            _create(target, rows)
    return target


def _is_ours(file: Path) -> bool:
    """Return True if the file's header has our application ID.

    See https://www.sqlite.org/fileformat.html#application_id.
    """
    with open(file, "rb") as content:
        header = content.read(72)
    return header[68:] == seeded_rows.APPLICATION_ID.to_bytes(4, "big")


def _is_complete(file: Path, rows: int) -> bool:
    """Return True if recipe, size, tables and last row are as we left them.

    Reads a few pages only, so it stays fast for a large file.
    """
    if not file.exists() or not _is_ours(file):
        return False
    query = """
        SELECT user_version, page_count * page_size, (SELECT count(*) FROM sqlite_master),
            (SELECT max(id) FROM events)
        FROM pragma_user_version, pragma_page_count, pragma_page_size
    """
    with closing(read_only(file)) as database:
        try:
            actual = database.execute(query).fetchone()
        except sqlite3.DatabaseError:
            return False
    return bool(actual == (seeded_rows.RECIPE, file.stat().st_size, 2, rows))


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Let one process at a time seed `target`; the system releases the lock of a killed process."""
    with open(f"{target}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _create(target: Path, rows: int) -> None:
    part = Path(f"{target}.part")
    remove(part)  # left by a process that was killed, because we hold the lock
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as database:
            seeded_rows.fill(database, rows)
        # Remove the side files too: SQLite would apply them to the new file.
        remove(target)
        part.rename(target)
    finally:
        remove(part)


def remove(file: Path) -> None:
    """Remove a database file and its side files, if they exist."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def read_only(file: Path) -> sqlite3.Connection:
    """Open a database file that can't be written. Raises FileNotFoundError if it doesn't exist."""
    return sqlite3.connect(file.resolve(strict=True).as_uri() + "?mode=ro", uri=True)
