"""Indexes for a whole workload: proposed from its queries, measured on a copy, charged for what they cost.

    print(explain_recommendation("shop.db", [("SELECT * FROM orders WHERE customer = 7", 100), ...]))
    create_indexes("shop.db", indexes=recommend_indexes("shop.db", queries))

No model of costs is believed, not even SQLite's own. Each index that a query might like (`candidates.py`) is
built on a copy of the database (`trial.py`), and the query is timed with it: with the value that is written in
it, and with the hottest and the median value of that column. From the best for each query, indexes are then taken away,
narrowed, merged and exchanged for as long as that lowers the price of the whole: the time of reads and writes, and the
room. (Such a search, from too many indexes down, is the "relaxation" of Bruno and Chaudhuri, SIGMOD 2005; they
estimate, we measure.) Last, every query is timed once more against the database as it was, and no index stays for
which one has become slower.
"""

import html
import math
import sqlite3
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import permutations
from operator import itemgetter
from statistics import fmean
from typing import Any, TypeAlias

from course_lib.advisor.candidates import MOST_COLUMNS, Index, Reading, proposals
from course_lib.advisor.trial import Indexes, OutOfTime, Run, Trial
from course_lib.optimizer import Database, Plan

Workload: TypeAlias = Iterable[str | tuple[str, float]]

# What the advisor cannot know, and therefore assumes.
WRITES_PER_QUERY = 5  # rows inserted for each query run, where the caller says nothing else
PRICE_OF_ROOM = 0.1  # an index as large as the whole database has to make the workload a tenth cheaper
# How finely it measures.
FASTER = 0.9  # an index has to bring one query to this share of its time, or less
LEAST_GAIN = 0.005  # a step of the search has to lower the price of the whole by this share
SLOWER, NOISE = 1.3, 20e-6  # a query is slower when it takes so many times as long, and so many seconds more


# --- what the caller gets ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Advice:
    """An index: the queries whose plan uses it, what it gains, and what it costs.

    `gain` is what the workload would take longer without it, in seconds: each query's time as often as it is run.
    `write` is what it adds to the insert of one row, in seconds.
    """

    statement: str
    serves: tuple[str, ...]
    gain: float
    bytes: int
    write: float


@dataclass(frozen=True)
class Timing:
    """A query of the workload: how often it is run, and its seconds without and with the recommended indexes.

    The seconds are the mean of the query as written and of the same with other literals. What did not end within the
    time limit, counts with the limit.
    """

    sql: str
    frequency: float
    before: float
    after: float


