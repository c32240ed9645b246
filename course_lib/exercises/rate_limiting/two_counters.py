"""Two numbers a client instead of a log: nearly as good on steady traffic, and not on bursts."""

from collections.abc import Sequence
from typing import ClassVar

from course_lib.exercises.window_exercise import TimedExercise


class TwoCounters(TimedExercise):
    """Two numbers a client instead of a log: nearly as good on steady traffic, and not on bursts."""

    name = "two_counters"
    task = """The cheap sliding window. Windows begin at multiples of `seconds`, and each has a counter. Of the window
before, only a share still lies within the last `seconds`: all of it when a window begins, half of it at half time. A
request passes where

    that share * the count of the window before + the count of this window, itself included

is at most `limit`. Write `two_counters(redis, key, limit, seconds, now)`; `now` is the time in seconds, and the check
turns it. As in `sliding_log`, the commands go together, and what may not pass is taken back.

1. **count**: `p.incr` on this window's key, and **expire**: it is asked for until the next window ends
2. **look** at the window before: `p.get`; where there was none, the answer is None
3. **weigh** the two
4. **take back** what may not pass, with `await redis.decr(...)`; and **answer**"""
    stub = """async def two_counters(redis, key, limit, seconds, now):
    window = int(now // seconds)
    async with redis.pipeline() as p:
        p.incr(f"{key}:{window}")  # 1 count
        ...  # and expire
        ...  # 2 look
        answers = await p.execute()
    # 3 weigh
    # 4 take back
    return ...  # and answer"""
    hints = (
        "The window before has the number `window - 1`. Its key must still be there, so a key lives for two windows.",
        "`now % seconds` seconds of this window have passed. What share of the window before is left, then?",
        "`1 - now % seconds / seconds`, times `int(answers[2] or 0)`, plus `answers[0]`: compare that with `limit`.",
    )
    praise = "Two numbers a client, however many requests come; and who is refused does not count."
    windows_kept = 2
    refusals: ClassVar = {
        "another_clock": (
            "The time that you were given was not used: the check turns the clock, and your answer looks at another.",
            "Take `now` wherever a time is needed.",
        ),
        "only_this_window": (
            "The window before does not count: that is the fixed window, with its double rush at the boundary.",
            "Step 2: read the counter of `window - 1`, and add its share.",
        ),
        "whole_window_before": (
            "The window before counts in full until this one ends.",
            "Only a share of it lies within the last `seconds`: `1 - now % seconds / seconds`.",
        ),
        "share_upside_down": (
            "The share grows while the window before moves away.",
            "It is what is left: 1 when a window begins, 0 when it ends.",
        ),
        "itself_left_out": (
            "This request was not counted with the others, so one too many passes.",
            "`incr` gives the count with this request in it; compare it with `limit` as it is.",
        ),
        "rounded_down": (
            "Now and then one too many passes: the weighed count was cut to a whole number, or it was below `limit` "
            "before this request and above it afterwards.",
            "Weigh with this request in it, and compare the number as it is.",
        ),
        "refused_counted": (
            "Refused requests count: who goes on knocking is kept out for longer and longer.",
            "Step 4: where it may not pass, `await redis.decr(...)` on this window's key.",
        ),
    }

    @staticmethod
    async def two_counters(redis, key, limit, seconds, now):
        """Whether one more request of this client may pass, by this window and the one before."""
        window = int(now // seconds)
        async with redis.pipeline() as p:
            p.incr(f"{key}:{window}")
            p.expire(f"{key}:{window}", 2 * seconds)
            p.get(f"{key}:{window - 1}")
            answers = await p.execute()
        share = 1 - now % seconds / seconds
        passes = answers[0] + share * int(answers[2] or 0) <= limit
        if not passes:
            await redis.decr(f"{key}:{window}")
        return passes

    def model(
        self, moments: Sequence[float], limit: int, seconds: float, mistake: str = ""
    ) -> list[bool]:
        """Count who passed in this window and in the one before."""
        counts: dict[float, int] = {}
        passed = []
        for now in moments:
            window = 0 if mistake == "another_clock" else now // seconds
            share = 1 - now % seconds / seconds
            shares = {
                "only_this_window": 0,
                "another_clock": 0,
                "whole_window_before": 1,
                "share_upside_down": 1 - share,
            }
            weighed = shares.get(mistake, share) * counts.get(window - 1, 0) + counts.get(window, 0)
            if mistake == "rounded_down":
                weighed = int(weighed)
            passed.append(weighed + (mistake != "itself_left_out") <= limit)
            counts[window] = counts.get(window, 0) + (passed[-1] or mistake == "refused_counted")
        return passed
