"""Exercise: an approximate sliding window, with two counters.

     previous window            current window
|----------------------|---------------|------|
               |<------- seconds ----->| now
its share of the last `seconds` shrinks from 1 to 0 while the current window passes
"""

from collections.abc import Sequence
from typing import ClassVar

from course_lib.exercises.timed_exercise import TimedExercise


class TwoCounters(TimedExercise):
    """Two numbers for each client instead of a log: nearly as good, except for bursts."""

    name = "two_counters"
    task = """The cheap sliding window. Windows begin at multiples of `seconds`, and each has a
counter. Only a share of the previous window is still within the last `seconds`: all of it when a
window begins, half of it halfway through. A request is allowed if

    that share * the count of the previous window + the count of this window, this request included

is at most `limit`. Write `two_counters(redis, key, limit, seconds, now)`; `now` is in seconds, and
the check sets it. As in `sliding_log`, send the commands together, and take back a request that
isn't allowed.

1. **count**: `p.incr` on this window's key, and **expire**: the key is needed until the next window
   ends
2. **look** at the previous window: `p.get`; the result is None if there's no such key
3. **weigh** the two
4. **take back** the count if the request isn't allowed, with `await redis.decr(...)`; and
   **return**"""
    stub = """async def two_counters(redis, key, limit, seconds, now):
    window = int(now // seconds)
    async with redis.pipeline() as p:
        p.incr(f"{key}:{window}")  # 1 count
        ...  # and expire
        ...  # 2 look
        answers = await p.execute()
    # 3 weigh
    # 4 take back
    return ...  # and return"""
    hints = (
        "The previous window has the number `window - 1`. Its key still has to exist, so a key "
        "needs a TTL of two windows.",
        "`now % seconds` seconds of this window have passed. So what share of the previous window "
        "is left?",
        "`1 - now % seconds / seconds`, times `int(answers[2] or 0)`, plus `answers[0]`: compare "
        "that with `limit`.",
    )
    praise = (
        "It keeps two numbers for each client, however many requests it sends; and a rejected "
        "request doesn't count."
    )
    windows_kept = 2
    refusals: ClassVar = {
        "another_clock": (
            "Your answer doesn't use the time it's given: the check sets `now`, and you look at "
            "another clock.",
            "Use `now` wherever you need the time.",
        ),
        "only_this_window": (
            "The previous window doesn't count: that's the fixed window, which allows two bursts "
            "at the boundary.",
            "Step 2: read the counter of `window - 1`, and add its share.",
        ),
        "whole_window_before": (
            "The previous window counts in full until this one ends.",
            "Only a share of it is within the last `seconds`: `1 - now % seconds / seconds`.",
        ),
        "share_upside_down": (
            "The share grows as the previous window recedes.",
            "It's what is left: 1 when a window begins, 0 when it ends.",
        ),
        "share_in_seconds": (
            "The previous window counts for far too much: you weigh it with the seconds that are "
            "left of it, not with a share.",
            "Divide by `seconds`: a share is between 0 and 1.",
        ),
        "itself_left_out": (
            "This request wasn't counted with the others, so one too many is allowed.",
            "`incr` returns the count with this request in it; compare it with `limit` as is.",
        ),
        "itself_twice": (
            "This request is counted twice, so the last one that should be allowed is rejected.",
            "`incr` returns the count with this request in it; compare it with `limit` as is.",
        ),
        "rounded_down": (
            "Sometimes one too many is allowed: you rounded the weighted count down to a whole "
            "number, or compared it without this request.",
            "Weigh with this request in it, and compare the number as is.",
        ),
        "refused_resets": (
            "A rejected request removed the counter: the next ones were all allowed.",
            "Step 4 takes back one: `await redis.decr(...)` on this window's key.",
        ),
        "refused_counted": (
            "Rejected requests count: a client that keeps retrying is locked out for longer and "
            "longer.",
            "Step 4: if the request isn't allowed, `await redis.decr(...)` on this window's key.",
        ),
    }

    @staticmethod
    async def two_counters(redis, key, limit, seconds, now):
        """Return whether one more request is allowed, by this window and the previous one."""
        window = int(now // seconds)
        async with redis.pipeline() as p:
            p.incr(f"{key}:{window}")
            p.expire(f"{key}:{window}", 2 * seconds)
            p.get(f"{key}:{window - 1}")
            answers = await p.execute()
        share = 1 - now % seconds / seconds
        is_allowed = answers[0] + share * int(answers[2] or 0) <= limit
        if not is_allowed:
            await redis.decr(f"{key}:{window}")
        return is_allowed

    def model(
        self, times: Sequence[float], limit: int, seconds: float, mistake: str = ""
    ) -> list[bool]:
        """Count the allowed requests of this window and of the previous one."""
        counts: dict[float, int] = {}
        decisions = []
        own = {"itself_left_out": 0, "itself_twice": 2}.get(mistake, 1)
        for now in times:
            window = 0 if mistake == "another_clock" else now // seconds
            share = _share(now, seconds, mistake)
            weighted = share * counts.get(window - 1, 0) + counts.get(window, 0)
            if mistake == "rounded_down":
                weighted = int(weighted)
            is_allowed = weighted + own <= limit - (mistake == "one_too_few") / 1_000
            decisions.append(is_allowed)
            if mistake == "refused_resets" and not is_allowed:
                counts.pop(window, None)
            counts[window] = counts.get(window, 0) + (is_allowed or mistake == "refused_counted")
        return decisions


def _share(now: float, seconds: float, mistake: str) -> float:
    """Return the share of the previous window that counts."""
    share = 1 - now % seconds / seconds
    shares = {
        "only_this_window": 0,
        "another_clock": 0,
        "whole_window_before": 1,
        "share_upside_down": 1 - share,
        "share_in_seconds": seconds * share,
    }
    return shares.get(mistake, share)