@dataclass(frozen=True)
class Recommendation:
    """The indexes; the queries, costliest first; those that were left out, and why; existing indexes that none uses.

    `print` shows it as text, JupyterLab as a table.
    """

    indexes: tuple[Advice, ...]
    queries: tuple[Timing, ...]
    skipped: Mapping[str, str]
    unused: tuple[str, ...]

    @property
    def statements(self) -> list[str]:
        """The CREATE INDEX statements; `create_indexes(db, indexes=...)` runs them, and ANALYZE after them."""
        return [advice.statement for advice in self.indexes]

    def _tables(self) -> Iterator[tuple[Sequence[str], list[Sequence[str]]]]:
        """Headings and rows of each table that is shown; a table without rows is not."""
        total = sum(timing.frequency * timing.before for timing in self.queries) or 1.0
        yield (
            ("index", "serves", "without it the workload takes", "size", "each row inserted"),
            [
                (a.statement, "; ".join(a.serves), f"+{a.gain / total:.1%}", f"{a.bytes / 1e6:.2f} MB",
                 f"+{a.write * 1e6:.1f} µs")
                for a in self.indexes
            ],
        )  # fmt: skip
        yield (
            ("query", "frequency", "before", "after"),
            [(t.sql, f"{t.frequency:g}", f"{t.before * 1e3:.3f} ms", f"{t.after * 1e3:.3f} ms") for t in self.queries],
        )
        yield ("left out", "why"), [*self.skipped.items()]
        yield ("existing index that no query given here uses",), [(name,) for name in self.unused]

    def __str__(self) -> str:
        lines = []
        for head, rows in self._tables():
            for row in rows:
                lines.append(row[0])
                lines += [f"    {name}: {value}" for name, value in zip(head[1:], row[1:], strict=True)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def cells(tag: str, row: Sequence[str]) -> str:
            return "<tr>" + "".join(f"<{tag} style='text-align:left'>{html.escape(c)}</{tag}>" for c in row) + "</tr>"

        return "".join(
            "<table>" + cells("th", head) + "".join(cells("td", row) for row in rows) + "</table>"
            for head, rows in self._tables()
            if rows
        )


def recommend_indexes(
    db: Database, queries: Workload, *, writes: float | None = None, seconds: float = 45.0
) -> list[str]:
    """The CREATE INDEX statements that make a whole workload fast at little cost.

    `queries` are SQL strings, or pairs of one and how often it is run. A query that cannot be measured is left out,
    with a warning that names it and says why. Everything else is as `explain_recommendation` has it.
    """
    recommendation = explain_recommendation(db, queries, writes=writes, seconds=seconds)
    for sql, reason in recommendation.skipped.items():
        warnings.warn(f"left out of the workload: {reason}\n  {sql}", stacklevel=2)
    return recommendation.statements


def explain_recommendation(
    db: Database, queries: Workload, *, writes: float | None = None, seconds: float = 45.0
) -> Recommendation:
    """Recommend indexes and say for each what it serves, gains and costs. The database itself is only read.

    `writes` is how many rows are inserted into the largest table while the workload is run once, into others in
    proportion to their rows (default: `WRITES_PER_QUERY` for each query run). `seconds` is the time that all of this
    may take; where it is short, fewer indexes are tried. A parameter gets values of the column it is compared with.

    A query is run on the copy only, if it is a single SELECT that names a table, and is stopped after a twentieth of
    `seconds`. The copy is in the folder for temporary files (TMPDIR): an OSError says that there is no room, a
    TimeoutError that a quarter of the time does not do to copy the database and read the queries, or that it is locked.
    What is attached to a given connection, and functions that it defines, are not copied: a query that needs them is
    left out.

    Two things no measurement shows. The planner knows the indexes by ANALYZE, which `create_indexes` runs after making
    them. And an index on a function that can fail (`json_extract` of what is not JSON) makes such a row's insert fail.
    """
    workload = _weighted(queries)
    begun = time.perf_counter()
    try:
        with Trial.of(db, begun + seconds / 4, limit=seconds / 20) as trial:
            read, skipped = _read(trial, workload)
            search = _Search(trial, read, skipped, writes, begun + 0.35 * seconds)
            # What comes last needs most care: the slower the queries, the more time is kept for it.
            last = min(max(0.15 * seconds, 2 * search.once), 0.5 * seconds)
            chosen = search.run(begun + 0.95 * seconds - last)
            chosen = search.verified(chosen, begun + 0.95 * seconds, begun + 1.05 * seconds)
            return search.explained(chosen, begun + 1.1 * seconds)
    except OutOfTime:
        raise TimeoutError("the database is too large to be looked through in time: give more seconds") from None


# --- the workload -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Query:
    """A query of the workload: its runs (first as it is written), its tables, and the indexes that might serve it."""

    sql: str
    frequency: float
    runs: tuple[Run, ...]
    tables: frozenset[str]
    candidates: tuple[Index, ...]


def _weighted(queries: Workload) -> dict[str, float]:
    """Each query, once, with its frequency."""
    if isinstance(queries, str):
        raise TypeError("queries is one string: give a list of queries, or of pairs (query, frequency)")
    workload: dict[str, float] = {}
    for query in queries:
        sql, frequency = (query, 1.0) if isinstance(query, str) else query
        if not isinstance(sql, str) or not isinstance(frequency, int | float) or not 0 < frequency < math.inf:
            raise ValueError(f"not a query, nor a pair of a query and a number above 0: {query!r}")
        workload[sql] = workload.get(sql, 0.0) + frequency
    return workload


def _read(trial: Trial, workload: Mapping[str, float]) -> tuple[list[_Query], dict[str, str]]:
    """The queries that can be measured, and why the others cannot."""
    readings, skipped = {}, {}
    for sql in workload:
        try:
            trial.check(sql)
            readings[sql] = Reading(sql, trial.tables, trial.views)
        except ValueError as error:
            skipped[sql] = str(error).splitlines()[0]
    scans = [scan for reading in readings.values() for scan in reading.scans]
    popular = Counter((scan.table, key) for scan in scans for key in scan.equal)
    named = Counter(literal for reading in readings.values() for literal in reading.literals)
    # A state or a kind that several queries name is a constant of the application.
    constants = {literal for literal, times in named.items() if times > 1 and trial.typical(*literal[:2]).few}
    queries = []
    for sql, reading in readings.items():
        variants = [Run(*variant) for variant in reading.variants(trial.typical, constants)]
        runs = [Run(sql)] * (not reading.parameters) + list(filter(trial.takes, variants))
        if not runs:
            skipped[sql] = "it cannot be tried: write a value in the place of each parameter"
            continue
        proposed = [
            index
            for scan in reading.scans
            for index in proposals(scan, trial.tables[scan.table], popular, trial.is_rare)
        ]
        unique = tuple(dict.fromkeys(runs)), reading.tables, tuple(dict.fromkeys(proposed))
        queries.append(_Query(sql, workload[sql], *unique))
    return queries, skipped


# --- the search -------------------------------------------------------------------------------------------------------


class _Search:
    """Looks for the set of indexes with the lowest price: the time of reads and writes, and the room.

    A time belongs to a query *and its plan*: where hiding an index leaves the plan as it is, nothing is measured anew.
    """

    def __init__(
        self, trial: Trial, queries: Iterable[_Query], skipped: dict[str, str], writes: float | None, deadline: float
    ) -> None:
        self.trial, self.skipped = trial, skipped
        self.times: dict[tuple[Run, Any], float] = {}
        self.known: dict[tuple[_Query, Indexes], tuple[list[float], frozenset[str]]] = {}
        self.best = (math.inf, Indexes())
        self.queries: list[_Query] = []
        trial.deadline = deadline
        for query in queries:
            try:
                self.measure(query, frozenset())
                self.queries.append(query)
            except sqlite3.Error as error:  # malformed JSON, say
                skipped[query.sql] = str(error)
            except OutOfTime:
                skipped[query.sql] = "no time was left to measure it: give more seconds"
        self.queries.sort(key=lambda query: -query.frequency * self.mean(query))
        self.once = sum(self.times.values())  # seconds to run everything once
        if writes is None:
            writes = WRITES_PER_QUERY * sum(query.frequency for query in self.queries)
        largest = max((table.rows for table in trial.tables.values()), default=0) or 1
        self.writes = {name: writes * table.rows / largest for name, table in trial.tables.items()}

    def measure(self, query: _Query, chosen: Indexes) -> tuple[list[float], frozenset[str]]:
        """The seconds of each run of a query with these indexes, and the names of those that its plans use."""
        relevant = frozenset(index for index in chosen if index.table in query.tables)
        if (query, relevant) not in self.known:
            self.trial.show(chosen)
            taken, used = [], set[str]()
            for number, run in enumerate(query.runs):
                plan = self.trial.plan(run)
                used.update(Plan.from_rows(plan).indexes)
                if (run, plan) not in self.times:
                    self.times[run, plan] = self.trial.seconds(run, self.limit(query, number))
                taken.append(self.times[run, plan])
            self.known[query, relevant] = taken, frozenset(used)
        return self.known[query, relevant]

    def limit(self, query: _Query, number: int) -> float:
        """How long a run may take: what is slower than without an index need not be known exactly."""
        if (query, frozenset()) in self.known:
            return min(self.trial.limit, 1.5 * self.measure(query, frozenset())[0][number] + 0.001)
        return self.trial.limit

    def mean(self, query: _Query, chosen: Indexes = frozenset()) -> float:
        """The mean seconds of the runs of a query."""
        return fmean(self.measure(query, chosen)[0])

    def used(self, query: _Query, chosen: Indexes) -> Indexes:
        """Those of the indexes that the query uses."""
        names = self.measure(query, chosen)[1]
        return frozenset(index for name, index in self.trial.names.items() if name in names)

    def is_slower(self, query: _Query, chosen: Indexes) -> bool:
        """Whether a query, as it is written or in the mean of its runs, has become slower than without the indexes."""
        before, after = self.measure(query, frozenset())[0][0], self.measure(query, chosen)[0][0]
        pairs = [(before, after), (self.mean(query), self.mean(query, chosen))]
        return any(after > SLOWER * before + NOISE for before, after in pairs)

    def price(self, chosen: Indexes) -> float:
        """The logarithm of all reads and writes, so that shares count and not units, and the room beside it."""
        if time.perf_counter() > self.trial.deadline:
            raise OutOfTime
        reads = sum(
            query.frequency * self.mean(query, chosen) * (10 if self.is_slower(query, chosen) else 1)
            for query in self.queries
        )
        tables = frozenset[str]().union(*(query.tables for query in self.queries))
        writes = sum(self.writes[table] * self.trial.insert(table) for table in tables)
        writes += sum(self.writes[index.table] * self.trial.insert(index.table, index) for index in chosen)
        room = sum(self.trial.bytes[index] for index in chosen) / self.trial.size
        price = math.log(reads + writes) + PRICE_OF_ROOM * room
        self.best = min(self.best, (price, chosen), key=itemgetter(0))
        return price

    def run(self, until: float) -> Indexes:
        """The best for each query, then step by step to the best for all, as far as the time goes."""
        if not self.queries:
            return Indexes()
        begun = time.perf_counter()
        self.trial.deadline = begun + 0.6 * (until - begun)
        # First a fair share of the time for each, so that a slow one leaves some for the others; then all that is left.
        for left, query in zip(range(len(self.queries), 0, -1), self.queries, strict=True):
            now = time.perf_counter()
            self.propose(query, now + (self.trial.deadline - now) / left)
        chosen = Indexes().union(*(self.propose(query, self.trial.deadline) for query in self.queries))
        self.trial.deadline = until
        with suppress(OutOfTime):
            for start in (chosen, Indexes()):
                self.improve(start)
        return chosen if self.best[0] == math.inf else self.best[1]

    def propose(self, query: _Query, end: float) -> Indexes:
        """The indexes that make one query fastest: each alone, all together, and each beside the best (for joins)."""
        fastest, chosen = self.mean(query), Indexes()

        def attempts() -> Iterator[Indexes]:
            built = []
            for index in query.candidates:
                if self.trial.build(index):
                    built.append(index)
                    yield frozenset({index})
            yield frozenset(built)
            for index in built:
                yield chosen | {index}

        with suppress(OutOfTime):
            for indexes in attempts():
                if (mean := self.mean(query, indexes)) < FASTER * fastest:
                    fastest, chosen = mean, self.used(query, indexes)
                if time.perf_counter() > end:
                    break
        return chosen

    def improve(self, chosen: Indexes) -> None:
        """Drop what is not worth its price; take another step that pays; and again, until there is none."""
        seen = set[Indexes]()
        while (chosen := self.thinned(chosen)) not in seen:
            seen.add(chosen)
            price = self.price(chosen)
            better = (other for other in self.steps(chosen) if self.price(other) < price - LEAST_GAIN)
            chosen = next(better, chosen)

    def thinned(self, chosen: Indexes) -> Indexes:
        """Drop the index that is worth least, again and again, until each is worth its price."""
        while chosen:
            price, fewer = min(
                ((self.price(chosen - {index}), chosen - {index}) for index in chosen), key=itemgetter(0)
            )
            if price >= self.price(chosen) + LEAST_GAIN:
                break
            chosen = fewer
        return chosen

    def steps(self, chosen: Indexes) -> Iterator[Indexes]:
        """The sets beside this one: an index narrowed, two merged, one exchanged, one added."""
        for index in chosen:
            if index.more and self.trial.build(narrow := replace(index, more=())):
                yield chosen - {index} | {narrow}
        for first, second in permutations(chosen, 2):
            if _alike(first, second) and first.where == second.where:
                more = dict.fromkeys(each for each in second.columns + first.more if each not in first.keys)
                merged = replace(first, more=tuple(more))
                if len(merged.columns) <= MOST_COLUMNS and self.trial.build(merged):
                    yield chosen - {first, second} | {merged}
        others = [index for index, row in self.trial.built.items() if row and index not in chosen]
        yield from (chosen - {index} | {other} for other in others for index in chosen if _alike(index, other))
        yield from (chosen | {other} for other in others)

    def verified(self, chosen: Indexes, deadline: float, end: float) -> Indexes:
        """Time every query anew. Keep an index only if it still pays, and if no query is slower than without."""
        self.trial.deadline = deadline
        earlier = self.times
        try:
            for times in (earlier, dict[tuple[Run, Any], float]()):  # by what is known already, and anew
                self.times = times
                self.known.clear()
                while slower := [query for query in self.queries if self.is_slower(query, chosen)]:
                    query = slower[0]
                    # Once more, for it may have been chance.
                    self.times = {key: taken for key, taken in self.times.items() if key[0] not in query.runs}
                    self.known = {key: known for key, known in self.known.items() if key[0] != query}
                    if self.is_slower(query, chosen):
                        chosen = min((chosen - {index} for index in self.used(query, chosen)), key=self.price)
            chosen = self.thinned(chosen)
            while idle := [index for index in chosen if not self.helps(index, chosen)]:
                chosen -= {idle[0]}
        except OutOfTime:
            self.trial.deadline = end
            self.times = earlier | self.times
            self.known.clear()
            while harmful := self.harmful(chosen):
                chosen -= harmful
        return chosen

    def harmful(self, chosen: Indexes) -> Indexes:
        """What the first slower query uses; else all on the tables of queries of which no time is left to know it."""
        unknown = Indexes()
        for query in self.queries:
            try:
                if self.is_slower(query, chosen):
                    return self.used(query, chosen)
            except OutOfTime:
                unknown |= {index for index in chosen if index.table in query.tables}
        return unknown

    def helps(self, index: Index, chosen: Indexes) -> bool:
        """Whether any query that uses the index would be clearly slower without it."""
        without, users = chosen - {index}, [query for query in self.queries if index in self.used(query, chosen)]
        return any(self.mean(query, chosen) < FASTER * self.mean(query, without) for query in users)

    def explained(self, chosen: Indexes, deadline: float) -> Recommendation:
        """What is known of a set of indexes. They are in the order in which they were built: costliest query first."""
        self.trial.deadline = deadline
        # Out of time, the search may have kept an index that gains nothing.
        while idle := [index for index in chosen if self.served(index, chosen)[1] <= 0]:
            chosen -= {idle[0]}
        timings, used = {}, set[str]()
        for query in self.queries:
            try:
                before, after = self.mean(query), self.mean(query, chosen)
            except OutOfTime:
                self.skipped[query.sql] = "no time was left to measure it with the indexes: give more seconds"
                continue
            used |= self.measure(query, chosen)[1]
            if after < self.trial.limit:
                timings[query] = Timing(query.sql, query.frequency, before, after)
            else:
                stopped = f"it was stopped after {self.trial.limit:.1f} s, with every index that was tried"
                self.skipped[query.sql] = stopped
        indexes = []
        for index in filter(chosen.__contains__, self.trial.built):
            serves, gain = self.served(index, chosen)
            cost = self.trial.bytes[index], self.trial.insert(index.table, index)
            indexes.append(Advice(self.trial.named(index), serves, gain, *cost))
        unused = tuple(name for name in self.trial.existing if name not in used)
        return Recommendation(tuple(indexes), tuple(timings.values()), self.skipped, unused)

    def served(self, index: Index, chosen: Indexes) -> tuple[tuple[str, ...], float]:
        """Return the queries that use an index, and the seconds that all their runs would take longer without it."""
        serves, gain = [], 0.0
        for query in self.queries:
            with suppress(OutOfTime):
                if index in self.used(query, chosen) and self.mean(query, chosen) < self.trial.limit:
                    serves.append(query.sql)
                    gain += query.frequency * self.gain(query, index, chosen)
        return tuple(serves), gain

    def gain(self, query: _Query, index: Index, chosen: Indexes) -> float:
        """The seconds that a query would take longer without the index; out of time, without all of them."""
        after = self.mean(query, chosen)
        try:
            return self.mean(query, chosen - {index}) - after
        except OutOfTime:
            return self.mean(query) - after


def _alike(first: Index, second: Index) -> bool:
    """Whether two indexes might do each other's work: on the same table, with the same first key."""
    return (first.table, first.columns[0]) == (second.table, second.columns[0])
