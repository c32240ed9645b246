"""Compare the advisor with no index and with the sqlite3 shell's `.expert`, on whole workloads.

    python benchmarks/advisor.py [shop tickets library ...] [--rounds 3]

The schemas are those of tests/advisor_schemas, to which the advisor hasn't been fitted, with
half a million rows (SCHEMA_ROWS sets another number). The advisor sees one set of literals, and is
measured with different ones, too. "net" adds the schema's inserts, in WAL mode, with a transaction
for each row.
Needs the sqlite3 shell. Don't run anything else at the same time.
"""

import argparse
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from course_lib.advisor import recommend_indexes
from course_lib.lab.workload import expert

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from advisor_schemas import SCHEMAS

RUNS = 3
INSERTS = 3_000
# A query is slower if it takes this many times as long, and this many milliseconds longer.
SLOWER, NOISE = 1.3, 0.02


@dataclass
class Measurement:
    """A set of indexes: the milliseconds of each query and of an insert, and the space."""

    reads: dict[str, float]
    insert: float
    megabytes: float


@dataclass
class Total:
    """The medians of several measurements, and the milliseconds of the whole workload."""

    reads: dict[str, float]
    workload: float
    net: float
    megabytes: float


def time_reads(db, workload):
    """Return the milliseconds of each query: the mean over its literals of the median run."""
    milliseconds = {}
    with closing(sqlite3.connect(db)) as connection:
        for name, _, sql, literals in workload:
            medians = [time_query(connection, sql.format(**values)) for values in literals]
            milliseconds[name] = 1e3 * statistics.fmean(medians)
    return milliseconds


def time_query(connection, sql):
    """Return the median seconds of a few runs."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        connection.execute(sql).fetchall()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def time_insert(db, statement, row):
    """Return the milliseconds of an insert."""
    draw = random.Random(5).random
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        rows = [row(draw, number) for number in range(INSERTS)]
        start = time.perf_counter()
        for values in rows:
            connection.execute(statement, values)
        return 1e3 * (time.perf_counter() - start) / INSERTS


def measure(base, statements, workload, write):
    """Measure a set of indexes on a copy of its own."""
    db = base.with_name("measured.db")
    shutil.copy(base, db)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.executescript(";".join(statement.rstrip(";") for statement in statements))
        connection.execute("ANALYZE")
    megabytes = (db.stat().st_size - base.stat().st_size) / 1e6
    insert, row, _ = write
    measurement = Measurement(time_reads(db, workload), time_insert(db, insert, row), megabytes)
    db.unlink()
    return measurement


def total(measurements, workload, inserts):
    """Combine the measurements of a set of indexes."""
    reads = {}
    for name, *_ in workload:
        reads[name] = statistics.median(one.reads[name] for one in measurements)
    milliseconds = sum(frequency * reads[name] for name, frequency, *_ in workload)
    insert = statistics.median(one.insert for one in measurements)
    net = milliseconds + inserts * insert
    return Total(reads, milliseconds, net, measurements[0].megabytes)


def create(base, fill):
    with closing(sqlite3.connect(base, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        fill(connection)
        connection.execute("COMMIT")


def compare(name, rounds, folder):
    """Print one line for each set of indexes."""
    fill, workload, write = SCHEMAS[name]
    base = folder / f"{name}.db"
    create(base, fill)
    queries = []
    for _, frequency, sql, literals in workload:
        queries.append((sql.format(**literals[0]), frequency))
    start = time.perf_counter()
    recommended = recommend_indexes(base, queries)
    seconds = time.perf_counter() - start
    size = base.stat().st_size / 1e6
    print(f"{name}: {len(queries)} queries, {size:.0f} MB; the advisor took {seconds:.0f} s")
    sets = {"no index": [], "advisor": recommended, ".expert": expert(base, queries)}
    measurements = {label: [] for label in sets}
    for _ in range(rounds):
        for label, statements in sets.items():
            measurements[label].append(measure(base, statements, workload, write))
    totals = {label: total(measurements[label], workload, write[2]) for label in sets}
    for label, statements in sets.items():
        print(line(label, len(statements), totals))


def line(label, indexes, totals):
    """Return the line of a set of indexes."""
    result, plain, shell = totals[label], totals["no index"], totals[".expert"]
    slower = []
    for query, milliseconds in result.reads.items():
        if milliseconds > SLOWER * plain.reads[query] + NOISE:
            slower.append(query)
    return (
        f"  {label:9} {indexes:3} indexes {result.megabytes:6.1f} MB"
        f" {result.workload:8.0f} ms {result.net:8.0f} ms net"
        f"   times faster than .expert: {shell.workload / result.workload:6.2f}"
        f" {shell.net / result.net:6.2f} net   slower: {', '.join(slower) or 'none'}"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ", ".join(SCHEMAS)
    parser.add_argument("schemas", nargs="*", metavar="schema", help=f"{names}; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if unknown := {*arguments.schemas} - SCHEMAS.keys():
        parser.error(f"no such schema: {', '.join(sorted(unknown))}")
    if not shutil.which("sqlite3"):
        parser.error(
            "there is no sqlite3 shell: install it, for example by apt-get install sqlite3"
        )
    for name in arguments.schemas or SCHEMAS:
        with tempfile.TemporaryDirectory() as folder:
            compare(name, arguments.rounds, Path(folder))


if __name__ == "__main__":
    main()
