"""Renew the lease of a load while it runs, so that the lease of a dead process ends soon.

    load begins --> RENEW_AFTER seconds --> renew --+-- renewed, or Redis failed --> wait, again
                                                    +-- the lease has gone --------> end

`stop` ends it at any point. A load that blocks its event loop for as long as a lease lasts loses
it, so its value can't be stored.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable

LEASE = 5.0  # seconds that others wait after a process has died
RENEW_AFTER = 2.0  # seconds, so that a renewal may fail once


class LeaseRenewal:
    """Renews a lease until `stop`, or until `renew` returns False.

    A load that takes less than `RENEW_AFTER` seconds costs a timer, and no task.
    """

    def __init__(self, renew: Callable[[], Awaitable[bool]]) -> None:
        self._renew = renew
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._renewed_at = self._loop.time()
        self._timer = self._loop.call_later(RENEW_AFTER, self._start)

    def has_lapsed(self, lease_ms: int) -> bool:
        """Return True if the lease wasn't renewed in time; False if it was taken away."""
        return 1000 * (self._loop.time() - self._renewed_at) > lease_ms

    def stop(self) -> None:
        """Renew the lease no more."""
        self._timer.cancel()
        if self._task:
            self._task.cancel()

    def _start(self) -> None:
        self._task = asyncio.create_task(self._renew_until_gone())

    async def _renew_until_gone(self) -> None:
        while await self._renew():
            self._renewed_at = self._loop.time()
            await asyncio.sleep(RENEW_AFTER)
        self._renewed_at = math.inf  # nothing is left that could lapse
