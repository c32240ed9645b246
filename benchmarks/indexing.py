"""What lesson 2 claims, in longer runs than the lesson's own; also draws the README's picture.

    python benchmarks/indexing.py [--picture docs/first_index.png]

Each ratio is of medians, in one interleaved run; the interval resamples its rounds. Run nothing beside it.
"""

import argparse
from pathlib import Path

from course_lib.exercises import indexing as ex
from course_lib.exercises.index_exercise import NEWEST_OF_USER, ONE_USER, TIME_SPENT
from course_lib.lab import bench, events

ROUNDS = 100
SECONDS = 600.0  # the rounds end a run, not the clock


def against_no_index(query, index, *values, rows=None):
    """How many times faster the query is with the index than without any."""
    with events.copy(rows=rows) as plain, events.copy(index, rows=rows) as indexed:
        variants = {"scan": bench.query(plain, query, values), "index": bench.query(indexed, query, values)}
        return bench.compare(variants, rounds=ROUNDS, seconds=SECONDS)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path)
    picture = parser.parse_args().picture
    table = events.path()
    median, hottest = events.median_user(table), events.hottest_user(table)

    first = against_no_index(ONE_USER, ex.first_index.solution_answer, median)
    print(f"a median user's rows, faster with an index       {first.ratio()}   (bar: 100)")
    if picture:
        picture.write_bytes(first.plot("One user's events, of a million: by a scan, and by an index").png())

    with events.copy(ex.first_index.solution_answer) as one, events.copy(ex.composite.solution_answer) as two:
        variants = {name: bench.query(db, NEWEST_OF_USER, [hottest]) for name, db in (("one", one), ("two", two))}
        newest = bench.compare(variants, rounds=ROUNDS, seconds=SECONDS)
    print(f"the hottest user's newest twenty, (user_id) to (user_id, created_at)   {newest.ratio()}   (bar: 10)")

    grouped = against_no_index(TIME_SPENT, ex.first_index.solution_answer, rows=200_000)
    slower = grouped.ratio(of="scan", over="index")
    print(f"time spent by user, slower with an index on user_id   {slower}   (bar: more than 1; the lesson claims 1.5)")

    columns = ["user_id", "type", "status", "duration_ms", "title", "created_at"]
    six = [f"CREATE INDEX i_{column} ON events({column})" for column in columns]
    with events.copy(*six) as much, events.copy() as none:
        variants = {"six": bench.insert(much), "none": bench.insert(none)}
        inserts = bench.compare(variants, rounds=ROUNDS, seconds=SECONDS)
    print(f"bulk inserts, slower with six indexes   {inserts.ratio()}   (bar: 2)")


if __name__ == "__main__":
    main()
