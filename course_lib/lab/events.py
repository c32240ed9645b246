"""The seeded table of the workbook in one SQLite file, and private copies of it for any cell.

    path()  --> data/events.db: seeded once, then left alone; every kernel reads the same file
    copy()  --> a private copy in the kernel's own folder: a cell may change it, and run again

`seeded_rows.py` has the recipe of the rows, `seeded_file.py` creates the file, and
`data/README.md` describes the columns.
"""

import argparse
import errno
import itertools
import os
import shutil
import sqlite3
import weakref
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Self

from tqdm import tqdm

from course_lib.lab import show
from course_lib.lab.seeded_file import ROWS, path, read_only, remove, rows, seed

__all__ = [
    "MOST_COPIES",
    "ROWS",
    "Copy",
    "copy",
    "hottest_user",
    "median_user",
    "path",
    "rows",
    "seed",
]

# A lesson has six open; a cell that runs again opens new ones before the old ones are closed.
MOST_COPIES = 8

Database = sqlite3.Connection | str | os.PathLike[str]


class Copy(os.PathLike[str]):
    """A private copy of the seeded file, made by `copy()`. Pass it to `sqlite3.connect` as a path.

    The file is removed by `close()`, at the end of a `with` block, or with the last reference to
    its Copy. The connections that `connect` returned are closed with it, because an open one
    would keep the disk space of a removed file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections: list[sqlite3.Connection] = []
        self._remove = weakref.finalize(self, _close_and_remove, path, self._connections)
        _open_copies.add(self)

    def connect(self) -> sqlite3.Connection:
        """Return a connection that is closed with the copy and commits each statement by itself."""
        # Whichever thread drops the last reference to the copy closes it.
        connection = sqlite3.connect(self, isolation_level=None, check_same_thread=False)
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Remove the file; do nothing if it has been removed."""
        self._remove()
        _open_copies.discard(self)

    def __fspath__(self) -> str:
        if not self._remove.alive:
            raise ValueError("this copy is closed: make another with events.copy()")
        return str(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _close_and_remove(path: Path, connections: list[sqlite3.Connection]) -> None:
    for connection in connections:
        connection.close()
    remove(path)


_open_copies: weakref.WeakSet[Copy] = weakref.WeakSet()
_copy_numbers = itertools.count(1)


def copy(*statements: str, rows: int | None = None) -> Copy:
    """Return a copy of the seeded file for this process alone.

    Runs `statements`, then ANALYZE, on the copy; without statements the copy equals the seeded
    file byte for byte. `rows` selects the seeded file with a different number of events.

    Raises RuntimeError if `MOST_COPIES` copies are open, OSError, which says what to do, if the
    disk is too full.
    """
    from course_lib.lab import lifeline  # noqa: PLC0415 - seeding needs no guarded folder

    if len(_open_copies) >= MOST_COPIES:
        raise RuntimeError(
            f"{MOST_COPIES} copies of the table are open, which is the limit: close one with "
            ".close(), or use `with events.copy() as ...:`; restarting the kernel closes them all"
        )
    source = path(rows)
    folder = lifeline.folder()
    _check_space(source, folder)
    table = Copy(folder / f"events-{next(_copy_numbers)}.db")
    try:
        shutil.copyfile(source, table.path)
        if statements:
            _run_statements(table, statements)
    except (OSError, sqlite3.OperationalError) as error:
        table.close()
        if _is_full(error):
            raise _no_space(source, folder) from None
        raise
    except BaseException:  # the Stop button too: the caller would never get a reference to close
        table.close()
        raise
    return table


def _check_space(source: Path, folder: Path) -> None:
    if source.stat().st_size > shutil.disk_usage(folder).free:
        raise _no_space(source, folder)


def _is_full(error: OSError | sqlite3.OperationalError) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL


def _no_space(source: Path, folder: Path) -> OSError:
    size = source.stat().st_size
    free = shutil.disk_usage(folder).free
    message = (
        f"a copy of the table takes {size / 1e6:.0f} MB, more with indexes, and {free / 1e6:.0f} "
        "MB are free: free some space, point TMPDIR to another disk, or set COURSE_ROWS to fewer "
        "rows"
    )
    return OSError(errno.ENOSPC, message, str(folder))


def _run_statements(table: Copy, statements: Sequence[str]) -> None:
    # No other process reads the copy yet, so a journal or waiting for the disk would protect
    # nothing.
    fast = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF"
    with closing(sqlite3.connect(table, isolation_level=None)) as database:
        database.executescript(fast)
        for statement in tqdm((*statements, "ANALYZE"), desc="creating the indexes", **show.BAR):
            database.execute(statement)


def hottest_user(db: Database) -> int:
    """Return the user with the most events; if several have as many, the lowest ID."""
    query = """
        SELECT user_id FROM events GROUP BY user_id ORDER BY count(*) DESC, user_id LIMIT 1
    """
    return _user(db, query)


def median_user(db: Database) -> int:
    """Return the lowest ID whose number of events is the median of the users who have any.

    The lower median, if the number of users is even.
    """
    query = """
        WITH counts AS (SELECT user_id, count(*) AS events FROM events GROUP BY user_id)
        SELECT min(user_id) FROM counts WHERE events = (
            SELECT events FROM counts ORDER BY events
            LIMIT 1 OFFSET (SELECT (count(*) - 1) / 2 FROM counts))
    """
    return _user(db, query)


def _user(db: Database, query: str) -> int:
    if isinstance(db, sqlite3.Connection):
        return int(db.execute(query).fetchone()[0])
    with closing(read_only(Path(db))) as database:
        return _user(database, query)


def main() -> None:
    """Seed a file from the command line."""
    parser = argparse.ArgumentParser(description="Seed the events table.")
    parser.add_argument(
        "path", nargs="?", help="the file to create (default: the one that the lessons use)"
    )
    parser.add_argument(
        "--rows", type=int, help="how many events (default: COURSE_ROWS, else 1,000,000)"
    )
    options = parser.parse_args()
    try:
        number = rows() if options.rows is None else options.rows
        file = seed(options.path, number) if options.path else path(number)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(f"{file}: {number:,} events")


if __name__ == "__main__":
    main()
