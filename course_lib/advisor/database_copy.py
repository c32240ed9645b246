"""A copy of a database in a temporary folder, so that nothing is tried on the original."""

import errno
import math
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from course_lib.advisor.dialect import view_query
from course_lib.advisor.schema import Table, check_rewriting, read_table
from course_lib.advisor.watchdog import Watchdog
from course_lib.optimizer import Database
from course_lib.optimizer.database import connected, quoted, result_code, with_advice
from course_lib.optimizer.indexes import definition

PAGES_PER_STEP = 2_000  # copied before looking at the clock again
DEFENSIVE = 1010  # SQLITE_DBCONFIG_DEFENSIVE, which Python 3.11 doesn't define

LOCKED = "another connection has it locked"
FREE_SPACE = "free some space, or set TMPDIR to a folder on another disk"

# Waits until its standard input ends, which it does when we end, however that happens.
_REMOVE_AT_THE_END = 'read -r _; rm -rf -- "$1"'


class OutOfTime(Exception):  # noqa: N818  it ends a phase and is not an error
    """The deadline has passed."""


class DatabaseCopy:
    """The copy and its schema, while a `with DatabaseCopy.of(...)` block lasts.

    `deadline` is a time of `time.perf_counter`; each phase of the advisor sets its own. It has the
    statistics of the original: missing, stale or fresh. `unreadable` has the tables that can't
    be tried, in lower case, and why: most need something that only the application has, such as a
    collation.
    """

    def __init__(self, path: Path, deadline: float) -> None:
        self.path = path
        self.deadline = deadline
        self.unreadable: dict[str, str] = {}
        self._reader: sqlite3.Connection | None = None
        self._watchdog = Watchdog()
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @classmethod
    @contextmanager
    def of(cls, db: Database, deadline: float) -> Iterator[Self]:
        """Copy the main database.

        Raises OSError if the disk is too small, TimeoutError if the deadline passes first or the
        database stays locked.
        """
        if isinstance(db, sqlite3.Connection) and db.in_transaction:
            raise sqlite3.ProgrammingError(
                "the connection is inside a transaction: commit it or roll it back first,"
                " or, with autocommit=False, pass the path"
            )
        with _temporary_folder() as folder, _clear_errors(folder):
            path = Path(folder) / "copy.db"
            timeout = max(deadline - time.perf_counter(), 0.0)
            # If a writer was killed, SQLite first rolls back what it left.
            with connected(db, timeout, "ro") as source, closing(sqlite3.connect(path)) as target:
                _check_space(source, folder)
                with _snapshot(source):
                    watch = _watch(deadline)
                    source.backup(target, pages=PAGES_PER_STEP, progress=watch, sleep=0.05)
            with with_advice(db):  # a damaged page may be found only when it's read
                copy = cls(path, deadline)
                try:
                    yield copy
                finally:
                    copy.close()

    def _prepare(self) -> None:
        """Read the schema, and drop triggers: they'd run when rows are rewritten."""
        with closing(self.connect()) as connection, self.bounded(connection):
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA ignore_check_constraints = ON")
            schema = connection.execute(
                "SELECT type, name, sql, tbl_name FROM sqlite_master"
            ).fetchall()
            for kind, name, *_ in schema:
                if kind == "trigger":
                    connection.execute(f"DROP TRIGGER {quoted(name)}")
            connection.execute("ANALYZE sqlite_master")  # creates the table of statistics
            names = [name for kind, name, *_ in schema if kind == "table"]
            tables = [self._read_table(connection, name) for name in names]
            self.tables = {table.name.lower(): table for table in tables if table}
            self._enforces_foreign_keys = _can_enforce_foreign_keys(
                connection, self.tables.values()
            )
        self.views = {}
        self.indexes = {}  # the definition of each index by its name
        self.index_tables = {}
        self.unique = set()  # the indexes that also keep a rule
        for kind, name, sql, table in schema:
            if kind == "view" and (query := view_query(sql)):
                self.views[name] = query
            if kind == "index" and sql:
                self.indexes[name] = columns_of(sql)
                self.index_tables[name] = table.lower()
                if definition(sql).startswith("create unique "):
                    self.unique.add(name)
        self.names = {name.lower() for _, name, *_ in schema}
        self.bytes = self.path.stat().st_size

    @property
    def reader(self) -> sqlite3.Connection:
        """The connection on which queries are planned and timed, until the next change."""
        if self._reader is None:
            self._reader = self.connect()
            # A DELETE or UPDATE is timed inside a transaction that is rolled back.
            self._reader.execute("PRAGMA journal_mode = MEMORY")
            self._reader.execute(f"PRAGMA foreign_keys = {self._enforces_foreign_keys}")
        return self._reader

    def close(self) -> None:
        """Close the reading connection, and stop the watchdog."""
        self.close_reader()
        self._watchdog.stop()

    def close_reader(self) -> None:
        """Close the reading connection, if there is one."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def change(self) -> sqlite3.Connection:
        """Return a connection for a change of the schema.

        Closes the reader, which would go on using the schema as it was.
        """
        self.close_reader()
        return self.connect()

    def connect(self) -> sqlite3.Connection:
        """Return a new connection."""
        connection = sqlite3.connect(self.path, isolation_level=None, cached_statements=0)
        if hasattr(connection, "setconfig"):  # since Python 3.12
            connection.setconfig(DEFENSIVE, False)  # some builds of SQLite protect their schema
        return connection

    @contextmanager
    def bounded(
        self, connection: sqlite3.Connection, end: float = math.inf, most_work: float = math.inf
    ) -> Iterator[None]:
        """Interrupt what the connection runs at `end`; raise OutOfTime at the deadline.

        Interrupt it earlier if it has taken `most_work` seconds of the processor.
        """
        with self._watchdog.watch(connection, min(end, self.deadline), most_work):
            try:
                yield
            finally:
                if time.perf_counter() > self.deadline:
                    raise OutOfTime

    def free_name(self, wanted: str) -> str:
        """Return a name that nothing in the schema has: this one, or with a number after it."""
        name = wanted
        number = 2
        while name in self.names:
            name = f"{wanted}_{number}"
            number += 1
        self.names.add(name)
        return name

    def _read_table(self, connection: sqlite3.Connection, name: str) -> Table | None:
        try:
            table = read_table(connection, name)
            if table:
                check_rewriting(connection, table)
            return table
        except sqlite3.OperationalError as error:
            if result_code(error) != sqlite3.SQLITE_ERROR:
                raise
            self.unreadable[name.lower()] = str(error)
        except ValueError as error:
            self.unreadable[name.lower()] = str(error)
        return None


def _can_enforce_foreign_keys(connection: sqlite3.Connection, tables: Iterable[Table]) -> bool:
    """Check whether every foreign key refers to a table and columns that exist.

    If one doesn't, SQLite rejects changes of its tables, unless foreign keys aren't enforced.
    """
    connection.execute("PRAGMA foreign_keys = ON")
    try:
        for table in tables:
            connection.execute(f"EXPLAIN DELETE FROM {quoted(table.name)}")
    except sqlite3.OperationalError:
        return False
    return True


def columns_of(create_index: str) -> str:
    """Return what an index is on, table and columns, in a form that can be compared."""
    return definition(create_index).partition(" on ")[2]


@contextmanager
def _temporary_folder() -> Iterator[str]:
    """Yield a folder that goes when the block or this process ends, even if it's killed."""
    try:
        temporary = tempfile.TemporaryDirectory(prefix="advisor-")
    except OSError as error:
        error.add_note("The copy needs a folder for temporary files: set TMPDIR to one.")
        raise
    with temporary as folder:
        command = ["sh", "-c", _REMOVE_AT_THE_END, "sh", folder]
        try:
            remover = subprocess.Popen(
                command, stdin=subprocess.PIPE, cwd="/", start_new_session=True
            )
        except OSError:  # no shell, or no right to start one: only a killed process leaves files
            yield folder
            return
        with remover:
            try:
                yield folder
            finally:
                remover.communicate(b"\n")  # a forked process may keep its input open


