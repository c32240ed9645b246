"""A value is as old as its load, and the TTL comes on top."""

import math
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise, brief


class ChooseTtl(Exercise):
    """A value is as old as its load, and the TTL comes on top."""

    lesson = "caching"
    name = "choose_ttl"
    task = """The figures on a page may be **at most 5 seconds old**. A load takes 1 second, and its value shows how
things were when the load *began*. It is stored as soon as the load is done, and Redis counts the TTL from the store.
Nothing is ever invalidated.
Which is the longest TTL, in seconds, that keeps the promise?"""
    stub = "choose_ttl = ...  # seconds"
    hints = (
        "Follow one value: its load begins, its load is done and it is stored, its TTL ends. How old is it each time?",
        "When Redis begins to count, the value is no longer new.",
        "What a load takes and the TTL, one after the other, may together make 5 seconds and no more.",
    )
    choose_ttl = 4
    praise = (
        "The load and the TTL together are the greatest age that a reader can meet, so 4 seconds are the longest (a "
        "little less is a margin): a bound that holds even where an invalidation was missed."
    )
    refusals: ClassVar = {
        "forgets_load": (
            "The value is a second old when it is stored: with 5 more it is served until it is 6 seconds old.",
            "Take off what the load takes.",
        ),
        "adds_load": (
            "The load makes the value older, so it shortens what is left; here it was added.",
            "Take off what the load takes.",
        ),
        "milliseconds": (
            "A TTL is given in seconds here, as to `EX` in Redis: this one is longer than an hour.",
            "Give seconds.",
        ),
        "too_long": (
            "Near the end of such a TTL the page shows figures older than it promises. A longer TTL saves loads and "
            "is paid for with age.",
            "Work it out backwards: served for the last time, a value may be 5 seconds old.",
        ),
        "no_ttl": (
            "Without a TTL the value stays for ever, and here nothing else removes it: the page would stand still.",
            "Give the number of seconds after which it must go.",
        ),
        "no_cache": (
            "Redis refuses a TTL of zero or less; and with no cache at all every request would wait for its load.",
            "There is room for some seconds: how many?",
        ),
        "gives_up_hits": (
            "That keeps the promise, but loads more often than it has to.",
            "How much longer could the value stay before it is too old?",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Four, or a little less to be on the safe side."""
        if answer is None:
            self.refuse("no_ttl", got="None")
        seconds = as_number(answer)
        if seconds is None or math.isnan(seconds):
            quotes = ", without quotes" if isinstance(answer, str) else ""
            self.refuse("wrong_type", got=brief(answer), expected=f"a number of seconds{quotes}")
        for mistake, made in {
            "no_cache": seconds <= 0,
            "gives_up_hits": seconds < 3.5,
            "forgets_load": seconds == 5,
            "adds_load": seconds == 6,
            "milliseconds": seconds in (4_000, 5_000, 6_000),
            "too_long": seconds > 4,
        }.items():
            if made:
                self.refuse(mistake, got=brief(answer))
