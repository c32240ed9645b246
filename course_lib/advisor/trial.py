"""Try indexes on a copy of a database: build each once, then show it to the planner or hide it.

                build                hide
    candidate ---------> shown <-------------> hidden
        |                        show
        +--> None: it exists already, SQLite rejects it, or the disk is full

Hiding an index deletes its rows from the schema and from the statistics; showing it puts them back.
Its pages stay, so any set of indexes can be tried within milliseconds. SQLite's manual warns
against this (https://www.sqlite.org/pragma.html#pragma_writable_schema), but on a copy that's
thrown away it does no harm.
"""

import re
import shutil
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Self, TypeAlias

from course_lib.advisor.database_copy import FREE_SPACE, DatabaseCopy, columns_of
from course_lib.advisor.schema import Index, Indexes
from course_lib.optimizer import Database
from course_lib.optimizer.database import result_code

LONGEST_NAME = 60  # of a recommended index, before a number is added

SchemaRow: TypeAlias = tuple[Any, ...]  # an index's row of sqlite_master, and its statistics

# A journal is needed, because an interruption must leave the file intact. It fits into memory,
# because nearly all changed pages are new.
FAST_CHANGES = "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;"


class Trial:
    """The indexes on a copy, while a `with Trial.of(...)` block lasts.

    `built` has an index's row of the schema, or None if it can't be built; `bytes` its size.
    """

    def __init__(self, copy: DatabaseCopy) -> None:
        self.copy = copy
        self.built: dict[Index, SchemaRow | None] = {}
        self.by_name: dict[str, Index] = {}
        self.bytes: dict[Index, int] = {}
        self.shown: Indexes = frozenset()

    @classmethod
    @contextmanager
    def of(cls, db: Database, deadline: float) -> Iterator[Self]:
        """Copy the main database; raises what `DatabaseCopy.of` raises."""
        with DatabaseCopy.of(db, deadline) as copy:
            yield cls(copy)

    def build(self, index: Index) -> bool:
        """Create, analyze and show an index.

        Returns False if it exists, SQLite rejects it, or the disk is nearly full.
        """
        if index not in self.built:
            self.built[index] = self._build(index)
        return self.built[index] is not None

    def _build(self, index: Index) -> SchemaRow | None:
        exists = columns_of(index.statement("new")) in self.copy.indexes.values()
        folder = self.copy.path.parent
        if exists:
            return None
        if shutil.disk_usage(folder).free < self.copy.bytes:
            _warn_of_full_disk()
            return None
        name = self.copy.free_name(f"candidate_{len(self.by_name)}")
        # Recorded first: if time runs out half-way, `show` hides what is there.
        self.by_name[name] = index
        self.shown |= {index}
        with closing(self.copy.change()) as connection, self.copy.bounded(connection):
            connection.executescript(FAST_CHANGES)
            bytes_before = _used_bytes(connection)
            try:
                connection.execute(self.statement_as(name, index))
                connection.execute(f"ANALYZE {name}")
            except sqlite3.Error as error:
                code = result_code(error)
                if code == sqlite3.SQLITE_FULL:
                    _warn_of_full_disk()
                elif code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
                    raise
                return None
            self.bytes[index] = _used_bytes(connection) - bytes_before
            row = connection.execute(
                "SELECT m.*, stat FROM sqlite_master m LEFT JOIN sqlite_stat1 ON idx = name"
                " WHERE name = ?",
                [name],
            ).fetchone()
            return tuple(row)

    def show(self, indexes: Indexes) -> None:
        """Let the planner see these of the built indexes and no others."""
        if indexes == self.shown:
            return
        with closing(self.copy.change()) as connection:
            connection.executescript(f"{FAST_CHANGES} PRAGMA writable_schema = ON; BEGIN")
            hidden = [[name] for name, index in self.by_name.items() if index in self.shown]
            connection.executemany("DELETE FROM sqlite_master WHERE name = ?", hidden)
            # SQLite would take the statistics of a missing index for the table's own.
            connection.executemany("DELETE FROM sqlite_stat1 WHERE idx = ?", hidden)
            # Their order decides when two plans cost the same.
            rows = [row for index in self.in_order(indexes) if (row := self.built[index])]
            schema = [row[:5] for row in rows]
            connection.executemany("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", schema)
            statistics = [(table, name, stat) for _, name, table, _, _, stat in rows if stat]
            connection.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", statistics)
            connection.execute("COMMIT")
        self.shown = indexes

    def in_order(self, indexes: Indexes) -> list[Index]:
        """Return indexes in the order in which they were built.

        The order of a set changes from process to process, and the advice must not.
        """
        return [index for index in self.built if index in indexes]

    def statement(self, index: Index) -> str:
        """Return the statement that creates an index, under a free name that lists its keys."""
        parts = [index.table, *index.keys]
        if index.where:
            parts += ["where", index.where]
        words = re.findall(r"\w+", " ".join(parts).lower())
        name = "_".join(["idx", *words])[:LONGEST_NAME]
        return self.statement_as(self.copy.free_name(name), index)

    def statement_as(self, name: str, index: Index) -> str:
        """Return the statement that creates an index under this name."""
        return index.statement(name, self.copy.tables[index.table].name)


def _warn_of_full_disk() -> None:
    warnings.warn(
        f"the disk is nearly full, so not every index was tried: {FREE_SPACE}", stacklevel=2
    )


def _used_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes in use: an index may fill free pages of the file."""
    (used,) = connection.execute(
        "SELECT (page_count - freelist_count) * page_size"
        " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    ).fetchone()
    return int(used)
