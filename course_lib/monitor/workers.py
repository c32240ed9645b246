"""Add up what the workers of a service have counted, through Redis.

Each worker writes its running total under a key of its own, and readers add the totals up. So a
report may be lost or sent twice without changing the result. A worker that hasn't reported for ten
seconds is considered dead, and the next reader folds its total into the past, once:

    starts --> reports, reports, ... --> no report for 10 s --> folded into the past
                  ^                                                      |
                  |    if it reports after all (a laptop that slept)     |
                  +---- subtracts what was folded, under a new ID <------+

If Redis loses its data, or only the latest reports, or if the past can't be read, all workers start
at zero in the same way, in a new generation.

Keys, after a prefix:

    worker:<id>   a hash: a worker's running total, the number of its last report, its generation
    workers       a sorted set: the IDs of the workers, by the time of their last report
    past          a hash: the total of all folded workers, with the names of all that were read;
                  the number of times it was written, the generation
    folded:<id>   the number of the last report of a folded worker
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from course_lib.monitor.totals import Total, as_text, combine, names_in, parse, without_gauges
from course_lib.monitor.turns import Turns
from course_lib.redis_client import CircuitBreaker, RedisUnavailable, Script

DEAD_AFTER = 10_000  # milliseconds without a report
KEY_TTL = 7 * 86_400_000  # milliseconds

COLLECT = Script(__package__, "collect")
FOLD = Script(__package__, "fold")
REPORT = Script(__package__, "report")

log = logging.getLogger(__package__)


@dataclass
class Reports:
    """The totals of live and ended workers that `Workers.collect` found, and what to fold."""

    past: list[Total] = field(default_factory=list)
    """The total of the workers that were folded before, if any."""
    live: list[Total] = field(default_factory=list)
    ended: list[Total] = field(default_factory=list)
    dead: list[bytes] = field(default_factory=list)
    """Alternates between the ID of a dead worker and the number of its last report."""
    unreadable: int = 0
    """Live workers whose total can't be read."""
    is_past_unreadable: bool = False


