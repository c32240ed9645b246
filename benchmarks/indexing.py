"""Measure what lesson 2 claims, in longer runs than the lesson's.

    python benchmarks/indexing.py

Each ratio is of medians, in one interleaved run; its interval comes from resampling the rounds.
Don't run anything else at the same time.
"""

from course_lib.exercises import indexing
from course_lib.exercises.index_exercise import NEWEST_OF_USER, ONE_USER, TIME_SPENT
from course_lib.lab import bench, events

ROUNDS = 100
SECONDS = 600.0  # long enough that a run ends after its rounds

FIRST_INDEX = indexing.first_index.solution_answer
COMPOSITE = indexing.composite.solution_answer
COLUMNS = ["user_id", "type", "status", "duration_ms", "title", "created_at"]


def compare(variants):
    return bench.compare(variants, rounds=ROUNDS, seconds=SECONDS)


def against_no_index(query, index, *values, rows=None):
    """Time a query without an index ("scan") and with it ("index")."""
    with events.copy(rows=rows) as plain, events.copy(index, rows=rows) as indexed:
        scan = bench.query(plain, query, values)
        search = bench.query(indexed, query, values)
        return compare({"scan": scan, "index": search})


def measure_first_index():
    user = events.median_user(events.path())
    result = against_no_index(ONE_USER, FIRST_INDEX, user)
    print(f"a median user's rows, faster with an index       {result.ratio()}   (bar: 100)")


def measure_composite_index():
    user = events.hottest_user(events.path())
    one_column = events.copy(FIRST_INDEX)
    two_columns = events.copy(COMPOSITE)
    with one_column as one, two_columns as two:
        first = bench.query(one, NEWEST_OF_USER, [user])
        second = bench.query(two, NEWEST_OF_USER, [user])
        result = compare({"one": first, "two": second})
    print("the hottest user's newest twenty, (user_id) to (user_id, created_at)", end="   ")
    print(f"{result.ratio()}   (bar: 10)")


def measure_harmful_index():
    grouped = against_no_index(TIME_SPENT, FIRST_INDEX, rows=200_000)
    slower = grouped.ratio(of="scan", over="index")
    print("time spent by user, slower with an index on user_id", end="   ")
    print(f"{slower}   (bar: more than 1; the lesson claims 1.5)")


def measure_inserts():
    six = [f"CREATE INDEX i_{column} ON events({column})" for column in COLUMNS]
    with events.copy(*six) as indexed, events.copy() as plain:
        result = compare({"six": bench.insert(indexed), "none": bench.insert(plain)})
    print(f"bulk inserts, slower with six indexes   {result.ratio()}   (bar: 2)")


def main():
    measure_first_index()
    measure_composite_index()
    measure_harmful_index()
    measure_inserts()


if __name__ == "__main__":
    main()
