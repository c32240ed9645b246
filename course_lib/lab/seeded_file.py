"""The seeded file: created once, complete or not at all, and again when it no longer fits.

    missing, changed, old recipe --> lock --> write events.db.part --> rename to events.db
    any other kind of file       --> FileExistsError

A process that's killed on the way leaves at most a `.part` file, which the next process removes.
"""

import errno
import hashlib
import os
import re
import reprlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

from course_lib.lab import file_lock, paths, seeded_rows

ROWS = 1_000_000
MOST_DIGITS = 18  # of a number of rows, because a rowid of SQLite has 64 bits
BYTES_PER_EVENT = 133
BYTES_OF_USERS = 1_500_000

CREATED = seeded_rows.START
"""The time of a complete file, in seconds: any later change to the file gives it another."""


def rows() -> int:
    """Return the number of events that the lessons use: COURSE_ROWS if it's set, else a million.

    Raises ValueError if COURSE_ROWS isn't a positive whole number.
    """
    text = os.environ.get("COURSE_ROWS", str(ROWS))
    if not text.isdecimal() or len(text) > MOST_DIGITS or int(text) == 0:
        raise ValueError(
            f"COURSE_ROWS is {reprlib.repr(text)}: set it to a positive whole number, "
            "such as 100000"
        )
    return int(text)


def path(number: int | None = None) -> Path:
    """Return the seeded file with that many events (by default `rows()`).

    Creates the file first if it's missing, damaged, changed or from a different recipe. Raises what
    `seed` raises.
    """
    number = rows() if number is None else number
    file = paths.DATA / ("events.db" if number == ROWS else f"events-{number}.db")
    return _create_if_needed(file, number)


def seed(target: str | os.PathLike[str], rows: int = ROWS) -> Path:
    """Make `target` the seeded table with that many events; leave it alone if it already is.

    The file gets its name when it's complete, so an interrupt never leaves half a table. Raises
    FileExistsError if `target` isn't a seeded table, ValueError if `rows` is less than one,
    TimeoutError if another program has locked the table, and another OSError, which says what to
    do, if the file can't be created.
    """
    return _create_if_needed(Path(target), rows)


def _create_if_needed(target: Path, rows: int) -> Path:
    if rows < 1:
        raise ValueError(f"rows is {rows}: a seeded table has at least one event")
    try:
        if _is_complete(target, rows):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target) as lock:
            # Check again: another process may have created it while we waited for the lock.
            if not _is_complete(target, rows):
                _check_space(target, rows)
                _create(target, rows)
                _store_digest(lock, target)
    except (OSError, sqlite3.OperationalError) as error:
        if isinstance(error, OSError) and error.errno is None:
            raise  # our own, which says what to do
        raise _explained(error, target, rows) from None
    return target


def _size(rows: int) -> int:
    """Return the size of a seeded table in bytes."""
    return BYTES_PER_EVENT * rows + BYTES_OF_USERS


