"""A contest of index sets on one workload: the learner's, the sqlite3 shell's `.expert`, the advisor's."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tqdm import tqdm

from course_lib import advisor
from course_lib.lab import bench, events, plots, show

Workload = Sequence[tuple[str, float]]  # queries, and how often each is run

RUNS = 3
EXPERT_SECONDS = 20


@dataclass(frozen=True)
class Result:
    """What a set of indexes comes to: its indexes, their bytes, and the seconds of the whole workload."""

    indexes: int
    bytes: int
    seconds: float


def contest(
    sets: Mapping[str, Sequence[str] | None], workload: Workload, *, rows: int | None = None
) -> dict[str, Result]:
    """Make each set of CREATE INDEX statements on a copy of its own, and time the workload on it; None is left out.

    Each query counts with the median of its runs, as often as the workload has it.
    """
    entered = {name: statements for name, statements in sets.items() if statements is not None}
    size = events.path(rows).stat().st_size
    results = {}
    for name, statements in entered.items():
        # The copy shows a bar of its own, which one round all of them would be in the way of.
        with events.copy(*statements, rows=rows) as db:
            queries = tqdm(workload, desc=f"measuring {name}", **show.BAR)
            seconds = sum(frequency * _median(bench.query(db, sql)) for sql, frequency in queries)
            results[name] = Result(len(statements), db.path.stat().st_size - size, seconds)
    return results


def _median(run: Callable[[], object]) -> float:
    """The median seconds of a few runs."""
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return bench.percentile(taken, 50)


def plot(results: Mapping[str, Result], title: str) -> plots.Picture:
    """How many times faster than the first each other set is, with the number and the room of its indexes."""
    first, *others = results.items()
    ratios = {}
    for name, result in others:
        price = f"{result.indexes} {'index' if result.indexes == 1 else 'indexes'}, {result.bytes / 1e6:.0f} MB"
        ratios[f"{name}\n{price}"] = first[1].seconds / result.seconds
    return plots.gains(ratios, title)


def expert(db: str | os.PathLike[str], workload: Workload) -> list[str] | None:
    """The indexes that the sqlite3 shell proposes, query by query (https://www.sqlite.org/cli.html#index_recommendations).

    None where there is no shell, or one without `.expert`.
    """
    shell = shutil.which("sqlite3")
    if shell is None:
        return None
    found: dict[str, None] = {}
    for sql, _ in workload:
        words = f".expert\n{' '.join(sql.split())};\n"
        command = [shell, "-batch", os.fspath(db)]
        done = subprocess.run(command, input=words, capture_output=True, text=True, timeout=EXPERT_SECONDS, check=False)
        if "unknown command" in done.stderr:
            return None
        found.update(
            dict.fromkeys(line.strip() for line in done.stdout.splitlines() if line.startswith("CREATE INDEX"))
        )
    return list(found)


def advise(db: events.Copy, workload: Workload, *, seconds: float) -> advisor.Recommendation:
    """`explain_recommendation`, with a bar that shows how much of its time has passed."""
    with _passing(seconds, "the advisor measures"):
        return advisor.explain_recommendation(db, workload, seconds=seconds)


@contextmanager
def _passing(seconds: float, what: str) -> Iterator[None]:
    ended = threading.Event()

    def tick() -> None:
        begun = time.perf_counter()
        with tqdm(total=seconds, desc=what, **show.BAR) as bar:
            while not ended.wait(0.1):
                bar.update(min(time.perf_counter() - begun, seconds) - bar.n)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
