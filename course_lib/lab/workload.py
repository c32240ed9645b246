"""Compare sets of indexes on one workload: the learner's, the sqlite3 shell's, the advisor's."""

import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pandas as pd
from tqdm import tqdm

from course_lib import advisor
from course_lib.advisor.ticker import report_elapsed
from course_lib.lab import bench, events, plots, show

Workload = Sequence[tuple[str, float]]  # queries, and how often each runs

ROUNDS = 9
EXPERT_SECONDS = 20


@dataclass(frozen=True)
class IndexSet:
    """A set of indexes: how many there are, and the bytes that they add to the file."""

    indexes: int
    bytes: int

    def __str__(self) -> str:
        noun = "index" if self.indexes == 1 else "indexes"
        return f"{self.indexes} {noun}, {self.bytes / 1e6:.0f} MB"


@dataclass(frozen=True)
class Contest:
    """The sets that were compared, and the seconds that the workload's queries take with each.

    `total` has the whole workload, a sample per round: the seconds of each query multiplied by its
    frequency. `queries` has the seconds of a single run, by query and set. Only reads are timed.
    """

    sets: Mapping[str, IndexSet]
    total: bench.Comparison
    queries: Mapping[str, bench.Comparison]

    def ratio(self, of: str) -> bench.Ratio:
        """Return how many times faster the workload runs with a set than with the first one."""
        return self.total.ratio(of)

    def table(self) -> pd.DataFrame:
        """Return the median of each query and of the whole workload, with each set."""
        rows = {}
        for sql, comparison in self.queries.items():
            rows[" ".join(sql.split())] = self._medians(comparison)
        rows["the whole workload"] = self._medians(self.total)
        first, *others = self.sets
        times_faster = {first: "1"}
        for name in others:
            times_faster[name] = str(self.ratio(name))
        rows["times faster (95% interval)"] = times_faster
        return pd.DataFrame.from_dict(rows, orient="index")

    def plot(self, title: str) -> plots.Picture:
        """Plot how many times faster each set is than the first, with its indexes and MB."""
        ratios = {}
        _, *others = self.sets
        for name in others:
            label = f"{name}\n{self.sets[name]}"
            ratios[label] = self.ratio(name)
        return plots.gains(ratios, title)

    def _medians(self, comparison: bench.Comparison) -> dict[str, str]:
        return {name: show.duration(comparison.median(name)) for name in self.sets}


def contest(
    sets: Mapping[str, Sequence[str] | None], workload: Workload, *, rows: int | None = None
) -> Contest:
    """Time the workload with each set of statements, CREATE INDEX or ANALYZE, on a copy of its own.

    Each round runs every query with every set, in an order that changes. A set that is None is
    skipped. Raises sqlite3.OperationalError if SQLite rejects a statement.
    """
    size = events.path(rows).stat().st_size
    with ExitStack() as copies:
        built = {}
        for name, statements in sets.items():
            if statements is not None:
                built[name] = copies.enter_context(events.copy(*statements, rows=rows))
        compared = {}
        for name, db in built.items():
            indexes = [statement for statement in sets[name] or () if statement != "ANALYZE"]
            added = db.path.stat().st_size - size
            compared[name] = IndexSet(len(indexes), added)
        samples = _samples(built, workload)
    total = {name: _total(name, samples, workload) for name in built}
    queries = {sql: bench.Comparison(by_set) for sql, by_set in samples.items()}
    return Contest(compared, bench.Comparison(total), queries)


def _total(
    name: str, samples: Mapping[str, Mapping[str, Sequence[float]]], workload: Workload
) -> list[float]:
    """Return the seconds that the whole workload takes with one set, by round."""
    by_round = []
    for number in range(ROUNDS):
        runs = [frequency * samples[sql][name][number] for sql, frequency in workload]
        by_round.append(sum(runs))
    return by_round


def _samples(
    built: Mapping[str, events.Copy], workload: Workload
) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of each query, by set and round."""
    samples: dict[str, dict[str, list[float]]] = {}
    bar = tqdm(total=len(workload) * ROUNDS, desc="measuring the sets", **show.BAR)
    with bar:
        for sql, _ in workload:
            runs = {name: bench.query(db, sql) for name, db in built.items()}
            samples[sql] = {name: [] for name in runs}
            for run in runs.values():
                run()  # the warm-up
            orders = itertools.cycle(itertools.permutations(runs))
            for _ in range(ROUNDS):
                for name in next(orders):
                    samples[sql][name].append(_seconds(runs[name]))
                bar.update()
    return samples


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def expert(db: str | os.PathLike[str], workload: Workload) -> list[str] | None:
    """Return the indexes that the sqlite3 shell's `.expert` proposes, query by query.

    None if there is no shell, or it lacks `.expert`
    (https://www.sqlite.org/cli.html#index_recommendations).
    """
    shell = shutil.which("sqlite3")
    if shell is None:
        return None
    statements: list[str] = []
    for sql, _ in workload:
        process = _run_expert(shell, db, sql)
        if "unknown command" in process.stderr:
            return None
        lines = process.stdout.splitlines()
        statements += [line.strip() for line in lines if line.startswith("CREATE INDEX")]
    return list(dict.fromkeys(statements))  # each once, in this order


def _run_expert(
    shell: str, db: str | os.PathLike[str], sql: str
) -> subprocess.CompletedProcess[str]:
    on_one_line = " ".join(sql.split())
    return subprocess.run(
        [shell, "-batch", os.fspath(db)],
        input=f".expert\n{on_one_line};\n",
        capture_output=True,
        text=True,
        timeout=EXPERT_SECONDS,
        check=False,
    )


def advise(db: events.Copy, workload: Workload, *, seconds: float) -> advisor.Recommendation:
    """Call `explain_recommendation`, with a bar that shows how much of its time has passed."""
    with _progress(seconds, "the advisor measures"):
        return advisor.explain_recommendation(db, workload, seconds=seconds)


@contextmanager
def _progress(seconds: float, label: str) -> Iterator[None]:
    """Show a bar that fills within these seconds, and ends with the block."""
    with tqdm(total=seconds, desc=label, **show.BAR) as bar:

        def fill(elapsed: float) -> None:
            bar.update(min(elapsed, seconds) - bar.n)

        with report_elapsed(fill):
            yield
