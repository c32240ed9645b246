"""Create indexes, read query plans, vacuum, and list what tables and indexes cost, in SQLite.

    create_indexes("app.db")
    print(analyze_query_performance("app.db", "SELECT * FROM events WHERE user_id = 123"))

Each function takes a path, and opens and closes a connection of its own, or an open
`sqlite3.Connection`. A path without a database raises FileNotFoundError and never creates a file.
If SQLite's error is clear (`sqlite3.OperationalError: database is locked`), it's raised unchanged,
with a note on what to do.

Read `indexes.py` first. `explain.py` asks SQLite for a plan, `plan.py` reads it, and `extremes.py`
recognizes a `max` or `min` that costs nothing. `vacuum.py` and `tables.py` have a function each.
All of them connect with `database.py`.
"""

from course_lib.optimizer.database import Database
from course_lib.optimizer.explain import analyze_query_performance
from course_lib.optimizer.indexes import EVENTS_INDEXES, create_indexes
from course_lib.optimizer.plan import Plan, Step
from course_lib.optimizer.tables import get_table_stats
from course_lib.optimizer.vacuum import VacuumError, vacuum_database

__all__ = [
    "EVENTS_INDEXES",
    "Database",
    "Plan",
    "Step",
    "VacuumError",
    "analyze_query_performance",
    "create_indexes",
    "get_table_stats",
    "vacuum_database",
]