class Workers:
    """Report the total of one worker, and collect the totals of all.

    `prefix` starts all keys. It should contain a name in braces, so that all keys are in the same
    slot of a cluster. Totals are large, so they're read, combined and written in threads.
    """

    def __init__(self, redis: Redis, prefix: str, relative_error: float) -> None:
        self._redis = redis
        self._prefix = prefix
        self._relative_error = relative_error
        self._id = secrets.token_hex(8)
        self._generation = ""  # of the last report that is known to have arrived
        self._number = 0  # of that report
        self._confirmed: Total | None = None  # the total in that report
        self._unconfirmed: Total | None = None  # a later total that may have arrived
        self._folded: Total | None = None  # the part of the total that's in the past, or lost
        self._turns = Turns()
        self._logged = ""  # the last problem, which isn't logged again while it lasts

    async def report(self, total: Callable[[], Total]) -> bool:
        """Write this worker's running total. Return False if it isn't known to have arrived.

        Logs what Redis refuses, once. A report holds the running total, so the next one makes up
        for one that's missing.
        """
        try:
            await self._write(total)
        except RedisUnavailable:
            return False  # the breaker has logged it
        except RedisError as error:
            self._log_once("Could not report to Redis, so figures are missing; retrying: %s", error)
            return False
        return True

    async def collect(self) -> tuple[Total, int, bool] | None:
        """Return the combined total, the number of live workers, and if all could be read.

        Folds dead workers into the past. Returns None if Redis is unavailable or refuses to reply.
        """
        try:
            return await self._collect()
        except RedisUnavailable:
            return None
        except RedisError as error:
            self._log_once("Could not read the workers' figures from Redis: %s", error)
            return None

    # --- reporting ----------------------------------------------------------------------------

    async def _write(self, total: Callable[[], Total]) -> None:
        async with self._turns.take():
            if self._unconfirmed:
                # Send the same total again, so that its number stands for one total only.
                await self._send(self._unconfirmed)
            await self._send(await asyncio.to_thread(total))

    async def _send(self, total: Total) -> None:
        self._unconfirmed = total
        number = self._number + 1
        text = await asyncio.to_thread(self._unfolded, total)
        keys = ["worker:" + self._id, "workers", "folded:" + self._id, "past"]
        reply = await self._run(REPORT, keys, self._id, number, text, KEY_TTL, self._generation)
        folded_number, generation, is_lost = reply
        if folded_number is None:
            self._number = number
            self._generation = generation
            self._confirmed = total
            self._unconfirmed = None
            return
        if is_lost:
            log.warning("Redis has lost the figures of all workers: they start at zero")
        # What was reported is in the past, or lost. Continue as a new worker, without it.
        had_arrived = int(folded_number or 0) == number  # before, but its reply was lost
        self._folded = total if had_arrived else self._confirmed
        self._id = secrets.token_hex(8)
        self._number = 0
        await self._send(total)

    def _unfolded(self, total: Total) -> str:
        """Return a total without the part that's already counted in the past, as text."""
        if self._folded:
            total = combine(self._relative_error, [total], [self._folded])
        return as_text(total)

    # --- collecting ---------------------------------------------------------------------------

    async def _collect(self) -> tuple[Total, int, bool]:
        keys = ["past", "workers", "worker:"]
        past, folds, generation, *workers = await self._run(COLLECT, keys, DEAD_AFTER)
        reports = await asyncio.to_thread(self._read, past, workers)
        if reports.is_past_unreadable:
            await self._reset()
            return combine(self._relative_error, []), len(workers), False
        # All names go into the past and keep their entries. If there are too many, and one took the
        # place of another, both counts would jump.
        first = (reports.past, reports.ended + reports.live)
        add = partial(combine, self._relative_error, first=first)
        past_total = await asyncio.to_thread(partial(add, keep_names=True), reports.ended)
        new_past = without_gauges(past_total)
        has_all_names = [names_in(known) for known in reports.past] == [names_in(new_past)]
        if reports.dead or not has_all_names:
            await self._fold(folds, new_past, generation, reports.dead)
            reports.ended = [new_past]
        total = await asyncio.to_thread(add, reports.ended + reports.live)
        return total, len(reports.live) + reports.unreadable, not reports.unreadable

    async def _reset(self) -> None:
        """Remove the past, so that all workers start at zero: without it, counters would fall."""
        key = self._prefix + "past"
        await CircuitBreaker.of(self._redis, key).call(self._redis.delete, key)

    def _read(self, past: bytes | None, workers: Sequence[Any]) -> Reports:
        reports = Reports()
        if past is not None:
            past_total = self._parse(past, "past")
            reports.is_past_unreadable = past_total is None
            reports.past = [past_total] if past_total else []
            reports.ended += reports.past
        for worker, number, text, is_dead in workers:
            total = self._parse(text, f"worker:{worker.decode(errors='replace')}")
            if is_dead:
                reports.dead += [worker, number or b""]
            if total:
                totals = reports.ended if is_dead else reports.live
                totals.append(total)
            elif not is_dead:
                reports.unreadable += 1
        return reports

    def _parse(self, text: bytes | None, key: str) -> Total | None:
        try:
            return parse(self._relative_error, text or b"")
        except ValueError as error:
            problem = "Skipped the figures in %s, which can't be read: %s"
            self._log_once(problem, self._prefix + key, error)
            return None

    async def _fold(
        self, folds: bytes, new_past: Total, generation: bytes, dead: Sequence[bytes]
    ) -> None:
        """Replace the past by `new_past`, unless another worker's or a dead worker's is newer.

        If that fails, the next reader folds them.
        """
        keys = ["past", "workers", "worker:", "folded:"]
        text = await asyncio.to_thread(as_text, new_past)
        try:
            await self._run(FOLD, keys, folds, text, KEY_TTL, generation, *dead)
        except RedisUnavailable:
            pass
        except RedisError as error:
            self._log_once("Could not write the figures of ended workers and new names: %s", error)

    async def _run(
        self, script: Script, keys: Sequence[str], *arguments: str | bytes | float
    ) -> Any:
        full_keys = [self._prefix + key for key in keys]
        return await script.run(self._redis, full_keys, *arguments)

    def _log_once(self, problem: str, *values: object) -> None:
        line = problem % values
        if line != self._logged:
            log.error("%s", line)
            self._logged = line
