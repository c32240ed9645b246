"""Measure two or more ways of doing the same thing in one interleaved run.

A laptop's clock rate drifts by more than many of the effects we measure. So each round calls every
variant once, in an order that changes: if the machine slows down, all variants slow down.

    warm-up      every variant once, not measured
       |
       v
    one round  <------------------------------+   every variant once, in the next order
       |                                      |
    `rounds` or `seconds` reached? ---- no ---+
       | yes                                  |
    ratios clear of `bounds`? --------- no ---+   until 3 times `seconds` have passed
       | yes
       v
    Comparison   ratios, a table and a plot (comparison.py)
"""

import itertools
import math
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from course_lib.lab import claims, events, session, show
from course_lib.lab.comparison import Comparison, Ratio
from course_lib.lab.percentiles import (
    FEWEST_SAMPLES,
    percentile,
    percentiles,
    shown_percentiles,
)

__all__ = [
    "FEWEST_SAMPLES",
    "Comparison",
    "Ratio",
    "compare",
    "insert",
    "percentile",
    "percentiles",
    "query",
    "shown_percentiles",
]

LEAST_ROUNDS = 3
EXTENSION = 3  # a comparison with bounds may take this many times its `seconds`
SHORT = 0.25  # a comparison takes this share of its `seconds` while a test runs the lesson
# Resampling takes longer than many a round, so it waits until there are 10% more of them.
MORE_ROUNDS = 1.1

COLUMNS = "user_id, type, status, duration_ms, title, starts_at, created_at, payload"

Database = events.Copy | str | os.PathLike[str]


def compare(
    variants: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 100,
    seconds: float = 1.0,
    bounds: Sequence[float] = (),
    claim: str | None = None,
) -> Comparison:
    """Call every variant once a round, until `rounds` rounds are done or `seconds` have passed.

    First, each variant is called once without being measured, so that no file is read cold. There
    are at least three rounds, however long they take. With `bounds`, rounds are added for up to
    three times `seconds` while the interval of a ratio to the first variant contains a bound, or
    while there are too few rounds for an interval. `claim` names a claim of the lesson, whose
    bounds are then used if it's judged. If a test runs the lesson, a quarter of `seconds` is
    enough.

    Raises ValueError if there are fewer than two variants or one isn't a function, and RuntimeError
    if a variant returns an HTTP response that is an error, because a fast failure isn't fast.
    """
    if len(variants) < 2 or not all(map(callable, variants.values())):
        raise ValueError(
            "compare needs two or more variants; pass a dict with a name for each"
            " and a function to call without arguments"
        )
    if claim:
        claimed = claims.find(claim)
        bounds = claimed.bounds if claimed.is_judged else ()
    for name, run in variants.items():
        _time(name, run)  # the warm-up
    longest = EXTENSION * seconds
    if session.is_short():
        seconds *= SHORT
    samples = _samples(variants, rounds, seconds, longest, bounds)
    return Comparison({name: tuple(times) for name, times in samples.items()})


def query(
    db: Database, sql: str, parameters: Sequence[object] = ()
) -> Callable[[], list[tuple[object, ...]]]:
    """Return a function for `compare` that runs a query and fetches all its rows.

    It has its own connection, which stays open.
    """
    connection = _connect(db)
    return lambda: connection.execute(sql, parameters).fetchall()


def insert(
    db: events.Copy, rows: int = 5_000, *, one_transaction_each: bool = False
) -> Callable[[], None]:
    """Return a function for `compare` that inserts `rows` more events.

    They are in one transaction, or with `one_transaction_each` in one per event. Their values are
    copied from events spread over the whole seeded table, so each index is written in many places.
    """
    step = max(events.rows() // rows, 1)
    spread_out = f"SELECT {COLUMNS} FROM events WHERE id % ? = 0 LIMIT ?"
    copied = query(events.path(), spread_out, (step, rows))()
    statement = f"INSERT INTO events({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    connection = db.connect()

    def write_each() -> None:
        for event in copied:
            connection.execute(statement, event)

    def write_all() -> None:
        with connection:  # commits, or rolls back if the learner presses Stop
            connection.execute("BEGIN")
            connection.executemany(statement, copied)

    return write_each if one_transaction_each else write_all


def _samples(
    variants: Mapping[str, Callable[[], object]],
    rounds: int,
    seconds: float,
    longest: float,
    bounds: Sequence[float],
) -> dict[str, list[float]]:
    """Return the seconds of each call, by variant and round; `longest` is for undecided ratios."""
    samples: dict[str, list[float]] = {name: [] for name in variants}
    orders = itertools.cycle(itertools.permutations(variants))
    rounds_when_judged = 0
    start = time.perf_counter()
    with tqdm(total=100, desc="measuring", **show.BAR) as bar:
        for done in itertools.count(1):
            for name in next(orders):
                samples[name].append(_time(name, variants[name]))
            elapsed = time.perf_counter() - start
            progress = max(done / rounds, elapsed / seconds)
            bar.update(min(100 * progress, 100) - bar.n)

            if done < LEAST_ROUNDS or progress < 1:
                continue
            if elapsed > longest or not bounds:
                break
            if done < MORE_ROUNDS * rounds_when_judged:
                continue
            if not _is_undecided(samples, bounds):
                break
            rounds_when_judged = done
    return samples


def _time(name: str, run: Callable[[], object]) -> float:
    """Return the seconds that one call takes. Raises RuntimeError if it returns an HTTP error."""
    start = time.perf_counter_ns()
    result = run()
    nanoseconds = time.perf_counter_ns() - start
    if getattr(result, "is_error", False):  # an httpx.Response with status 400 or more
        raise RuntimeError(
            f"{name!r} returned {result}, and failing calls can't be compared;"
            " fix the request, then measure again"
        )
    return nanoseconds / 1e9


def _is_undecided(samples: Mapping[str, Sequence[float]], bounds: Sequence[float]) -> bool:
    """Return whether a ratio to the first variant could be on either side of one of the bounds."""
    comparison = Comparison(samples)
    first, *others = samples
    for other in others:
        ratio = comparison.ratio(other, first)
        if math.isnan(ratio.low) or any(ratio.low < bound < ratio.high for bound in bounds):
            return True
    return False


def _connect(db: Database) -> sqlite3.Connection:
    """Open a connection to a database; the connection to a copy closes with the copy.

    Never creates a file: raises sqlite3.OperationalError if it doesn't exist.
    """
    if isinstance(db, events.Copy):
        return db.connect()
    return sqlite3.connect(Path(db).resolve().as_uri() + "?mode=rw", uri=True)
