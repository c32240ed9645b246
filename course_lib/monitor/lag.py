"""Event-loop lag: how late the loop runs a callback that is due.

A request that waits for a blocked loop hasn't started yet, so no timer inside the request can see
that wait. Instead, a task checks the loop at a fixed interval and measures how late each check is:

    on time      check     check     check     check     check     check
    measured     check     check [ --- blocked --- ] check     check
    lag, in s      0         0                        0.2         0
                                                   and 0.1 for the check it skipped

A check that was skipped counts too, with the lag that it would have had. Otherwise a loop that is
blocked for a second would count once, though it delayed every request of that second.
"""

import asyncio
from collections.abc import Callable, Sequence

INTERVAL = 0.1  # seconds between two checks
MAX_SKIPPED = 600  # checks counted after one pause, because a laptop may have slept all night


async def measure_lag(record: Callable[[Sequence[float]], None]) -> None:
    """Pass the lag of each check, in seconds, to `record`. Runs until it's cancelled."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due += INTERVAL
        await asyncio.sleep(due - loop.time())
        lag = max(loop.time() - due, 0.0)
        skipped = int(lag / INTERVAL)
        checks = min(skipped, MAX_SKIPPED) + 1
        # Rounding could make the last one a little less than 0.
        record([max(lag - number * INTERVAL, 0.0) for number in range(checks)])
        due += skipped * INTERVAL
