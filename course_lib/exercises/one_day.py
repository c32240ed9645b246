"""A day with events at its edges, and what the rows of a query for it say about its bounds.

The exercise `sargable` asks for a query that returns the events of one day.
"""

import sqlite3
from typing import Any

from course_lib.exercises.judging import first_made

DAY, DAY_NUMBER = "2024-01-10", 19_732  # the number in days since 1970-01-01
# Events at the edges of that day, by ID, and their seconds after its midnight.
BEFORE, FIRST_MIDNIGHT, LAST_SECOND, NEXT_MIDNIGHT = 5_001, 5_002, 5_003, 5_004
EDGES = {BEFORE: -1, FIRST_MIDNIGHT: 0, LAST_SECOND: 86_399, NEXT_MIDNIGHT: 86_400}
BUSY_DAY = """
INSERT INTO events SELECT NULL, user_id, type, status, duration_ms, title, starts_at,
    1704067207 + id % 86000, payload FROM events WHERE id <= 1500
"""  # 1,500 more events on 2024-01-01

Row = tuple[int, str]
"""An event's ID and its title."""


def add_edges(database: sqlite3.Connection) -> None:
    """Insert events at the edges of the day."""
    for number, second in EDGES.items():
        timestamp = DAY_NUMBER * 86_400 + second
        row = (number, 1, "edge", 200, 1, f"edge {number}", timestamp, timestamp, "{}")
        database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def mistake_in(rows: set[Row], right_rows: set[Row], parameters: Any) -> str:
    """Return the misconception that explains the rows of the day; `parameters` are the query's."""
    if not rows:
        values = parameters.values() if isinstance(parameters, dict) else parameters
        are_numbers = values and all(isinstance(value, int | float) for value in values)
        return "empty_range" if are_numbers else "text_and_number"
    missing = {number for number, _ in right_rows - rows}
    extra = {number for number, _ in rows - right_rows}
    if len(extra) > 1 and not missing:
        first = min(number for number, _ in right_rows)
        return "no_end" if min(extra) > first else "no_start"
    are_edges = missing | extra <= {FIRST_MIDNIGHT, LAST_SECOND, NEXT_MIDNIGHT}
    mistakes = {
        "one_second": [number for number, _ in rows] == [FIRST_MIDNIGHT],
        "first_midnight": are_edges and FIRST_MIDNIGHT in missing,
        "last_second": are_edges and LAST_SECOND in missing,
        "next_midnight": are_edges and NEXT_MIDNIGHT in extra,
    }
    return first_made(mistakes) or "other_rows"
