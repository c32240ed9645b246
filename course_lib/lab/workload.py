"""Compare sets of indexes on one workload: the learner's, the sqlite3 shell's, the advisor's."""

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

Workload = Sequence[tuple[str, float]]  # queries, and how often each runs

RUNS = 3
EXPERT_SECONDS = 20
TICK = 0.1  # seconds between two updates of a progress bar


@dataclass(frozen=True)
class Result:
    """A set of indexes: how many, their bytes, and the seconds of the whole workload with them."""

    indexes: int
    bytes: int
    seconds: float


def contest(
    sets: Mapping[str, Sequence[str] | None], workload: Workload, *, rows: int | None = None
) -> dict[str, Result]:
    """Time the workload with each set of CREATE INDEX statements, on a copy of its own.

    The median run of each query is multiplied by its frequency. A set that is None is skipped.
    """
    size = events.path(rows).stat().st_size
    results = {}
    for name, statements in sets.items():
        if statements is None:
            continue
        # Creating the copy shows a progress bar, and so does measuring: don't nest them in a third.
        with events.copy(*statements, rows=rows) as db:
            seconds = 0.0
            for sql, frequency in tqdm(workload, desc=f"measuring {name}", **show.BAR):
                seconds += frequency * _median(bench.query(db, sql))
            added = db.path.stat().st_size - size
        results[name] = Result(len(statements), added, seconds)
    return results


def _median(run: Callable[[], object]) -> float:
    """Return the median seconds of a few runs."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return bench.percentile(seconds, 50)


def plot(results: Mapping[str, Result], title: str) -> plots.Picture:
    """Plot how many times faster each set is than the first, with its number of indexes and MB."""
    first, *others = results.items()
    _, baseline = first
    ratios = {}
    for name, result in others:
        noun = "index" if result.indexes == 1 else "indexes"
        cost = f"{result.indexes} {noun}, {result.bytes / 1e6:.0f} MB"
        ratios[f"{name}\n{cost}"] = baseline.seconds / result.seconds
    return plots.gains(ratios, title)


def expert(db: str | os.PathLike[str], workload: Workload) -> list[str] | None:
    """Return the indexes that the sqlite3 shell's `.expert` proposes, query by query.

    None if there is no shell, or it lacks `.expert`
    (https://www.sqlite.org/cli.html#index_recommendations).
    """
    shell = shutil.which("sqlite3")
    if shell is None:
        return None
    statements: dict[str, None] = {}
    for sql, _ in workload:
        on_one_line = " ".join(sql.split())
        process = subprocess.run(
            [shell, "-batch", os.fspath(db)],
            input=f".expert\n{on_one_line};\n",
            capture_output=True,
            text=True,
            timeout=EXPERT_SECONDS,
            check=False,
        )
        if "unknown command" in process.stderr:
            return None
        for line in process.stdout.splitlines():
            if line.startswith("CREATE INDEX"):
                statements[line.strip()] = None
    return list(statements)


def advise(db: events.Copy, workload: Workload, *, seconds: float) -> advisor.Recommendation:
    """Call `explain_recommendation`, with a bar that shows how much of its time has passed."""
    with _progress(seconds, "the advisor measures"):
        return advisor.explain_recommendation(db, workload, seconds=seconds)


@contextmanager
def _progress(seconds: float, label: str) -> Iterator[None]:
    """Show a bar that fills within these seconds, and ends with the block."""
    ended = threading.Event()

    def fill() -> None:
        start = time.perf_counter()
        with tqdm(total=seconds, desc=label, **show.BAR) as bar:
            while not ended.wait(TICK):
                elapsed = time.perf_counter() - start
                bar.update(min(elapsed, seconds) - bar.n)

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
