"""Measure two or more ways of doing one thing in one interleaved run, and state the result as a claim.

Interleaved, because a laptop's clock rate drifts by more than many effects: each round runs every variant once, in an
order that changes, so all of them meet the same machine. Percentiles are nearest-rank, ratios are of medians, and a
ratio's interval comes from resampling the rounds (the percentile bootstrap: Efron, Tibshirani 1993, chapter 13).
"""

import itertools
import math
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from course_lib.lab import events, plots, session, show

# A percentile needs samples beyond it: P90 of nine, or P99 of ninety-nine, would be the largest by another name.
FEWEST_SAMPLES = {50: 1, 90: 10, 99: 100}
RESAMPLES = 1_000
LEAST_ROUNDS = 3
SHORT = 0.25  # in a test of a lesson, a comparison takes this share of its time
ABOUT_THE_SAME = 1.1  # a ratio closer to 1 is no news
FEWEST_ROUNDS_FOR_AN_INTERVAL = (
    6  # with fewer, what calls itself a 95% interval holds the truth less often
)


def percentile(samples: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest sample that at least `percent` % of the samples do not exceed."""
    if not len(samples):
        raise ValueError("a percentile needs at least one sample")
    return sorted(samples)[_rank(len(samples), percent)]


def percentiles(
    samples: Sequence[float], fewest: Mapping[int, int] = FEWEST_SAMPLES
) -> dict[str, str]:
    """P50, P90 and P99 of seconds as a table shows them, each a dash where there are fewer samples than it needs."""
    return shown_percentiles(len(samples), lambda percent: percentile(samples, percent), fewest)


def shown_percentiles(
    count: int, find: Callable[[int], float], fewest: Mapping[int, int] = FEWEST_SAMPLES
) -> dict[str, str]:
    """The same of `count` samples that are kept otherwise than in a list: `find(90)` gives their P90, in seconds."""
    return {
        f"P{percent}": show.duration(find(percent)) if count >= least else "-"
        for percent, least in fewest.items()
    }


def _rank(count: int, percent: float) -> int:
    """Where the nearest-rank percentile stands among `count` sorted samples, from 0."""
    rank = math.ceil(
        round(percent * count / 100, 9)
    )  # 28% of 25 is 7, which floats would make a little more
    return max(rank - 1, 0)


def _resampled_medians(samples: np.ndarray) -> np.ndarray:
    rank = _rank(len(samples), 50)
    medians: np.ndarray = np.partition(samples[_rounds(len(samples))], rank, axis=1)[:, rank]
    return medians


@lru_cache(maxsize=2)  # one for each side of a ratio
def _rounds(count: int) -> np.ndarray:
    """Which of so many rounds each resample takes, by a fixed seed: the same samples always give the same interval."""
    return np.random.default_rng(1).integers(count, size=(RESAMPLES, count))


@dataclass(frozen=True)
class Ratio:
    """How many times faster, with the bounds of its 95% interval: nan where the rounds are too few for one."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low):
            return show.number(self.value)
        return f"{show.number(self.value)} ({show.number(self.low)} to {show.number(self.high)})"


@dataclass(frozen=True)
class Comparison:
    """What `compare` measured: a tuple of seconds for each variant, one sample a round."""

    samples: Mapping[str, Sequence[float]]

    def median(self, variant: str) -> float:
        """A variant's median, in seconds."""
        return percentile(self.samples[self._known(variant)], 50)

    def ratio(self, of: str | None = None, over: str | None = None) -> Ratio:
        """How many times faster `of` (else the last variant) is than `over` (else the first), by medians."""
        slow = np.asarray(self.samples[self._known(over, 0)])
        fast = np.asarray(self.samples[self._known(of, -1)])
        ratio = percentile(list(slow), 50) / percentile(list(fast), 50)
        if min(len(slow), len(fast)) < FEWEST_ROUNDS_FOR_AN_INTERVAL:
            return Ratio(ratio, math.nan, math.nan)
        resampled = [_resampled_medians(side) for side in (slow, fast)]
        low, high = (
            percentile(list(resampled[0] / resampled[1]), percent) for percent in (2.5, 97.5)
        )
        return Ratio(ratio, float(low), float(high))

    def table(self) -> pd.DataFrame:
        """Median, P90 and P99 of each variant, and how many times faster than the first it is.

        A percentile that the number of rounds cannot carry is a dash.
        """
        first = next(iter(self.samples))
        rows = {
            name: {
                **{
                    "median" if name == "P50" else name: text
                    for name, text in percentiles(taken).items()
                },
                "rounds": len(taken),
                "times faster": "1" if name == first else str(self.ratio(name)),
            }
            for name, taken in self.samples.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def plot(self, title: str | None = None, axis: str = "time of one call") -> plots.Picture:
        """Every sample of every variant on one time axis, the medians marked; what it shows is its title."""
        medians = {name: self.median(name) for name in self.samples}
        return plots.times(self.samples, medians, title or self._said(), axis)

    def claim(
        self,
        text: str,
        *,
        ratio: float,
        of: str | None = None,
        over: str | None = None,
        any_rows: bool = False,
    ) -> None:
        """Print in one line, the same on every run that holds it, whether `of` is `ratio` times faster than `over`.

        On a table of another size than the lesson's own it is judged only with `any_rows`.
        """
        measured = self.ratio(of, over)
        cause = "other work on this machine, or another version of SQLite"
        claim(
            text,
            measured.value >= ratio,
            f"measured {measured}; likely cause: {cause}",
            any_rows=any_rows,
        )

    def _said(self) -> str:
        last, ratio = list(self.samples)[-1], self.ratio().value
        if 1 / ABOUT_THE_SAME < ratio < ABOUT_THE_SAME:
            return f"{last}: about as fast"
        faster, times = ("faster", ratio) if ratio >= 1 else ("slower", 1 / ratio)
        return f"{last}: {show.number(times)} times {faster}"

    def _known(self, variant: str | None, otherwise: int = 0) -> str:
        names = list(self.samples)
        if variant is None:
            return names[otherwise]
        if variant not in names:
            raise ValueError(
                f"no variant {variant!r} was measured; there are {', '.join(map(repr, names))}"
            )
        return variant


def compare(
    variants: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 100,
    seconds: float = 1.0,
    bounds: Sequence[float] = (),
) -> Comparison:
    """Run every variant once a round, for `rounds` rounds or until `seconds` have passed, whichever is first.

    Each variant is run once beforehand, unmeasured, so that no file is read cold, and three rounds are run however long
    they take. While the interval of a ratio to the first variant has one of `bounds` inside it, or there are too few
    rounds for an interval, more are run, to three times `seconds`. RuntimeError where a variant gives an HTTP response
    that says error: to fail is no way of being fast. When a test runs the lesson, a quarter of `seconds` is enough.
    """
    if len(variants) < 2 or not all(map(callable, variants.values())):
        raise ValueError(
            "compare needs two variants or more, each a name and a function to call without arguments"
        )
    for name, run in variants.items():
        _refuse_error(name, run())
    taken: dict[str, list[float]] = {name: [] for name in variants}
    orders = itertools.cycle(itertools.permutations(variants))
    begun, looked, longest = time.perf_counter(), 0, 3 * seconds
    seconds *= SHORT if session.is_short() else 1
    with tqdm(total=100, desc="measuring", **show.BAR) as bar:
        while True:
            for name in next(orders):
                start = time.perf_counter_ns()
                result = variants[name]()
                taken[name].append((time.perf_counter_ns() - start) / 1e9)
                _refuse_error(name, result)
            done, spent = len(taken[name]), time.perf_counter() - begun
            bar.update(min(100 * max(done / rounds, spent / seconds), 100) - bar.n)
            if done < LEAST_ROUNDS or (done < rounds and spent < seconds):
                continue
            if bounds and spent < longest and done < 1.1 * looked:
                continue  # resampling takes longer than many a round
            looked = done
            if spent > longest or not _undecided(taken, bounds):
                return Comparison({name: tuple(each) for name, each in taken.items()})


def _refuse_error(name: str, result: object) -> None:
    if getattr(result, "is_error", False):  # an httpx.Response of 400 and more
        raise RuntimeError(f"{name!r} was answered with {result}: what fails cannot be compared")


def query(
    db: events.Copy | str | os.PathLike[str], sql: str, parameters: Sequence[object] = ()
) -> Callable[[], list[tuple[object, ...]]]:
    """A function for `compare` that runs a query to its last row, on a connection of its own that stays open."""
    connection = _connected(db)
    return lambda: connection.execute(sql, parameters).fetchall()


def insert(
    db: events.Copy, rows: int = 5_000, *, one_transaction_each: bool = False
) -> Callable[[], None]:
    """A function for `compare` that inserts `rows` more events, in one transaction or each in its own.

    Their values are those of events spread over the whole seeded table, so that each index is written in many places.
    """
    columns = "user_id, type, status, duration_ms, title, starts_at, created_at, payload"
    every = max(events.rows() // rows, 1)
    spread = query(
        events.path(), f"SELECT {columns} FROM events WHERE id % ? = 0 LIMIT ?", (every, rows)
    )()
    statement = f"INSERT INTO events({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    connection = db.connect()

    def write() -> None:
        if one_transaction_each:
            for event in spread:
                connection.execute(statement, event)
        else:
            with connection:  # commits, or rolls back where the Stop button strikes
                connection.execute("BEGIN")
                connection.executemany(statement, spread)

    return write


def _connected(db: events.Copy | str | os.PathLike[str]) -> sqlite3.Connection:
    """The copy's own connection, which ends with it; for another file one that never makes it."""
    if isinstance(db, events.Copy):
        return db.connect()
    return sqlite3.connect(Path(db).resolve().as_uri() + "?mode=rw", uri=True)


def _undecided(taken: Mapping[str, Sequence[float]], bounds: Sequence[float]) -> bool:
    if not bounds:
        return False
    first, *others = taken
    ratios = [Comparison(taken).ratio(other, first) for other in others]
    return any(
        math.isnan(ratio.low) or ratio.low < bound < ratio.high
        for ratio in ratios
        for bound in bounds
    )


def claim(text: str, holds: bool, why: str, *, any_rows: bool = False) -> None:
    """Print a claim as one line: held, or not held and why. It never raises: the lesson goes on.

    A claim that holds for the lesson's own number of rows only is not judged at another; `any_rows` says it is.
    """
    if not any_rows and events.rows() != events.ROWS:
        print(f"not judged at {events.rows():,} rows: {text}")
        return
    print(f"held: {text}" if holds else f"NOT HELD: {text} ({why})")
