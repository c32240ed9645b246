"""Connections to the events file: one for each reading thread, all of them to the same file.

    path --> the file that has this name now --+-- thread 1: connection
                                               +-- thread 2: connection

If the file is replaced, each thread notices at its next statement and opens the new one.
"""

import os
import sqlite3
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from course_lib.api.json_values import text_of

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


@dataclass(eq=False)
class _Opened:
    """A thread's connection, and the file that it's to."""

    connection: sqlite3.Connection
    file: FileID


class Readers:
    """A connection for each thread, which can't change the data, and ends with its thread.

    SQLite can open the file for writing: after a writer was killed, the next reader has to roll
    its changes back.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._of_thread = threading.local()
        self._all: weakref.WeakSet[_Opened] = weakref.WeakSet()

    def connection(self) -> sqlite3.Connection:
        """Return this thread's connection to the file that has the path's name now.

        Raises sqlite3.OperationalError if there is no such file.
        """
        file = file_id(self._path)
        opened: _Opened | None = getattr(self._of_thread, "opened", None)
        if opened is None or opened.file != file:
            self.drop()
            opened = _Opened(connect(self._path), file)
            opened.connection.execute("PRAGMA query_only = ON")
            opened.connection.text_factory = text_of
            self._of_thread.opened = opened
            self._all.add(opened)
        return opened.connection

    def drop(self) -> None:
        """Close this thread's connection, if it has one: the next statement opens another."""
        opened: _Opened | None = getattr(self._of_thread, "opened", None)
        if opened is not None:
            opened.connection.close()
            self._of_thread.opened = None

    def close(self) -> None:
        """Close the connections of all threads."""
        self._of_thread = threading.local()
        for opened in list(self._all):
            opened.connection.close()
        self._all.clear()
