"""Compare seeding with `executemany` over ready tuples: rows a second, and their ratio.

The ratio should be at least 1.5. Both write the same rows into the same tables with the same
pragmas; creating the tuples isn't timed.
Run: python benchmarks/seeding.py [--rows N] [--rounds N]
"""

import argparse
import io
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from pathlib import Path
from statistics import median
from typing import Any

from course_lib.lab import events, seeded_rows

BAR = 1.5


def insert(file: Path, users: list[tuple[Any, ...]], rows: list[tuple[Any, ...]]) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.executescript(seeded_rows.SCHEMA)
        database.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", users)
        database.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        database.execute("COMMIT")


def seconds(action: Callable[[Path], object], folder: Path) -> float:
    file = folder / "timed.db"
    with redirect_stdout(io.StringIO()):  # the progress bar
        start = time.perf_counter()
        action(file)
        elapsed = time.perf_counter() - start
    file.unlink()
    return elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare seeding with executemany.")
    parser.add_argument("--rows", type=int, default=events.ROWS)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(sqlite3.connect(events.seed(folder / "ready.db", options.rows))) as database:
            users = database.execute("SELECT * FROM users ORDER BY id").fetchall()
            rows = database.execute("SELECT * FROM events ORDER BY id").fetchall()
        seeding, inserting = [], []
        for _ in range(options.rounds):
            seeding.append(seconds(lambda file: events.seed(file, options.rows), folder))
            inserting.append(seconds(lambda file: insert(file, users, rows), folder))
    for label, times in (("events.seed", seeding), ("executemany", inserting)):
        print(f"{label}: median {median(times):.2f} s, {options.rows / median(times):,.0f} rows/s")
    print(f"ratio of medians: {median(inserting) / median(seeding):.2f} (bar: {BAR})")


if __name__ == "__main__":
    main()
