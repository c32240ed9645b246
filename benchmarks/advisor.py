"""The advisor beside no index and the sqlite3 shell's `.expert`, on whole workloads that it has not been fitted to.

    python benchmarks/advisor.py [shop tickets library ...] [--rounds 3]

The schemas are those of tests/advisor_schemas.py, with half a million rows (SCHEMA_ROWS sets another number). The
advisor sees one set of literals, and is measured on others too. "net" adds the one-row inserts of the schema, a
transaction each in WAL mode. Needs the sqlite3 shell. Run nothing beside it.
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
from pathlib import Path

from course_lib.advisor import recommend_indexes
from course_lib.lab.workload import expert

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from advisor_schemas import SCHEMAS

RUNS = 3
INSERTS = 3_000


def reads(db, workload):
    """Milliseconds of each query, as the mean over its literals of the median run."""
    taken = {}
    with closing(sqlite3.connect(db)) as connection:
        for name, _, sql, literals in workload:
            medians = []
            for values in literals:
                runs = []
                for _ in range(RUNS):
                    start = time.perf_counter()
                    connection.execute(sql.format(**values)).fetchall()
                    runs.append(time.perf_counter() - start)
                medians.append(statistics.median(runs))
            taken[name] = 1e3 * statistics.fmean(medians)
    return taken


def insert(db, statement, row):
    """Milliseconds of an insert."""
    draw = random.Random(5).random
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        rows = [row(draw, number) for number in range(INSERTS)]
        start = time.perf_counter()
        for values in rows:
            connection.execute(statement, values)
        return 1e3 * (time.perf_counter() - start) / INSERTS


def measure(base, statements, workload, write):
    """Reads, an insert and megabytes with a set of indexes."""
    db = base.with_name("measured.db")
    shutil.copy(base, db)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.executescript(";".join(statement.rstrip(";") for statement in statements))
        connection.execute("ANALYZE")
    megabytes = (db.stat().st_size - base.stat().st_size) / 1e6
    measured = reads(db, workload), insert(db, *write[:2]), megabytes
    db.unlink()
    return measured


def compare(name, rounds, folder):
    """One line for each set of indexes."""
    fill, workload, write = SCHEMAS[name]
    base = folder / f"{name}.db"
    with closing(sqlite3.connect(base, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        fill(connection)
        connection.execute("COMMIT")
    queries = [(sql.format(**literals[0]), frequency) for _, frequency, sql, literals in workload]
    start = time.perf_counter()
    sets = {"no index": [], "advisor": recommend_indexes(base, queries)}
    print(f"{name}: {len(queries)} queries, {base.stat().st_size / 1e6:.0f} MB; the advisor took", end=" ")
    print(f"{time.perf_counter() - start:.0f} s")
    sets[".expert"] = expert(base, queries)
    taken = [{each: measure(base, sets[each], workload, write) for each in sets} for _ in range(rounds)]
    totals = {}
    for each in sets:
        per = {query: statistics.median(one[each][0][query] for one in taken) for query, *_ in workload}
        total = sum(frequency * per[query] for query, frequency, *_ in workload)
        net = total + write[2] * statistics.median(one[each][1] for one in taken)
        totals[each] = per, total, net, taken[0][each][2]
    for each, (per, total, net, megabytes) in totals.items():
        slower = [query for query in per if per[query] > 1.3 * totals["no index"][0][query] + 0.02]
        ratios = f"{totals['.expert'][1] / total:6.2f} {totals['.expert'][2] / net:6.2f}"
        print(f"  {each:9} {len(sets[each]):3} indexes {megabytes:6.1f} MB {total:8.0f} ms {net:8.0f} ms net", end="")
        print(f"   times .expert: {ratios}   slower: {', '.join(slower) or 'none'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("schemas", nargs="*", metavar="schema", help=f"{', '.join(SCHEMAS)}; all of them by default")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if unknown := {*arguments.schemas} - SCHEMAS.keys():
        parser.error(f"no such schema: {', '.join(sorted(unknown))}")
    for name in arguments.schemas or SCHEMAS:
        with tempfile.TemporaryDirectory() as folder:
            compare(name, arguments.rounds, Path(folder))


if __name__ == "__main__":
    main()
