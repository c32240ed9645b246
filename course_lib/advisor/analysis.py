"""The statistics of ANALYZE on a copy: as they were in the original, or refreshed."""

import sqlite3
from contextlib import closing, suppress

from course_lib.advisor.database_copy import DatabaseCopy
from course_lib.optimizer.database import quoted, result_code

TABLES = ("sqlite_stat1", "sqlite_stat4")  # the second only in some builds of SQLite


class Statistics:
    """The statistics, to be refreshed before an index is tried, and restored if that's no use."""

    def __init__(self, copy: DatabaseCopy) -> None:
        self.copy = copy
        self._original = self._rows()

    def refresh(self) -> tuple[str, ...]:
        """Run ANALYZE, and return its statements: several if some tables can't be read.

        Raises OutOfTime at the copy's deadline, and leaves the statistics unchanged then.
        """
        with closing(self.copy.change()) as connection, self.copy.bounded(connection):
            try:
                connection.execute("ANALYZE")
            except sqlite3.OperationalError as error:
                if result_code(error) != sqlite3.SQLITE_ERROR:
                    raise
            else:
                return ("ANALYZE",)
            return self._refresh_tables(connection)

    def _refresh_tables(self, connection: sqlite3.Connection) -> tuple[str, ...]:
        statements = []
        for table in self.copy.tables.values():
            statement = f"ANALYZE {quoted(table.name)}"
            with suppress(sqlite3.OperationalError):  # a collation that's missing, say
                connection.execute(statement)
                statements.append(statement)
        return tuple(statements)

    def restore(self) -> None:
        """Put the statistics of the original back."""
        with closing(self.copy.change()) as connection:
            connection.execute("BEGIN")
            for name, rows in self._original.items():
                connection.execute(f"DELETE FROM {name}")
                for row in rows:
                    places = ", ".join("?" * len(row))
                    connection.execute(f"INSERT INTO {name} VALUES ({places})", row)
            connection.execute("COMMIT")

    def _rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Return the rows of the tables with statistics."""
        rows = {}
        with closing(self.copy.connect()) as connection:
            for name in TABLES:
                with suppress(sqlite3.OperationalError):
                    rows[name] = connection.execute(f"SELECT * FROM {name}").fetchall()
        return rows
