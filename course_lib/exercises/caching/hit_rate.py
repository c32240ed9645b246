"""Exercise: the hit rate of a cache."""

from collections.abc import Callable
from typing import ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.judging import nearly_equal
from course_lib.exercises.verdict import Refusal, brief


class HitRate(Exercise):
    """Hits over lookups, and a number before the first lookup too."""

    lesson = "caching"
    name = "hit_rate"
    task = """A cache counts its `hits` and its `misses`. Write `hit_rate(hits, misses)`: the share
of lookups that were served from the cache, a number from 0 to 1. After 3 hits and 1 miss it's 0.75;
before the first lookup it's 0.0."""
    stub = "def hit_rate(hits, misses):\n    return ..."
    hints = (
        "Each lookup is a hit or a miss. How many lookups were there?",
        "A share is the part divided by the whole.",
        "`lookups = hits + misses`, then divide `hits` by it; but what if `lookups` is still 0?",
    )
    praise = (
        "Hits over lookups, and a number from the first second on: a page can show it, an alert "
        "can compare it."
    )
    refusals: ClassVar = {
        "ratio_of_the_two": (
            "That compares hits with misses; a share compares hits with all lookups.",
            "Divide by all lookups: hits and misses together.",
        ),
        "miss_rate": ("That's the share of misses.", "Divide the hits, not the misses."),
        "percent": (
            "That's the rate in percent; the task asks for a share, from 0 to 1.",
            "Leave the 100 to whatever prints it: `f'{0.75:.0%}'` is 75%.",
        ),
        "whole_numbers": (
            "A share is between 0 and 1, and this one was turned into a whole number.",
            "Divide with `/` instead of `//`, and don't use `int()` or `round()`.",
        ),
        "rounded": (
            "Part of the fraction is lost: at a million requests, the third decimal is a thousand "
            "loads.",
            "Leave rounding to whatever prints the number.",
        ),
        "padded": (
            "Adding something to the denominator avoids the division by zero, and makes every rate "
            "a little too small.",
            "Divide by the lookups themselves, and handle zero lookups separately.",
        ),
        "all_hits": (
            "If there were no misses, every lookup was a hit: the rate is 1.",
            "The special case is a cache without lookups, not one without misses.",
        ),
        "division_by_zero": (
            "Before the first lookup there's nothing to divide by, and your code raises an error.",
            "First check whether there were any lookups; if not, the rate is 0.0.",
        ),
        "nothing_yet": (
            "Right after the first lookup, but before it the rate should be 0.0.",
            "Handle a cache without lookups in a line of its own.",
        ),
        "another_number": (
            "That's not the share of hits.",
            "Start with 3 hits and 1 miss: the answer is 0.75.",
        ),
    }

    @staticmethod
    def hit_rate(hits: int, misses: int) -> float:
        """Return the share of lookups that were served from the cache, from 0 to 1."""
        lookups = hits + misses
        return hits / lookups if lookups else 0.0

    def judge(self, answer: Callable[[int, int], float]) -> None:
        """Try rates that two decimals can write and none can, all hits, no hits, no lookups."""
        self._compare(answer, 7, 13)
        self._compare(answer, 1, 2)
        self._compare(answer, 5, 0, "all_hits")
        self._compare(answer, 1, 0, "all_hits")
        self._compare(answer, 0, 4, "another_number")
        self._nothing_looked_up(answer)

    def _compare(
        self, answer: Callable[[int, int], float], hits: int, misses: int, otherwise: str = ""
    ) -> None:
        result = self.call(answer, hits, misses)
        got = as_number(result)
        rate = hits / (hits + misses)
        call = self.called(hits, misses)
        came_back = brief(result)
        if got is None:
            self.refuse("wrong_type", call=call, got=came_back, expected="a number from 0 to 1")
        if not nearly_equal(got, rate):
            mistake = otherwise or self._mistake(got, hits, misses)
            self.refuse(mistake, call=call, got=came_back, expected=f"{rate:g}")

    def _mistake(self, got: float, hits: int, misses: int) -> str:
        """Return the misconception about a hit rate that leads to this number."""
        lookups = hits + misses
        rate = hits / lookups
        mistakes = {
            "ratio_of_the_two": [hits / misses, misses / hits],
            "miss_rate": [misses / lookups, 100 * misses / lookups],
            "percent": [100 * rate],
            "whole_numbers": [0.0],
            "rounded": [round(rate, decimals) for decimals in range(1, 9)],
        }
        mistake = self.recognize(got, mistakes)
        if mistake:
            return mistake
        is_padded = hits / (lookups + 1) - 1e-9 < got < rate
        return "padded" if is_padded else "another_number"

    def _nothing_looked_up(self, answer: Callable[[int, int], float]) -> None:
        call, expected = self.called(0, 0), "0.0"
        try:
            result = self.call(answer, 0, 0, expected=expected)
        except Refusal as refusal:
            # The second is Decimal's.
            if refusal.got.startswith(("ZeroDivisionError", "InvalidOperation")):
                self.refuse("division_by_zero", call=call, got=refusal.got, expected=expected)
            raise
        if as_number(result) != 0:
            self.refuse("nothing_yet", call=call, got=brief(result), expected=expected)
