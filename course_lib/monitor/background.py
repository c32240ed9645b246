"""Run what a monitor does besides counting: measure event-loop lag, and report once a second.

app starts --+                                          +-- app ends --> a last report
             +--> one task in the loop of the requests -+
first request (if the server runs no lifespan) --+      +-- the loop ends its tasks --> the same
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context

from course_lib.monitor.lag import measure_lag

REPORT_INTERVAL = 1  # seconds between two reports

log = logging.getLogger(__package__)


class Background:
    """Run the background task of a monitor. `report` is None if there is nothing to report to."""

    def __init__(
        self,
        count_lag: Callable[[Sequence[float]], None],
        report: Callable[[], Awaitable[object]] | None,
    ) -> None:
        self.is_running = False
        self._has_warned = False
        self._count_lag = count_lag
        self._report = report
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task in the running event loop. Does nothing if it runs already.

        Logs a warning if the loop isn't asyncio's, as in `hypercorn -k trio`.
        """
        if self._task and not self._task.done() and not self._task.get_loop().is_closed():
            return
        self.is_running = True
        running = self._run()
        try:
            # In a context of its own: it outlives the request that may have started it. Task
            # factories needn't have an argument for one.
            self._task = Context().run(asyncio.create_task, running)
        except RuntimeError:
            running.close()
            self.is_running = False  # so that the next request tries again
            self._warn()

    def _warn(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "The monitor counts requests, but measures no lag and reports nothing to other "
                "workers: it needs asyncio, and no event loop of asyncio is running"
            )

    async def stop(self) -> None:
        """End the task with a last report. Does nothing if it doesn't run."""
        task, self._task = self._task, None
        if task and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if self.is_running:  # it was cancelled before it began
                await self._end()

    def forget(self) -> None:
        """Forget the task of a parent process, which doesn't run in its forked child."""
        self.is_running = False
        self._task = None

    async def _run(self) -> None:
        try:
            await asyncio.gather(measure_lag(self._count_lag), self._report_regularly())
        except Exception:
            log.exception("The monitor's background task failed; the next request restarts it")
        finally:
            await self._end()

    async def _end(self) -> None:
        self.is_running = False
        try:
            if self._report:
                await self._report()
        except Exception:
            log.exception("The monitor's last report failed")

    async def _report_regularly(self) -> None:
        task = asyncio.current_task()
        # A cancellation can be lost in a report, if a time limit ends the same wait.
        while self._report and task and not task.cancelling():
            await self._report()
            if not task.cancelling():
                await asyncio.sleep(REPORT_INTERVAL)