def _check_space(target: Path, rows: int) -> None:
    """Raise OSError if the table doesn't fit: a full disk would harm other programs too."""
    if _size(rows) > shutil.disk_usage(target.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _explained(error: OSError | sqlite3.OperationalError, target: Path, rows: int) -> OSError:
    """Return an error that says what the table needs, and what to do."""
    folder = target.parent
    needed = _size(rows) / 1e6
    number: int | None = errno.ENOSPC
    reason: str | None = str(error)
    if isinstance(error, OSError):
        number = error.errno
        reason = error.strerror
    free = ""
    with suppress(OSError):
        free = f", where {shutil.disk_usage(folder).free / 1e6:.0f} MB are free"
    return OSError(
        number or errno.EIO,
        f"cannot read or create the table ({reason}): it needs {needed:.0f} MB in {folder}{free}; "
        "free some space, set COURSE_DATA to a folder that you can write to, or COURSE_ROWS to "
        "fewer rows",
    )


def _header(file: Path) -> bytes:
    with open(file, "rb") as content:
        return content.read(72)


def _is_ours(header: bytes) -> bool:
    """Return True if a file's header has our application ID.

    See https://www.sqlite.org/fileformat.html#application_id.
    """
    return header[68:] == seeded_rows.APPLICATION_ID.to_bytes(4, "big")


def _is_complete(file: Path, rows: int) -> bool:
    """Return True if the file is as we left it. Raises FileExistsError if it isn't ours.

    Reads a few pages only, unless the file has been changed or copied.
    """
    if not file.exists():
        return False
    if file.is_file() and file.stat().st_size == 0:
        return False  # nothing is lost: sqlite3.connect() creates such a file
    if not file.is_file() or not _is_ours(_header(file)):
        raise FileExistsError(
            f"{file} is not a seeded events table: name another file, or move it away first; the "
            "lessons keep theirs in the folder that COURSE_DATA names"
        )
    return _has_all_rows(file, rows) and _is_unchanged(file)


def _has_all_rows(file: Path, rows: int) -> bool:
    """Return True if recipe, size, tables and last row are as we left them."""
    query = """
        SELECT user_version, page_count * page_size, (SELECT count(*) FROM sqlite_master),
            (SELECT max(id) FROM events)
        FROM pragma_user_version, pragma_page_count, pragma_page_size
    """
    with closing(read_only(file)) as database:
        try:
            actual = database.execute(query).fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise TimeoutError(
                    f"{file} is locked by another program, or another cell: end its transaction, "
                    "or close it, and try again"
                ) from None
            return False
    return bool(actual == (seeded_rows.RECIPE, file.stat().st_size, 2, rows))


def _is_unchanged(file: Path) -> bool:
    """Return True if the file's time or, for a copied file, its digest is as we left it."""
    if file.stat().st_mtime == CREATED:
        return True
    lock = _lock_of(file)
    stored = lock.read_text(errors="replace").strip() if lock.is_file() else ""
    if not stored:
        return True  # created before we stored digests
    if _digest(file) != stored:
        return False
    with suppress(OSError):  # another user's file, or a read-only folder
        os.utime(file, (CREATED, CREATED))
    return True


def _digest(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _check_lock(lock: Path) -> None:
    """Raise FileExistsError if the file has anything in it but a digest, or a part of one."""
    with open(lock, errors="replace") as file:
        content = file.read(100)
    if not re.fullmatch(r"[0-9a-f]{0,64}\s*", content):
        raise _in_use(lock)


def _check_part(part: Path) -> None:
    """Raise FileExistsError if this is a file, but not one that a killed process left.

    SQLite may not have written the header yet.
    """
    if part.is_file():
        header = _header(part)
        if any(header) and not _is_ours(header):
            raise _in_use(part)


def _in_use(file: Path) -> FileExistsError:
    return FileExistsError(f"{file} is in use for something else: move it away first")


def _store_digest(lock: IO[str], file: Path) -> None:
    lock.truncate(0)
    lock.write(_digest(file))


def _lock_of(target: Path) -> Path:
    """Return the file that's locked while the table is created; then it has the table's digest."""
    return Path(f"{target}.lock")


@contextmanager
def _locked(target: Path) -> Iterator[IO[str]]:
    """Let one process at a time seed `target`; the system releases the lock of a killed process."""
    with open(_lock_of(target), "a", opener=_without_waiting) as lock:
        file_lock.acquire(
            lock,
            waiting_for=f"another process is creating {target} (if it's suspended, as by Ctrl-Z, "
            "continue or end it)",
        )
        _check_lock(_lock_of(target))
        yield lock


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; raise OSError for a FIFO, which would wait for a reader, and for a link.

    Another user may have planted a link to one of our files, and we write into the lock.
    """
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW, 0o666)


def _create(target: Path, rows: int) -> None:
    part = Path(f"{target}.part")
    _check_part(part)
    remove(part)  # left by a process that was killed, because we hold the lock
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as database:
            seeded_rows.fill(database, rows)
        os.utime(part, (CREATED, CREATED))
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
