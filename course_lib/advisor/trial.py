"""A copy of a database, on which indexes are tried: made, shown to the planner or hidden from it, and timed."""

import errno
import math
import re
import shutil
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

from course_lib.advisor.candidates import Index, Keys, Table, meaning, plain
from course_lib.optimizer import Database, analyze_query_performance
from course_lib.optimizer.database import connected, quoted
from course_lib.optimizer.indexes import definition

Indexes: TypeAlias = frozenset[Index]

FEW_VALUES = 20  # a column with so few is a state or a kind; where there are more, a literal is one of many
FEW_ROWS = 0.1  # a partial index holds at most this share of its table
REWRITTEN = 1_000  # rows that are written again to see what writing costs
PAGES = 10_000  # copied at a time; between, the clock is looked at


@dataclass(frozen=True)
class Run:
    """A query with certain values, ready to be timed."""

    sql: str
    values: Mapping[str, Any] = field(default_factory=dict, compare=False)


class Typical(NamedTuple):
    """Two values of a column with which to try a query, and whether it has few values.

    Of many values, that of most rows and one of as many rows as values typically have. Of few, two that are about as
    frequent as values typically are: the hottest of few is the ordinary state of things (closed, delivered), for which
    nobody asks.
    """

    hottest: Any
    median: Any
    few: bool


class OutOfTime(Exception):  # noqa: N818  what ends a phase, not a fault
    """The deadline has passed."""


