"""Share interleaved rounds and Markdown tables, which draw a conclusion, among the benchmarks.

A `Contest` is one operation done in several ways, in one interleaved run. Its first variant is the
floor: the least that the operation can cost. Each ratio is of medians, and its 95% interval comes
from resampling the rounds (`course_lib/lab/comparison.py`).
"""

import itertools
import math
import os
import platform
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from course_lib.lab import bench, show

ROUNDS = 200
CALLS = 20  # in a round, one after another

PACKAGES = (
    "redis",
    "hiredis",
    "fastapi",
    "starlette",
    "uvicorn",
    "aiocache",
    "cashews",
    "fastapi-cache2",
    "limits",
    "slowapi",
    "pyrate-limiter",
    "throttled-py",
    "prometheus-fastapi-instrumentator",
    "starlette-exporter",
)


async def interleaved(variants, rounds=ROUNDS, calls=CALLS):
    """Compare async functions as `bench.compare` does. A sample is the mean of `calls` calls."""
    samples = {name: [] for name in variants}
    for run in variants.values():
        await run()
    order = list(variants)
    generator = random.Random(1)
    for _ in range(rounds):
        generator.shuffle(order)
        for name in order:
            run = variants[name]
            start = time.perf_counter_ns()
            for _ in itertools.repeat(None, calls):
                await run()
            seconds = (time.perf_counter_ns() - start) / 1e9
            samples[name].append(seconds / calls)
    return bench.Comparison({name: tuple(sample) for name, sample in samples.items()})


@dataclass(frozen=True)
class Contest:
    """One operation, done in several ways. The first variant is the floor.

    `ours` has our variants, each with the most time that it may take, as a multiple of the floor's,
    or None. Peers are compared with the first of them. With `is_rate`, the table has calls a
    second, and ratios above 1 are better.
    """

    name: str
    comparison: bench.Comparison
    ours: Mapping[str, float | None]
    is_rate: bool = False
    peers: list[str] = field(init=False)

    def __post_init__(self):
        _, *others = self.comparison.samples
        object.__setattr__(self, "peers", [name for name in others if name not in self.ours])

    @property
    def floor(self):
        """The name of the first variant."""
        return next(iter(self.comparison.samples))

    def ratio_to_floor(self, variant):
        """Return the variant's time, or its rate if `is_rate`, as a multiple of the floor's."""
        if self.is_rate:
            return self.comparison.ratio(of=variant, over=self.floor)
        return self.comparison.ratio(of=self.floor, over=variant)

    def rows(self):
        """Yield the cells of each variant: operation, variant, median, ratio and bar."""
        for variant in self.comparison.samples:
            ratio = "1"
            if variant != self.floor:
                ratio = precise(self.ratio_to_floor(variant))
            label = f"**{variant}**" if variant in self.ours else variant
            yield self.name, label, self.shown_median(variant), ratio, self.bar(variant)

    def shown_median(self, variant):
        """Return a variant's median as text: the time of a call, or calls a second."""
        median = self.comparison.median(variant)
        if self.is_rate:
            return f"{1 / median:,.0f}/s"
        return show.duration(median)

    def lost_to(self):
        """Yield the peers that are faster than ours, beyond the interval of the ratio."""
        our = next(iter(self.ours))
        for peer in self.peers:
            ratio = self.comparison.ratio(of=peer, over=our)
            if ratio.low > 1 or (math.isnan(ratio.low) and ratio.value > 1):
                yield f"{self.name}: *{our}* takes {precise(ratio)} times as long as {peer}"

    def missed_bars(self):
        """Yield each bar that we miss, with what was measured."""
        for variant, limit in self.ours.items():
            if limit is None:
                continue
            ratio = self.ratio_to_floor(variant)
            is_missed = ratio.value < limit if self.is_rate else ratio.value > limit
            if is_missed:
                measured = f"*{variant}* is {precise(ratio)} times the floor"
                doubt = ""
                if ratio.low <= limit <= ratio.high:
                    doubt = "; the interval contains the bar, so run more rounds"
                yield f"{self.name}: {measured}, not {self.bar(variant)}{doubt}"

    def bar(self, variant):
        """Return a variant's bar as text, empty if it has none."""
        limit = self.ours.get(variant)
        if limit is None:
            return ""
        return f"at least {limit:.2f}" if self.is_rate else f"at most {limit:.2f}"


def precise(ratio):
    """Return a ratio and its interval to two decimal places."""
    if math.isnan(ratio.low):
        return f"{ratio.value:.2f}"
    return f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def markdown(title, text, contests):
    """Return a section of the page: what was measured, its table, and what follows from it."""
    is_rate = all(contest.is_rate for contest in contests)
    ratio = "times the floor's rate" if is_rate else "times the floor's time"
    head = ("operation", "variant", "median", ratio, "our bar")
    rows = [head, ["---"] * len(head)]
    for contest in contests:
        rows += contest.rows()
    table = map(table_row, rows)
    return "\n".join([f"## {title}", "", text, "", *table, "", *conclusions(contests), ""])


def table_row(cells):
    return f"| {' | '.join(cells)} |"


def conclusions(contests):
    """Return lines that say where we lose to a peer, and which of our bars we miss."""
    lost, missed, peers, limits = [], [], [], []
    for contest in contests:
        lost += contest.lost_to()
        missed += contest.missed_bars()
        peers += contest.peers
        limits += contest.ours.values()
    lines = [f"- **We lose.** {comparison}." for comparison in lost]
    if not lost:
        lines.append("- No peer was faster." if peers else "- No peer is installed.")
    lines += [f"- **We miss a bar.** {bar}." for bar in missed]
    if any(limits) and not missed:
        lines.append("- We meet all of our bars.")
    return lines


def print_contest(contest):
    """Print a contest's table and its conclusions as plain text."""
    rounds = len(contest.comparison.samples[contest.floor])
    print(f"\n{contest.name}, {rounds} rounds")
    for _, variant, median, ratio, bar in contest.rows():
        limit = f"   (bar: {bar})" if bar else ""
        print(f"  {variant.strip('*'):44} {median:>9}  {ratio}{limit}")
    for line in conclusions([contest]):
        print(f"  {line}")


# --- what was measured ----------------------------------------------------------------------------


def versions():
    """Return the installed packages with their versions, and which peers are missing."""
    installed, missing = [], []
    for package in PACKAGES:
        try:
            installed.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    text = ", ".join(installed)
    if missing:
        text += f". Not installed, so not measured: {', '.join(missing)}"
    return text


def machine():
    """Return the processor, its cores, the kernel and Python's version."""
    return (
        f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def processor():
    """Return the name of the processor's model; its architecture if that's all we can learn."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
