"""The lookups in child tables that a DELETE or UPDATE of a parent makes.

With foreign keys enforced, SQLite looks for the children of every row that goes. No query plan
shows it, so each lookup is planned as a query of its own.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from course_lib.advisor.database_copy import DatabaseCopy
from course_lib.advisor.reading import Reading
from course_lib.advisor.schema import Index, Table, quoted_if_needed


@dataclass(frozen=True)
class Lookup:
    """A lookup of a row's children: as a query, and the index that serves it."""

    sql: str
    index: Index


def child_lookups(copy: DatabaseCopy, reading: Reading) -> list[Lookup]:
    """Return the lookups in the tables that refer to the one that a statement changes.

    If a DELETE cascades to a child, its own children are looked up too.
    """
    if reading.changed is None:
        return []
    parents = [reading.changed.name.lower()]
    lookups = []
    with closing(copy.connect()) as connection:
        for parent in parents:  # grows while it's read
            for name, table in copy.tables.items():
                keys = connection.execute(
                    'SELECT id, "from", on_delete FROM pragma_foreign_key_list(?)'
                    ' WHERE "table" = ? COLLATE NOCASE ORDER BY id, seq',
                    [table.name, copy.tables[parent].name],
                ).fetchall()
                for number in dict.fromkeys(number for number, *_ in keys):
                    columns = [quoted_if_needed(column) for key, column, _ in keys if key == number]
                    lookups.append(_lookup(table, columns))
                cascades = any(on_delete == "CASCADE" for *_, on_delete in keys)
                if reading.deletes and cascades and name not in parents:
                    parents.append(name)
    return lookups


def _lookup(table: Table, columns: Sequence[str]) -> Lookup:
    where = " AND ".join(f"{column} = ?" for column in columns)
    sql = f"SELECT 1 FROM {quoted_if_needed(table.name)} WHERE {where}"
    return Lookup(sql, Index(table.name.lower(), tuple(columns)))


def needed_by_foreign_keys(copy: DatabaseCopy) -> set[str]:
    """Return the names of the indexes that begin with a column that refers to another table."""
    names = set[str]()
    with closing(copy.connect()) as connection:
        for table in copy.tables.values():
            rows = connection.execute(
                "SELECT indexes.name FROM pragma_index_list(?) AS indexes,"
                " pragma_index_info(indexes.name) AS key, pragma_foreign_key_list(?) AS reference"
                ' WHERE key.seqno = 0 AND lower(key.name) = lower(reference."from")',
                [table.name, table.name],
            )
            names |= {name for (name,) in rows}
    return names
