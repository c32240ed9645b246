"""Connections to the events file: one for each reading thread, all of them to the same file.

    path --> the file that has this name now --+-- thread 1: connection
                                               +-- thread 2: connection

If the file is replaced, each thread notices at its next statement and opens the new one.
"""

import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

LOCK_TIMEOUT = 10.0
"""The longest time that a statement waits for another process's lock, in seconds."""


class FileID(NamedTuple):
    """The identity of a file, which another file under the same name doesn't have."""

    device: int
    inode: int


def file_id(path: Path) -> FileID:
    """Return the identity of the file. Raises sqlite3.OperationalError if there is none."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise sqlite3.OperationalError(f"unable to open {path}: {error.strerror}") from None
    return FileID(status.st_dev, status.st_ino)


def connect(path: Path, timeout: float = LOCK_TIMEOUT) -> sqlite3.Connection:
    """Open an existing file. Statements take effect at once, unless they're in a transaction."""
    uri = f"{path.as_uri()}?mode=rw"
    # Another thread closes it when the service ends.
    return sqlite3.connect(
        uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )


class Readers:
    """A connection for each thread, which can't change the data.

    SQLite can open the file for writing: after a writer was killed, the next reader has to roll
    its changes back.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._of_thread = threading.local()
        self._open: dict[int, sqlite3.Connection] = {}

    def connection(self) -> sqlite3.Connection:
        """Return this thread's connection to the file that has the path's name now.

        Raises sqlite3.OperationalError if there is no such file.
        """
        file = file_id(self._path)
        if getattr(self._of_thread, "file", None) != file:
            self.drop()
            connection = connect(self._path)
            connection.execute("PRAGMA query_only = ON")
            self._open[threading.get_ident()] = connection
            self._of_thread.connection, self._of_thread.file = connection, file
        current: sqlite3.Connection = self._of_thread.connection
        return current

    def drop(self) -> None:
        """Close this thread's connection, if it has one: the next statement opens another."""
        self._of_thread.file = None
        connection = self._open.pop(threading.get_ident(), None)
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        self._of_thread = threading.local()
        while self._open:
            _, connection = self._open.popitem()
            with suppress(sqlite3.Error):
                connection.close()