@contextmanager
def _clear_errors(folder: str) -> Iterator[None]:
    """Say what to do if the database stays locked, or if the copy can't be written."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = result_code(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise _not_copied(LOCKED) from error
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            advice = f"the copy can't be written ({error}): {FREE_SPACE}"
            raise OSError(errno.ENOSPC, advice, folder) from error
        raise


@contextmanager
def _snapshot(source: sqlite3.Connection) -> Iterator[None]:
    """Read one state of the database for the whole block.

    Otherwise the backup starts over whenever another connection has written between two steps.
    """
    source.execute("BEGIN")
    try:
        source.execute("SELECT 1 FROM sqlite_master").fetchone()
        yield
    finally:
        source.execute("ROLLBACK")


def _watch(deadline: float) -> Callable[[int, int, int], None]:
    def watch(status: int, remaining: int, total: int) -> None:
        if status != sqlite3.SQLITE_DONE and time.perf_counter() > deadline:
            is_locked = status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            raise _not_copied(
                LOCKED if is_locked else f"{remaining:,} of its {total:,} pages are left"
            )

    return watch


def _not_copied(reason: str) -> TimeoutError:
    return TimeoutError(
        f"the database cannot be copied in time ({reason}): try later, or pass a larger `seconds`"
    )


def _check_space(source: sqlite3.Connection, folder: str) -> None:
    """Raise OSError unless the disk has space for the copy and for as much again in indexes."""
    pages, page_size = source.execute(
        "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size"
    ).fetchone()
    needed = 2 * pages * page_size
    free = shutil.disk_usage(folder).free
    if free < needed:
        advice = f"a copy with indexes needs {needed:,} bytes, {free:,} are free: {FREE_SPACE}"
        raise OSError(errno.ENOSPC, advice, folder)
