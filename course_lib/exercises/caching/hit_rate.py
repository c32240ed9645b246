"""Hits over lookups, and a number before the first lookup too."""

from collections.abc import Callable
from typing import ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise, Refusal, brief


class HitRate(Exercise):
    """Hits over lookups, and a number before the first lookup too."""

    lesson = "caching"
    name = "hit_rate"
    task = """A cache counts its `hits` and its `misses`. Write `hit_rate(hits, misses)`: the share of the lookups that
were answered from the cache, a number from 0 to 1.
After 3 hits and 1 miss it is 0.75; before anything was looked up it is 0.0."""
    stub = "def hit_rate(hits, misses):\n    return ..."
    hints = (
        "Each lookup ends as a hit or as a miss. How many lookups were there?",
        "A share is the part divided by the whole.",
        "`lookups = hits + misses`, then divide `hits` by it; but what if `lookups` is still 0?",
    )
    praise = "Hits over lookups, and a number from the first second on: a page can show it, an alarm can compare it."
    refusals: ClassVar = {
        "ratio_of_the_two": (
            "That sets hits and misses against each other; a share compares the hits with all lookups.",
            "Divide by what was looked up in all: hits and misses together.",
        ),
        "miss_rate": ("That is the share of the misses.", "Put the hits above the line."),
        "percent": (
            "That is the rate in percent; asked for is a share, from 0 to 1.",
            "Leave the 100 to who prints it: `f'{0.75:.0%}'` is 75%.",
        ),
        "whole_numbers": (
            "A share lies between 0 and 1, and this one was made a whole number.",
            "Divide with `/` instead of `//`, and leave `int()` and `round()` away.",
        ),
        "rounded": (
            "A part of the fraction is lost: at a million requests the third decimal is a thousand loads.",
            "Leave rounding to who prints the number.",
        ),
        "padded": (
            "What was added below the line keeps the division from failing, and makes every rate a little too small.",
            "Divide by the lookups themselves, and treat the case of none apart.",
        ),
        "all_hits": (
            "Where nothing was missed, every lookup was a hit: the rate is 1.",
            "Only a cache that was never asked is the special case, not one without misses.",
        ),
        "division_by_zero": (
            "Before the first lookup there is nothing to divide by, and your code raises an error.",
            "Ask first whether anything was looked up; if not, the rate is 0.0.",
        ),
        "nothing_yet": (
            "Right as soon as something was looked up; before that, 0.0 was asked for.",
            "Give the cache that was never asked a line of its own.",
        ),
        "another_number": ("That is not the share of the hits.", "Start from 3 hits and 1 miss: the answer is 0.75."),
    }

    @staticmethod
    def hit_rate(hits: int, misses: int) -> float:
        """The share of the lookups that were answered from the cache, from 0 to 1."""
        lookups = hits + misses
        return hits / lookups if lookups else 0.0

    def judge(self, answer: Callable[[int, int], float]) -> None:
        """Rates that two decimals can write down and that none can, all hits, no hits, and nothing at all."""
        self._compare(answer, 7, 13)
        self._compare(answer, 1, 2)
        self._compare(answer, 5, 0, "all_hits")
        self._compare(answer, 0, 4, "another_number")
        self._nothing_looked_up(answer)

    def _compare(self, answer: Callable[[int, int], float], hits: int, misses: int, otherwise: str = "") -> None:
        result = self.call(answer, hits, misses)
        got, rate = as_number(result), hits / (hits + misses)
        call, came_back = self.called(hits, misses), brief(result)
        if got is None:
            self.refuse("wrong_type", call=call, got=came_back, expected="a number from 0 to 1")
        if not _is(got, rate):
            mistake = otherwise or _rate_mistake(got, hits, misses)
            self.refuse(mistake, call=call, got=came_back, expected=f"{rate:g}")

    def _nothing_looked_up(self, answer: Callable[[int, int], float]) -> None:
        call, expected = self.called(0, 0), "0.0"
        try:
            result = self.call(answer, 0, 0)
        except Refusal as refusal:
            if refusal.got.startswith(("ZeroDivisionError", "InvalidOperation")):  # the latter is Decimal's
                self.refuse("division_by_zero", call=call, got=refusal.got, expected=expected)
            raise
        if as_number(result) != 0:
            self.refuse("nothing_yet", call=call, got=brief(result), expected=expected)


def _rate_mistake(got: float, hits: int, misses: int) -> str:
    """Which misconception about a hit rate gives this number."""
    lookups = hits + misses
    rate = hits / lookups
    known = (
        ("ratio_of_the_two", hits / misses),
        ("ratio_of_the_two", misses / hits),
        ("miss_rate", misses / lookups),
        ("miss_rate", 100 * misses / lookups),
        ("percent", 100 * rate),
        ("whole_numbers", 0.0),
        *(("rounded", round(rate, places)) for places in range(1, 9)),
    )
    for mistake, value in known:
        if _is(got, value):
            return mistake
    return "padded" if hits / (lookups + 1) - 1e-9 < got < rate else "another_number"


def _is(got: float, value: float) -> bool:
    return abs(got - value) < 1e-9
