"""What the workers of a service have counted, each for itself, added up through Redis.

Each worker writes its running total under a key of its own, and readers add up: so a report may be lost, or sent again.
A worker that has not reported for ten seconds is taken for dead, and whoever looks next folds its total into the past,
once. Should it come back after all (a laptop that slept), it takes what was folded in off its total, and goes on as
another worker. Keys, after a prefix:

    worker:<id>   a hash: the running total of a worker, and the number of its report
    workers       a sorted set: the workers, by the moment of their last report
    past          a hash: the total of those that have ended, and how often one was folded in
    folded:<id>   the number of the report of a worker that was folded in
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis

from course_lib.redis_client import CircuitBreaker, RedisUnavailable, Script

DEAD_AFTER, LIFE = 10_000, 7 * 86_400_000  # milliseconds: without a report; of our keys

REPORT, COLLECT, FOLD = (
    Script(__package__, "report"),
    Script(__package__, "collect"),
    Script(__package__, "fold"),
)

Total = dict[str, Any]  # as JSON can hold it; what is in it, `combine` knows


class Workers:
    """The totals of all workers, to one of them.

    `prefix` begins all keys: let it hold a name in braces, so that they share a slot of a cluster. `combine(plus,
    minus)` adds totals up and takes others off.
    """

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        combine: Callable[[Sequence[Total], Sequence[Total]], Total],
    ) -> None:
        self._redis, self._prefix, self._combine = redis, prefix, combine
        self._own, self._number = secrets.token_hex(8), 0
        # Totals of ours: the one that is known to have arrived, one that may have, and what is in the past already.
        self._written: Total | None = None
        self._unsure: Total | None = None
        self._folded: Total | None = None
        self._writing = asyncio.Lock()

    async def write(self, total: Callable[[], Total]) -> None:
        """Write this worker's running total. RedisUnavailable where that is not known to have succeeded."""
        async with self._writing:
            if self._unsure:
                await self._report(self._unsure)  # the same again, for it may have arrived
            await self._report(total())

    async def _report(self, total: Total) -> None:
        self._unsure = total
        content = json.dumps(self._combine([total], [self._folded]) if self._folded else total)
        keys = ["worker:" + self._own, "workers", "folded:" + self._own]
        folded = await self._run(REPORT, keys, self._own, self._number + 1, content, LIFE)
        if folded is None:
            self._number, self._written, self._unsure = self._number + 1, total, None
            return
        self._folded = total if int(folded) > self._number else self._written
        self._own, self._number = secrets.token_hex(8), 0
        await self._report(total)

    async def collect(self) -> tuple[Total, int]:
        """What all have counted, and how many of them live. RedisUnavailable where that is not known."""
        content, folds, *workers = await self._run(
            COLLECT, ["past", "workers", "worker:"], DEAD_AFTER
        )
        dead = [worker for worker in workers if worker[3]]
        past = [json.loads(each) for each in [content, *(total for _, _, total, _ in dead)] if each]
        if dead:
            past = [self._combine(past, [])]
            reports = [part for worker, number, *_ in dead for part in (worker, number or 0)]
            with contextlib.suppress(RedisUnavailable):  # whoever looks next does it
                keys = ["past", "workers", "worker:", "folded:"]
                await self._run(FOLD, keys, folds, json.dumps(past[0]), LIFE, *reports)
        living = [json.loads(total) for _, _, total, is_dead in workers if total and not is_dead]
        return self._combine(past + living, []), len(living)

    async def _run(
        self, script: Script, keys: Sequence[str], *arguments: str | bytes | float
    ) -> Any:
        keys = [self._prefix + key for key in keys]
        return await CircuitBreaker.of(self._redis).call(script.run, self._redis, keys, *arguments)
