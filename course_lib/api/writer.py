"""Write events in one thread of the process, as many as are waiting in one transaction.

    submit() --> queue --> the thread takes all of it --> BEGIN, INSERTs, COMMIT --> IDs --> pause

SQLite has one lock for all writers of a file, and it isn't fair: a process that retries may lose
each time. So the threads of a process never compete for it, and processes take turns: each pauses
after a transaction for longer than the others wait between two attempts. Writing many events in
one transaction is also faster, because the disk is the slow part (DeWitt et al., "Implementation
techniques for main memory database systems", SIGMOD 1984, calls it group commit).
"""

import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.api.connections import LOCK_TIMEOUT, FileID, connect, file_id

ATTEMPT_EVERY = (0.0005, 0.0015)  # seconds between two attempts to get the lock, at random
PAUSE = 0.003  # seconds after a transaction
MOST_TOGETHER = 500  # events in a transaction
# A trigger can ignore a row without an error. A view, or a table WITHOUT ROWID, has no rowid.
NOT_STORED = "the table stored no row with a rowid: look for a trigger, or a view in its place"


@dataclass
class _Write:
    values: tuple[object, ...]
    event_id: Future[int] = field(default_factory=Future)


class Writer:
    """The writer's queue of a process: runs one INSERT statement, with the values of each call.

    While it has the file open, the file is in WAL mode if its folder allows that, so that readers
    and the writer don't wait for each other (https://www.sqlite.org/wal.html).
    """

    def __init__(self, path: Path, statement: str) -> None:
        self._path = path
        self._statement = statement
        self._waiting: deque[_Write] = deque()
        self._thread: ThreadPoolExecutor | None = None
        self._starting = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: FileID | None = None
        self._usual_mode = ""  # the journal mode in which we found the file

    def submit(self, values: tuple[object, ...]) -> Future[int]:
        """Write a row soon, and return a future of its ID.

        The future raises sqlite3.OperationalError if the file can't be written within
        `LOCK_TIMEOUT` seconds, sqlite3.IntegrityError if the table rejects the row.
        """
        write = _Write(values)
        self._waiting.append(write)
        with self._starting:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "event-writer")
            self._thread.submit(self._write_waiting)
        return write.event_id

    def close(self) -> None:
        """Write what's waiting, and leave the file as it was found. `submit` opens it again."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.shutdown()
        if self._connection and self._usual_mode:
            # Fails while another process reads the file: then it stays in WAL mode.
            with suppress(sqlite3.Error):
                self._connection.execute(f"PRAGMA journal_mode = {self._usual_mode}")
        self._drop()

    def _write_waiting(self) -> None:
        """Write all that's waiting; an earlier call may have done so already."""
        writes = self._take()
        if not writes:
            return
        self._write_together(writes)
        if self._connection and not self._waiting:
            self._complete_file()
        time.sleep(PAUSE)

    def _write_together(self, writes: Sequence[_Write]) -> None:
        """Write all in one transaction; if the table rejects a row, each in one of its own."""
        try:
            ids = self._insert([write.values for write in writes])
        except Exception as error:
            self._drop()
            if isinstance(error, sqlite3.IntegrityError) and len(writes) > 1:
                for write in writes:
                    self._write_together([write])
                return
            for write in writes:
                write.event_id.set_exception(error)
            return
        for write, event_id in zip(writes, ids, strict=True):
            write.event_id.set_result(event_id)

    def _complete_file(self) -> None:
        """Move what's in the WAL into the file, so that a copy of the file alone has everything.

        A later attempt does it if another process is using the WAL.
        """
        with suppress(sqlite3.Error):
            assert self._connection
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _take(self) -> list[_Write]:
        taken: list[_Write] = []
        while self._waiting and len(taken) < MOST_TOGETHER:
            write = self._waiting.popleft()
            if write.event_id.set_running_or_notify_cancel():
                taken.append(write)
        return taken

    def _insert(self, rows: Sequence[tuple[object, ...]]) -> list[int]:
        deadline = time.monotonic() + LOCK_TIMEOUT
        connection = self._open()
        _retry(connection, "BEGIN IMMEDIATE", deadline)
        ids = []
        for values in rows:
            insert = connection.execute(self._statement, values)
            if insert.rowcount != 1 or not insert.lastrowid:
                raise sqlite3.IntegrityError(NOT_STORED)
            ids.append(insert.lastrowid)
        # Without WAL, it waits for the readers, and new readers wait for it.
        _retry(connection, "COMMIT", deadline)
        return ids

    def _open(self) -> sqlite3.Connection:
        """Return the connection to the file that has the path's name now."""
        file = file_id(self._path)
        if self._connection is None or self._file != file:
            self._drop()
            self._connection, self._file = connect(self._path), file
            self._usual_mode = _use_wal(self._connection)
            self._connection.execute("PRAGMA busy_timeout = 0")  # from here on, we wait ourselves
        return self._connection

    def _drop(self) -> None:
        """Close the connection, which rolls back an open transaction."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _use_wal(connection: sqlite3.Connection) -> str:
    """Switch the file to WAL mode, and return the mode that it was in; "" if it can't be."""
    (before,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.execute("PRAGMA busy_timeout = 1000")  # the switch isn't worth a longer wait
    if before == "wal":
        return ""
    try:
        (now,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError:  # the file is in use just now, or can't be written
        return ""
    return before if now == "wal" else ""


def _retry(connection: sqlite3.Connection, statement: str, deadline: float) -> None:
    """Run a statement until it gets the lock. Raises sqlite3.OperationalError at the deadline."""
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            is_locked = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_locked or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(*ATTEMPT_EVERY))