class Trial:
    """The copy, for as long as a `with Trial.of(...)` block lasts.

    An index is built once. To hide it, its rows in the schema and in the statistics are taken out, and put back to show
    it; its pages stay. So any set of indexes can be tried within milliseconds. SQLite's manual warns of this
    (https://www.sqlite.org/pragma.html#pragma_writable_schema), but on a copy that is thrown away it harms nobody.
    """

    def __init__(self, folder: Path, deadline: float, limit: float) -> None:
        self.path, self.deadline, self.limit = folder / "copy.db", deadline, limit
        self.built: dict[Index, tuple[Any, ...] | None] = {}  # its row of the schema and its statistics; None: refused
        self.names: dict[str, Index] = {}
        self.bytes: dict[Index, int] = {}
        self.shown: Indexes = frozenset()
        self._reader: sqlite3.Connection | None = None
        self._typical: dict[tuple[str, str], Typical] = {}
        self._rare: dict[tuple[str, str], bool] = {}
        self._insert: dict[tuple[str, Index | None], float] = {}

    @classmethod
    @contextmanager
    def of(cls, db: Database, deadline: float, limit: float) -> Iterator[Self]:
        """Copy the main database; `deadline` is by time.perf_counter, `limit` is how many seconds a query may take.

        Raises OSError where the disk lacks room, TimeoutError where the deadline passes.
        """

        def watch(status: int, remaining: int, total: int) -> None:
            if time.perf_counter() > deadline:
                busy = status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                why = "somebody else has it locked" if busy else f"{remaining:,} of its {total:,} pages are left"
                raise TimeoutError(f"the database cannot be copied in time ({why}): try later, or give more seconds")

        with tempfile.TemporaryDirectory(prefix="advisor-") as folder:
            trial = cls(Path(folder), deadline, limit)
            if isinstance(db, sqlite3.Connection) and db.in_transaction:
                raise sqlite3.ProgrammingError(
                    "the connection is inside a transaction: commit it or roll it back first"
                )
            patience = max(deadline - time.perf_counter(), 0.0)
            with connected(db, patience, "ro") as source, closing(sqlite3.connect(trial.path)) as target:
                _ask_for_room(source, folder)
                source.backup(target, pages=PAGES, progress=watch, sleep=0.05)
            trial.prepare()
            try:
                yield trial
            finally:
                trial.change().close()

    def prepare(self) -> None:
        """Read the schema, drop the triggers, which would run along when rows are written again, and analyze."""
        with closing(self.connect()) as connection, self.bounded(connection):
            connection.execute("PRAGMA journal_mode = DELETE")
            schema = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
            for kind, name, _ in schema:
                if kind == "trigger":
                    connection.execute(f"DROP TRIGGER {quoted(name)}")
            connection.execute("ANALYZE")
            tables = [_table(connection, name) for kind, name, _ in schema if kind == "table"]
        self.tables = {table.name.lower(): table for table in tables if table}
        self.views = {name: view for kind, name, sql in schema if kind == "view" and (view := meaning(sql))}
        self.existing = {
            name: definition(sql).partition(" on ")[2] for kind, name, sql in schema if kind == "index" and sql
        }
        self.taken = {name.lower() for _, name, _ in schema}
        self.size = self.path.stat().st_size

    @property
    def reader(self) -> sqlite3.Connection:
        """The connection on which queries are planned and timed, until the next change."""
        if self._reader is None:
            self._reader = self.connect()
        return self._reader

    def change(self) -> sqlite3.Connection:
        """A connection that may change the schema; the reader ends, for it would remember the schema as it was."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        return self.connect()

    def connect(self) -> sqlite3.Connection:
        """A new connection."""
        connection = sqlite3.connect(self.path, isolation_level=None, cached_statements=0)
        if hasattr(connection, "setconfig"):  # Python 3.12; some builds of SQLite defend their schema
            connection.setconfig(1010, False)  # SQLITE_DBCONFIG_DEFENSIVE, which Python 3.11 has not
        return connection

    @contextmanager
    def bounded(self, connection: sqlite3.Connection, end: float = math.inf) -> Iterator[None]:
        """Interrupt at `end` what runs on the connection; at the deadline raise OutOfTime."""
        end = min(end, self.deadline)
        connection.set_progress_handler(lambda: time.perf_counter() > end, 20_000)
        try:
            yield
        finally:
            connection.set_progress_handler(None, 0)
            if time.perf_counter() > self.deadline:
                raise OutOfTime

    def check(self, sql: str) -> None:
        """Raise a ValueError for what is not a single query that SQLite accepts."""
        with closing(self.connect()) as connection:
            try:
                analyze_query_performance(connection, sql)
            except sqlite3.Error as error:
                raise ValueError(str(error)) from error

    def takes(self, run: Run) -> bool:
        """Whether SQLite accepts a query as sqlglot has written it anew."""
        try:
            return bool(self.plan(run))
        except sqlite3.Error:
            return False

    def typical(self, table: str, column: str) -> Typical:
        """The values of a column with which queries are tried."""
        if (table, column) not in self._typical:
            name = quoted(column)
            grouped = (
                f"SELECT {name} FROM {quoted(table)} WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"
            )
            values: list[tuple[Any]] = []
            with closing(self.connect()) as connection, self.bounded(connection), suppress(sqlite3.Error):
                values = connection.execute(grouped).fetchall()
            values = values or [(None,)]
            middle, few = len(values) // 2, len(values) <= FEW_VALUES
            self._typical[table, column] = Typical(values[middle - 1 if few else 0][0], values[middle][0], few)
        return self._typical[table, column]

    def is_rare(self, table: str, where: str, columns: Keys) -> bool:
        """Whether a partial index may rely on a condition: few rows meet it, and it will be the same next time."""
        if (table, where) not in self._rare:
            source, most = quoted(table), FEW_ROWS * self.tables[table].rows
            values = f"SELECT DISTINCT {', '.join(columns)} FROM {source} LIMIT {FEW_VALUES + 1}"
            with closing(self.connect()) as connection, self.bounded(connection), suppress(sqlite3.Error):
                if where.endswith("IS NULL") or len(connection.execute(values).fetchall()) <= FEW_VALUES:
                    rows = connection.execute(f"SELECT count(*) FROM {source} WHERE {where}").fetchone()[0]
                    self._rare[table, where] = rows <= most
        return self._rare.setdefault((table, where), False)

    def build(self, index: Index) -> bool:
        """Make, analyze and show an index; False where it exists, SQLite refuses it, or the disk becomes full."""
        if index not in self.built:
            self.built[index] = self._built(index)
        return self.built[index] is not None

    def _built(self, index: Index) -> tuple[Any, ...] | None:
        known = definition(index.statement("new")).partition(" on ")[2] in self.existing.values()
        if known or shutil.disk_usage(self.path.parent).free < self.size:
            return None
        name, before = self._free_name(f"candidate_{len(self.names)}"), self.path.stat().st_size
        # Noted first: should time run out half-way, `show` hides what there is.
        self.names[name], self.shown = index, self.shown | {index}
        with closing(self.change()) as connection, self.bounded(connection):
            # An interruption must leave a sound file; the undo journal is small, since nearly all pages are new.
            connection.executescript(
                "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000"
            )
            try:
                connection.execute(index.statement(name))
                connection.execute(f"ANALYZE {name}")
            except sqlite3.Error:
                return None
            self.bytes[index] = self.path.stat().st_size - before
            row = "SELECT m.*, stat FROM sqlite_master m LEFT JOIN sqlite_stat1 ON idx = name WHERE name = ?"
            return tuple(connection.execute(row, [name]).fetchone())

    def named(self, index: Index) -> str:
        """The statement that makes an index, under a name that says what is in it."""
        where = ["where", index.where] if index.where else []
        words = re.findall(r"\w+", " ".join([index.table, *index.keys, *where]).lower())
        return index.statement(self._free_name("_".join(["idx", *words])[:60]))

    def _free_name(self, wanted: str) -> str:
        """The name, or that and a number: one that nothing has."""
        name, number = wanted, 2
        while name in self.taken:
            name, number = f"{wanted}_{number}", number + 1
        self.taken.add(name)
        return name

    def show(self, indexes: Indexes) -> None:
        """Let the planner see these of the built indexes and no others."""
        if indexes == self.shown:
            return
        with closing(self.change()) as connection:
            connection.executescript(
                "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA writable_schema = ON; BEGIN"
            )
            hidden = [[name] for name, index in self.names.items() if index in self.shown]
            connection.executemany("DELETE FROM sqlite_master WHERE name = ?", hidden)
            # Statistics of an index that is not there SQLite would take for the table's.
            connection.executemany("DELETE FROM sqlite_stat1 WHERE idx = ?", hidden)
            # In the order in which they were built: the planner goes by it where costs are equal.
            rows = [row for index, row in self.built.items() if index in indexes and row]
            connection.executemany("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", [row[:5] for row in rows])
            statistics = [(table, name, stat) for _, name, table, _, _, stat in rows if stat]
            connection.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", statistics)
            connection.execute("COMMIT")
        self.shown = indexes

    def plan(self, run: Run) -> tuple[tuple[int, int, int, str], ...]:
        """The rows of EXPLAIN QUERY PLAN."""
        self.reader.text_factory = str
        return tuple(self.reader.execute(f"EXPLAIN QUERY PLAN {run.sql}", run.values))

    def seconds(self, run: Run, limit: float) -> float:
        """The time of a query to its last row, the best of several; `limit` for what takes longer than that."""
        best, spent, times = limit, 0.0, 0
        self.reader.text_factory = bytes  # text that is not UTF-8 is no fault here
        while times < 1 or (times < 5 and spent < 0.01):
            start = time.perf_counter()
            with self.bounded(self.reader, start + limit):
                try:
                    deque(self.reader.execute(run.sql, run.values), maxlen=0)
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                        raise
                    return limit
            taken = time.perf_counter() - start
            best, spent, times = min(best, taken), spent + taken, times + 1
        return best

    def insert(self, table: str, index: Index | None = None) -> float:
        """Seconds to insert a row in a transaction of its own, in WAL mode; with an index, what this adds to it."""
        if (table, index) not in self._insert:
            self.show(frozenset({index} if index else ()))
            taken = self._rewrite(self.tables[table])
            self._insert[table, index] = max(taken - self.insert(table), 0.0) if index else taken
        return self._insert[table, index]

    def _rewrite(self, table: Table) -> float:
        """Take the newest rows out and write them again, just as they were, so that hidden indexes stay true."""
        name = quoted(table.name)
        with closing(self.change()) as connection:
            stored = "SELECT name, pk FROM pragma_table_xinfo(?) WHERE NOT hidden"
            info = [(quoted(column), pk) for column, pk in connection.execute(stored, [table.name])]
            identity = [*table.rowid][:1] or [column for column, pk in info if pk]
            columns = ", ".join(dict.fromkeys([*identity, *(column for column, _ in info)]))
            newest = f"FROM {name} ORDER BY {', '.join(f'{each} DESC' for each in identity)} LIMIT {REWRITTEN}"
            key = ", ".join(identity)
            connection.executescript(f"""
                PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA ignore_check_constraints = ON;
                CREATE TEMP TABLE taken AS SELECT {columns} {newest};
                DELETE FROM {name} WHERE ({key}) IN (SELECT {key} {newest});
                PRAGMA wal_checkpoint(TRUNCATE) -- each measurement begins with an empty log""")
            rows = connection.execute("SELECT rowid FROM taken").fetchall()
            insert = f"INSERT INTO {name}({columns}) SELECT * FROM taken WHERE rowid = ?"
            start = time.perf_counter()
            for row in rows:
                connection.execute(insert, row)
            taken = time.perf_counter() - start
            connection.execute("PRAGMA journal_mode = DELETE")
        return taken / len(rows) if rows else 0.0


def _ask_for_room(source: sqlite3.Connection, folder: str) -> None:
    """Raise an OSError where the disk has no room for the copy and for as much again in indexes."""
    pages, size = source.execute("SELECT page_count, page_size FROM pragma_page_count, pragma_page_size").fetchone()
    needed, free = 2 * pages * size, shutil.disk_usage(folder).free
    if free < needed:
        advice = f"a copy with indexes needs {needed:,} bytes, {free:,} are free: make room, or point TMPDIR elsewhere"
        raise OSError(errno.ENOSPC, advice, folder)


def _table(connection: sqlite3.Connection, name: str) -> Table | None:
    """What there is to know of a table; None for a virtual one and for SQLite's own, which can have no index."""
    (root,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?", [name]
    ).fetchone()
    if not root or name.lower().startswith("sqlite_"):
        return None
    info = connection.execute("SELECT name, type, pk FROM pragma_table_xinfo(?)", [name]).fetchall()
    columns = {column.lower(): plain(column) for column, *_ in info}
    rowid = [each for each in ("rowid", "_rowid_", "oid") if each not in columns]
    try:
        connection.execute(f"SELECT {rowid[0]} FROM {quoted(name)} LIMIT 0")
        key = [(column, kind) for column, kind, pk in info if pk]
        if len(key) == 1 and key[0][1].upper() == "INTEGER":
            rowid.append(plain(key[0][0]))
    except (sqlite3.OperationalError, IndexError):  # WITHOUT ROWID
        rowid = []
    lengths = ", ".join(f"avg(length({quoted(column)}))" for column, *_ in info)
    widths = connection.execute(f"SELECT {lengths} FROM (SELECT * FROM {quoted(name)} LIMIT 1000)").fetchone()
    (rows,) = connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()
    known = {column: width or 0.0 for column, width in zip(columns.values(), widths, strict=True)}
    return Table(name, rows, columns, known, frozenset(rowid))
