"""Exercise: the longest TTL that keeps a promise about staleness."""

import math
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import brief


class ChooseTtl(Exercise):
    """A value is already as old as its load took, and the TTL comes on top."""

    lesson = "caching"
    name = "choose_ttl"
    task = """The figures on a page may be **at most 5 seconds old**. A load takes 1 second, and its
value shows how things were when the load *started*. The value is stored as soon as the load is
done, and the TTL starts when it's stored. Nothing is ever invalidated. What is the longest TTL, in
seconds, that keeps the promise?"""
    stub = "choose_ttl = ...  # seconds"
    hints = (
        "Follow one value: its load starts, the value is stored, its TTL ends. How old is it each "
        "time?",
        "When the TTL starts, the value isn't new anymore.",
        "The load and the TTL, one after the other, may take 5 seconds together and no more.",
    )
    choose_ttl = 4
    praise = (
        "Load and TTL add up to the greatest age that a reader can see, so 4 seconds is the "
        "longest (a little less is a margin). That bound holds even if an invalidation is missed."
    )
    refusals: ClassVar = {
        "forgets_load": (
            "The value is already a second old when it's stored: with 5 more, it's served until "
            "it's 6 seconds old.",
            "Subtract the time of the load.",
        ),
        "adds_load": (
            "The load makes the value older, so it leaves less time for the TTL; you added it.",
            "Subtract the time of the load.",
        ),
        "milliseconds": (
            "The TTL is in seconds here, like `EX` in Redis: this one is longer than an hour.",
            "Give seconds.",
        ),
        "too_long": (
            "Near the end of this TTL the page shows figures that are older than it promises. A "
            "longer TTL saves loads, at the cost of stale values.",
            "Work backwards: when it's served for the last time, a value may be 5 seconds old.",
        ),
        "no_ttl": (
            "Without a TTL the value stays forever, and nothing else removes it here: the page "
            "would never change.",
            "Give the number of seconds after which the value has to go.",
        ),
        "no_cache": (
            "Redis rejects a TTL of zero or less; and without a cache, every request would wait "
            "for a load.",
            "The promise leaves you some seconds: how many?",
        ),
        "gives_up_hits": (
            "That keeps the promise, but loads more often than it has to.",
            "How much longer could the value stay before it's too old?",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Accept four, or a little less to be on the safe side."""
        if answer is None:
            self.refuse("no_ttl", got="None")
        seconds = as_number(answer)
        if seconds is None or math.isnan(seconds):
            quotes = ", without quotes" if isinstance(answer, str) else ""
            expected = f"a number of seconds{quotes}"
            self.refuse("wrong_type", got=brief(answer), expected=expected)
        mistakes = {
            "no_cache": seconds <= 0,
            "gives_up_hits": seconds < 3.5,
            "forgets_load": seconds == 5,
            "adds_load": seconds == 6,
            "milliseconds": seconds in (4_000, 5_000, 6_000),
            "too_long": seconds > 4,
        }
        self.refuse_first(mistakes, got=brief(answer))
