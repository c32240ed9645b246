"""Create indexes, read query plans, vacuum, and list what tables and indexes cost, in SQLite.

    create_indexes("app.db")
    print(analyze_query_performance("app.db", "SELECT * FROM events WHERE user_id = 123"))

Read `optimizer.py` first.
"""

from course_lib.optimizer.optimizer import (
    EVENTS_INDEXES,
    Database,
    Plan,
    Step,
    VacuumError,
    analyze_query_performance,
    create_indexes,
    get_table_stats,
    vacuum_database,
)

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
