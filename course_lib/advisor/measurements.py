"""The measurements so far: the seconds of each query with each plan.

A time belongs to a query *and its plan*. Planning takes less than a millisecond, running can take
seconds, and most sets of indexes lead to a plan that has been timed already:

    query, set of indexes --> plan --+-- new -----> run and time the query
                                     +-- known ---> return the time that it took

The time of an UPDATE or DELETE belongs to the indexes of its tables too, because it changes them.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

from course_lib.advisor.reads import SLOW, PlanRows, Reads, Run
from course_lib.advisor.schema import Indexes
from course_lib.advisor.trial import Trial
from course_lib.advisor.workload import Query
from course_lib.optimizer import Plan

FASTER = 0.9  # an index has to reduce the time of some query to this share, or less
# A query has become slower if it takes this many times as long, and this many seconds more.
SLOWER, NOISE = 1.3, 20e-6

CLEARLY = 3.0  # times as fast: no chance measurement of a slow query is so wrong

ROUNDS = 2  # of the comparison in which times without and with indexes alternate
MOST_COMPARISONS = 5  # to confirm that a query is slower; one is enough if it takes long

SLACK = 0.02  # seconds: a shorter limit would stop runs that are slow only when nothing is cached

NO_INDEXES: Indexes = frozenset()

# What a time belongs to; the indexes are those that an UPDATE or DELETE changes.
Timed: TypeAlias = tuple[Run, PlanRows, Indexes]
Times: TypeAlias = dict[Timed, float]


@dataclass(frozen=True)
class Measurement:
    """The seconds of each run of a query, and the names of the indexes that its plans use."""

    seconds: tuple[float, ...]
    index_names: frozenset[str]


class Measurements:
    """Measures queries with sets of indexes, and remembers the times.

    `limits` are the seconds that a run of a query may take, if less than those of `reads`.
    """

    def __init__(self, trial: Trial, reads: Reads) -> None:
        self.trial = trial
        self.reads = reads
        self.times: Times = {}
        self._at_least: Times = {}  # of runs that were stopped before their limit
        self.limits: dict[Query, float] = {}
        self._as_it_was: dict[Query, Measurement] = {}
        self._known: dict[tuple[Query, Indexes], Measurement] = {}

    def measure(self, query: Query, chosen: Indexes = NO_INDEXES) -> Measurement:
        """Return the times of a query with these indexes, measured now if they aren't known."""
        relevant = query.relevant(chosen)
        if (query, relevant) not in self._known:
            self.trial.show(chosen)
            self._known[query, relevant] = self._measure_shown(query)
        return self._known[query, relevant]

    def mean_below(self, query: Query, chosen: Indexes, most: float) -> float:
        """Return the mean seconds of the runs of a query; infinity if it takes more than `most`.

        A run is stopped as soon as the mean must be higher, so comparing bad sets costs little.
        """
        relevant = query.relevant(chosen)
        if (query, relevant) not in self._known:
            self.trial.show(chosen)
            if not self._runs_below(query, most * len(query.runs)):
                return math.inf
        mean = self.mean(query, chosen)
        return mean if mean <= most else math.inf

    def _runs_below(self, query: Query, most: float) -> bool:
        """Time the runs of a query that aren't known: do they take at most this long together?"""
        keys = [self._timed(query, run) for run in query.runs]
        left = most - sum(self.times.get(key, 0.0) for key in keys)
        for number, key in enumerate(keys):
            if key not in self.times:
                if left < self._at_least.get(key, 0.0):
                    return False
                full_limit = self._limit_of_run(query, number)
                limit = min(full_limit, left + SLACK)
                seconds = self.reads.seconds(key[0], self.limit(query), limit)
                if seconds >= limit < full_limit:
                    self._at_least[key] = limit
                    return False
                self.times[key] = seconds
                left -= seconds
            if number == 0 and self.times[key] >= self.limit(query):
                return True  # the others aren't tried
        return True

    def _measure_shown(self, query: Query) -> Measurement:
        seconds = list[float]()
        index_names = set[str]()
        for number, run in enumerate(query.runs):
            key = self._timed(query, run)
            _, plan, _ = key
            if run.sql == query.runs[0].sql:  # an index must serve the query as it's written
                known = {**self.trial.by_name, **self.trial.copy.indexes}
                index_names.update(Plan.from_rows(plan, indexes=known).indexes)
            if key not in self.times:
                limit, most_work = self.limit(query), self._limit_of_run(query, number)
                # A query that was stopped as it's written isn't tried with other values: it has
                # taken enough of the time that others need.
                if seconds and seconds[0] >= limit:
                    self.times[key] = most_work
                else:
                    self.times[key] = self.reads.seconds(run, limit, most_work)
            seconds.append(self.times[key])
        return Measurement(tuple(seconds), frozenset(index_names))

    def _timed(self, query: Query, run: Run) -> Timed:
        """Return what the time of a run belongs to, with the indexes that are shown."""
        changed = query.relevant(self.trial.shown) if run.changes else NO_INDEXES
        return run, self.reads.plan(run), changed

    def _limit_of_run(self, query: Query, number: int) -> float:
        """Return how many seconds a run may work.

        A time that's longer than without indexes needn't be known exactly, unless it includes the
        changes of indexes.
        """
        if (query, NO_INDEXES) not in self._known or query.runs[number].changes:
            return self.limit(query)
        without = self.measure(query).seconds[number]
        limit = self.limit(query)
        return limit if without >= limit else min(self.reads.limit, 1.5 * without + SLACK)

    def limit(self, query: Query) -> float:
        """Return the seconds that a run of a query may take."""
        return self.limits.get(query, self.reads.limit)

    def was_stopped(self, query: Query, chosen: Indexes = NO_INDEXES) -> bool:
        """Check whether a run of a query took longer than it may."""
        return max(self.measure(query, chosen).seconds) >= self.limit(query)

    def mean(self, query: Query, chosen: Indexes = NO_INDEXES) -> float:
        """Return the mean seconds of the runs of a query."""
        return fmean(self.measure(query, chosen).seconds)

    def used(self, query: Query, chosen: Indexes) -> Indexes:
        """Return those of the indexes that the query uses."""
        names = self.measure(query, chosen).index_names
        by_name = self.trial.by_name
        return frozenset(index for name, index in by_name.items() if name in names)

    def before(self, query: Query) -> Measurement:
        """Return the times of a query on the database as it was, without ANALYZE or an index."""
        return self._as_it_was.get(query) or self.measure(query)

    def keep_as_it_was(self, queries: Iterable[Query]) -> None:
        """Keep the times so far as those of `before`; then measure with new statistics."""
        self._as_it_was = {query: self.measure(query) for query in queries}
        self._known.clear()

    def reset(self) -> None:
        """Forget what `keep_as_it_was` kept, because the old statistics are back."""
        self._known = {(query, NO_INDEXES): known for query, known in self._as_it_was.items()}
        self._as_it_was = {}

    def compare_again(self, query: Query, chosen: Indexes, other: Indexes = NO_INDEXES) -> None:
        """Time a query again, alternately with two sets of indexes; keep the shortest times.

        A busy machine makes single timings too long, and all of these could be on one side.
        """
        times: Times = {}
        for indexes in (other, chosen) * ROUNDS:
            self.trial.show(indexes)
            for run in query.runs:
                key = self._timed(query, run)
                seconds = self.reads.seconds(run, self.limit(query))
                times[key] = min(seconds, times.get(key, math.inf))
        for key, seconds in times.items():
            self.times[key] = min(seconds, self.times.get(key, math.inf))
        self._forget_known(query)

    def confirms(
        self,
        is_slower: Callable[[], bool],
        query: Query,
        chosen: Indexes,
        other: Indexes = NO_INDEXES,
    ) -> bool:
        """Compare a query again while it seems slower; return whether it does in the end.

        Chance only makes times longer, so repeated comparisons clear a query that isn't slower.
        """
        for _ in range(MOST_COMPARISONS):
            if not is_slower():
                return False
            self.compare_again(query, chosen, other)
            if self.mean(query, chosen) > SLOW:
                break
        return is_slower()

    def slowdown(self, query: Query, chosen: Indexes) -> float:
        """Return how many times as long a query takes with the indexes as before."""
        before = fmean(self.before(query).seconds)
        return self.mean(query, chosen) / before if before else 1.0

    def is_slower(self, query: Query, chosen: Indexes, *, slower: float = SLOWER) -> bool:
        """Check whether a query is slower than before, as it's written or on average.

        Of parameters with several values, the mean counts. A query that was stopped early, both
        times, could be slower. An UPDATE or DELETE that uses none of the indexes isn't: it only has
        to change them, as any index demands. `Costs` charges for that.
        """
        if query.runs[0].changes and not self.used(query, chosen):
            return False
        was_stopped_early = self.limit(query) < self.reads.limit
        if was_stopped_early and self.used(query, chosen) and self.was_stopped(query, chosen):
            return True
        before = self.before(query).seconds
        after = self.measure(query, chosen).seconds
        written = sum(run.sql == query.runs[0].sql for run in query.runs)  # these come first
        pairs = [(fmean(before[:end]), fmean(after[:end])) for end in (written, None)]
        return any(after > slower * before + NOISE for before, after in pairs)

    def times_of(self, query: Query) -> Times:
        """Return the times of a query without indexes."""
        self.trial.show(NO_INDEXES)
        keys = [self._timed(query, run) for run in query.runs]
        return {key: self.times[key] for key in keys if key in self.times}

    def use(self, times: Times) -> None:
        """Continue with these times: {} to measure everything again."""
        self.times = times
        self._known.clear()

    def forget(self, query: Query) -> None:
        """Measure a query again when it's needed next. The dict of times given to `use` is kept."""
        kept: Times = {}
        for key, seconds in self.times.items():
            if key[0] not in query.runs:
                kept[key] = seconds
        self.times = kept
        self._forget_known(query)

    def _forget_known(self, query: Query) -> None:
        for known_query, chosen in list(self._known):
            if known_query == query:
                del self._known[known_query, chosen]
