"""Give the space of deleted rows back to the disk."""

import os
import shutil
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from course_lib.optimizer.database import Database, connected, remedy


class VacuumError(sqlite3.OperationalError):
    """The space couldn't be freed, for the stated reason. The database is intact, with all rows."""


@dataclass(frozen=True)
class VacuumReport:
    """The size of the database before and after VACUUM, the pages freed, and the time it took."""

    bytes_before: int
    bytes_after: int
    pages_freed: int
    seconds: float


def vacuum_database(db: Database) -> VacuumReport:
    """Rewrite the database without its free pages, and return the space to the disk.

    While it runs, this needs free space for two more copies of what stays: a journal beside the
    file, and a copy in SQLite's folder for temporary files. Other connections can't write until it
    has finished, and can read only in WAL mode.

    Raises VacuumError, with the reason and, if known, what to do; sqlite3.DatabaseError if the file
    is damaged.
    """
    with connected(db) as connection:
        if connection.in_transaction:
            raise VacuumError(
                "VACUUM cannot run inside a transaction: commit it or roll it back,"
                " or, with autocommit=False, pass the path"
            )
        connection.text_factory = os.fsdecode  # the name of a file may not be UTF-8
        pages, page_size, free_pages, file = connection.execute(
            "SELECT page_count, page_size, freelist_count, file"
            " FROM pragma_page_count, pragma_page_size, pragma_freelist_count,"
            " pragma_database_list AS databases WHERE databases.name = 'main'"
        ).fetchone()
        if file:
            _check_space(file, (pages - free_pages) * page_size)
        start = time.perf_counter()
        _vacuum(connection)
        seconds = time.perf_counter() - start
        (pages_after,) = connection.execute("PRAGMA page_count").fetchone()
    return VacuumReport(
        bytes_before=pages * page_size,
        bytes_after=pages_after * page_size,
        pages_freed=pages - pages_after,
        seconds=seconds,
    )


def _check_space(file: str, needed: int) -> None:
    free = shutil.disk_usage(Path(file).parent).free
    if free < needed:
        raise VacuumError(
            f"VACUUM may need {needed:,} bytes beside {file!r}, and {free:,} are free:"
            " free some space first"
        )


def _vacuum(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("VACUUM")
        # In WAL mode the new pages are still in the log: only a checkpoint shortens the file.
        blocked, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        message = f"VACUUM failed, nothing is lost: {error}"
        advice = remedy(error)
        raise VacuumError(f"{message}; {advice}" if advice else message) from error
    if blocked:
        raise VacuumError(
            "VACUUM is done, but a reader still needs the old pages, so the file has not shrunk:"
            " when the reader has ended, run PRAGMA wal_checkpoint(TRUNCATE)"
        )
