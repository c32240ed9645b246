"""Add up what the workers of a service have counted, through Redis.

Each worker writes its running total under a key of its own, and readers add the totals up. So a
report may be lost or sent twice without changing the result. A worker that hasn't reported for ten
seconds is considered dead, and the next reader folds its total into the past, once:

    starts --> reports, reports, ... --> no report for 10 s --> folded into the past
                  ^                                                      |
                  |    if it reports after all (a laptop that slept)     |
                  +---- subtracts what was folded, under a new ID <------+

Keys, after a prefix:

    worker:<id>   a hash: a worker's running total, and the number of its last report
    workers       a sorted set: the IDs of the workers, by the time of their last report
    past          a hash: the total of all folded workers, and the number of folds
    folded:<id>   the number of the last report of a folded worker
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis

from course_lib.redis_client import CircuitBreaker, RedisUnavailable, Script

DEAD_AFTER = 10_000  # milliseconds without a report
KEY_TTL = 7 * 86_400_000  # milliseconds

COLLECT = Script(__package__, "collect")
FOLD = Script(__package__, "fold")
REPORT = Script(__package__, "report")

Total = dict[str, Any]  # in a form that JSON can hold; only `combine` knows what's in it


class Workers:
    """Report the total of one worker, and collect the totals of all.

    `prefix` starts all keys. It should contain a name in braces, so that all keys are in the same
    slot of a cluster. `combine(plus, minus)` adds totals and subtracts others.
    """

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        combine: Callable[[Sequence[Total], Sequence[Total]], Total],
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._combine = combine
        self._id = secrets.token_hex(8)
        self._number = 0  # of the last report that is known to have arrived
        self._confirmed: Total | None = None  # the total in that report
        self._unconfirmed: Total | None = None  # a later total that may have arrived
        self._folded: Total | None = None  # the part of the total that's in the past
        self._writing = asyncio.Lock()

    async def write(self, total: Callable[[], Total]) -> None:
        """Write this worker's running total.

        Raises RedisUnavailable if it isn't known to have arrived.
        """
        async with self._writing:
            if self._unconfirmed:
                # Send the same total again, so that its number stands for one total only.
                await self._report(self._unconfirmed)
            await self._report(total())

    async def _report(self, total: Total) -> None:
        self._unconfirmed = total
        unfolded = self._combine([total], [self._folded]) if self._folded else total
        number = self._number + 1
        keys = ["worker:" + self._id, "workers", "folded:" + self._id]
        folded_number = await self._run(
            REPORT, keys, self._id, number, json.dumps(unfolded), KEY_TTL
        )
        if folded_number is None:
            self._number = number
            self._confirmed = total
            self._unconfirmed = None
            return
        # Another worker took this one for dead. Continue as a new worker, without what was folded.
        had_arrived = int(folded_number) == number  # at an earlier attempt, whose reply was lost
        self._folded = total if had_arrived else self._confirmed
        self._id = secrets.token_hex(8)
        self._number = 0
        await self._report(total)

    async def collect(self) -> tuple[Total, int]:
        """Return the combined total of all workers, and the number of live workers.

        Folds dead workers into the past. Raises RedisUnavailable if Redis can't be read.
        """
        keys = ["past", "workers", "worker:"]
        past, folds, *workers = await self._run(COLLECT, keys, DEAD_AFTER)
        ended_totals: list[Total] = [json.loads(past)] if past else []
        live_totals: list[Total] = []
        dead_reports: list[bytes] = []
        for worker, number, total, is_dead in workers:
            if is_dead:
                dead_reports += [worker, number or b"0"]
            if total:
                totals = ended_totals if is_dead else live_totals
                totals.append(json.loads(total))
        if dead_reports:
            new_past = self._combine(ended_totals, [])
            with contextlib.suppress(RedisUnavailable):  # the next reader folds them
                await self._fold(folds, new_past, dead_reports)
            ended_totals = [new_past]
        return self._combine(ended_totals + live_totals, []), len(live_totals)

    async def _fold(self, folds: bytes, new_past: Total, dead_reports: Sequence[bytes]) -> None:
        """Replace the past by `new_past`, unless it has changed or a dead worker has reported.

        `dead_reports` alternates between the ID of a worker and the number of its last report.
        """
        keys = ["past", "workers", "worker:", "folded:"]
        await self._run(FOLD, keys, folds, json.dumps(new_past), KEY_TTL, *dead_reports)

    async def _run(
        self, script: Script, keys: Sequence[str], *arguments: str | bytes | float
    ) -> Any:
        breaker = CircuitBreaker.of(self._redis)
        full_keys = [self._prefix + key for key in keys]
        return await breaker.call(script.run, self._redis, full_keys, *arguments)
