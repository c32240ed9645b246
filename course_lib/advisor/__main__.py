"""Recommend indexes on the command line.

    python -m course_lib.advisor app.db queries.sql
    python -m course_lib.advisor app.db queries.sql --json > advice.json

The file has SQL statements, each with a semicolon at its end. A comment `-- frequency: 100` before
a statement says how often it runs. `-` reads from standard input. What's printed first can be
pasted into `sqlite3 app.db`.
"""

import argparse
import json
import re
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from course_lib.advisor.advisor import explain_recommendation
from course_lib.advisor.recommendation import Recommendation
from course_lib.advisor.ticker import report_elapsed

BAR = 40  # characters of the progress bar

_FREQUENCY = re.compile(r"--\s*frequency:\s*(\d+(?:\.\d+)?)", re.IGNORECASE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the recommendation, and return the exit code: 1 for an error, with one sentence."""
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.advisor", description="Recommend indexes for an SQLite database."
    )
    parser.add_argument("database", help="path of the database, which is only read")
    parser.add_argument("queries", help="file of SQL statements; - for standard input")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seconds", type=float, default=45.0, help="time it may take (45)")
    parser.add_argument(
        "--writes",
        type=float,
        help="rows inserted into the largest table while the workload runs once",
    )
    options = parser.parse_args(arguments)
    try:
        queries = read_queries(_text(options.queries))
        with _progress(options.seconds):
            advice = explain_recommendation(
                options.database, queries, writes=options.writes, seconds=options.seconds
            )
    except (OSError, ValueError, sqlite3.Error) as error:
        notes = getattr(error, "__notes__", [])
        print(" ".join([f"{error}.", *notes]), file=sys.stderr)
        return 1
    print(json.dumps(advice.as_dict(), indent=2) if options.json else _pasteable(advice))
    return 0


def read_queries(text: str) -> list[tuple[str, float]]:
    """Return the statements of a text and how often each runs: once, without a comment."""
    queries = []
    statement = ""
    for part in re.split("(?<=;)", text):
        statement += part
        if sqlite3.complete_statement(statement):
            queries.append(statement)
            statement = ""
    queries.append(statement)
    pairs = []
    for query in queries:
        sql = _without_comments(query).rstrip("; \n\t")
        if sql:
            frequency = _FREQUENCY.search(query)
            pairs.append((sql, float(frequency[1]) if frequency else 1.0))
    return pairs


def _without_comments(statement: str) -> str:
    """Return a statement without the comments in front of it."""
    return re.sub(r"\A(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", "", statement, flags=re.DOTALL)


def _text(path: str) -> str:
    return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")


def _pasteable(advice: Recommendation) -> str:
    statements = [f"{statement};" for statement in advice.statements]
    # An index is analyzed as `create_indexes` does it, because that was measured.
    analyzed = [f"ANALYZE {name};" for name in advice.index_names]
    lines = statements + analyzed or ["-- no index would make this workload faster"]
    return "\n".join([*lines, "", str(advice)])


@contextmanager
def _progress(seconds: float) -> Iterator[None]:
    """Show on a terminal how much of the time has passed."""

    def draw(elapsed: float) -> None:
        share = min(elapsed / seconds, 1.0)
        bar = ("#" * round(BAR * share)).ljust(BAR, ".")
        print(f"\rmeasuring on a copy [{bar}] {share:4.0%}", end="", file=sys.stderr)

    if not sys.stderr.isatty():
        yield
        return
    try:
        with report_elapsed(draw):
            yield
    finally:
        print("\r" + " " * (BAR + 30) + "\r", end="", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
