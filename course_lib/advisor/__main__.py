"""Recommend indexes on the command line.

    python -m course_lib.advisor app.db queries.sql
    python -m course_lib.advisor app.db queries.sql --json > advice.json

The file has SQL statements, each with a semicolon at its end. A comment `-- frequency: 100` on a
line before a statement says how often it runs. `-` reads from standard input. What's printed can be
pasted into `sqlite3 app.db`, because everything but the statements is a comment.
"""

import argparse
import codecs
import io
import json
import os
import re
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from course_lib.advisor.advisor import explain_recommendation
from course_lib.advisor.recommendation import Recommendation
from course_lib.advisor.ticker import report_elapsed
from course_lib.advisor.workload import MOST

BAR = 40  # characters of the progress bar

INTERRUPTED = 130  # the exit code after Ctrl-C, as of a shell

_COMMENTS = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_FREQUENCY = re.compile(r"--[ \t]*frequency[ \t]*:[ \t]*(\S*)", re.IGNORECASE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the recommendation, and return the exit code.

    It's 1 for an error, with one sentence, 2 for wrong arguments, 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.advisor", description="Recommend indexes for an SQLite database."
    )
    parser.add_argument("database", help="path of the database, which is only read")
    parser.add_argument(
        "queries",
        help="file of SQL statements with semicolons, and comments '-- frequency: 100' before those"
        " that run often; - for standard input",
    )
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
        if not queries:
            raise ValueError(f"no statement in {options.queries!r}: write SQL, with semicolons")
        with _progress(options.seconds):
            advice = explain_recommendation(
                options.database, queries, writes=options.writes, seconds=options.seconds
            )
        _print(json.dumps(advice.as_dict(), indent=2) if options.json else _pasteable(advice))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except (OSError, ValueError, sqlite3.Error) as error:
        notes = getattr(error, "__notes__", [])
        print(" ".join([f"{error}.", *notes]), file=sys.stderr)
        return 1
    return 0


def read_queries(text: str) -> list[tuple[str, float]]:
    """Return the statements of a text and how often each runs: once, without a comment.

    Raises ValueError if a frequency isn't a number above 0, or isn't above its statement.
    """
    pairs: list[tuple[str, float]] = []
    for statement in _statements(text):
        comments = _COMMENTS.match(statement)[0]  # type: ignore[index]  # it matches nothing, too
        sql = statement.removeprefix(comments).rstrip("; \r\n\t")
        frequency = _frequency(comments, is_first=not pairs)
        if sql:
            pairs.append((sql, frequency or 1.0))
        elif frequency:
            raise ValueError("a frequency has no statement after it: write it before its statement")
    return pairs


def _statements(text: str) -> Iterator[str]:
    """Yield each statement, with the comments before it."""
    statement = ""
    for part in re.split("(?<=;)", text):
        statement += part
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    yield statement


def _frequency(comments: str, *, is_first: bool) -> float | None:
    """Return the frequency in the comments before a statement, if there is one."""
    found = _FREQUENCY.search(comments)
    if found is None:
        return None
    if _FREQUENCY.search(comments, found.end()):
        raise ValueError(f"{found[0]!r} and another one are before the same statement: write one")
    if not is_first and "\n" not in comments[: found.start()]:
        raise ValueError(f"{found[0]!r} is behind a statement: write it on a line before it")
    try:
        frequency = float(found[1])
    except ValueError:
        frequency = 0.0
    if not 0 < frequency <= MOST:
        raise ValueError(f"{found[0]!r} isn't a number above 0: write '-- frequency: 100'")
    return frequency


def _text(path: str) -> str:
    """Return the text of a file, or of standard input, in UTF-8 or what Windows calls Unicode."""
    content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path!r} isn't text in UTF-8: save it in this encoding") from error
    if "\0" in text:
        raise ValueError(f"{path!r} has a null character: save it as text in UTF-8")
    return text


def _pasteable(advice: Recommendation) -> str:
    statements = [f"{statement};" for statement in advice.statements]
    # An index is analyzed as `create_indexes` does it, because that was measured.
    lines = statements + [f"ANALYZE {name};" for name in advice.index_names]
    if not lines and (advice.skipped or advice.unverified):
        lines = ["-- nothing is recommended, and not everything was measured: see below"]
    elif not lines and advice.harmful:
        lines = ["-- nothing is recommended: what would help makes a query slower: see below"]
    elif not lines:
        lines = ["-- no index would make this workload faster"]
    return "\n".join([*lines, "", *(f"-- {line}" for line in str(advice).splitlines())])


def _print(text: str) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a query may have any character
    try:
        print(text, flush=True)
    except OSError:
        # What is left would be written at the end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


@contextmanager
def _progress(seconds: float) -> Iterator[None]:
    """Show on a terminal how much of the time has passed."""

    def draw(elapsed: float) -> None:
        share = min(elapsed / seconds, 1.0)
        bar = ("#" * round(BAR * share)).ljust(BAR, ".")
        print(f"\rmeasuring on a copy [{bar}] {share:4.0%}", end="", file=sys.stderr)

    if not (sys.stderr and sys.stderr.isatty()):
        yield
        return
    try:
        with report_elapsed(draw):
            yield
    finally:
        print("\r" + " " * (BAR + 30) + "\r", end="", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
