"""Ratios, as all lessons state them."""

from collections.abc import Callable
from typing import ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise, brief


class TimesFaster(Exercise):
    """Ratios, as all lessons state them."""

    lesson = "welcome"
    name = "times_faster"
    task = """A request took `before` seconds, and after a cure it takes `after` seconds.
Write `times_faster(before, after)`: how many times faster is it now?
From 2 seconds to 0.5 seconds is 4 times faster."""
    stub = "def times_faster(before, after):\n    return ..."
    hints = (
        "Try it with numbers that you can see: from 10 s to 1 s is 10 times faster.",
        "Which of the two is divided by the other?",
        "`return before / after`",
    )
    praise = "A ratio: the old time over the new. It says the same on a slow machine and on a fast one."
    refusals: ClassVar = {
        "upside_down": (
            "That is the new time over the old: a cure would come out below 1.",
            "Divide the other way round.",
        ),
        "difference": (
            "That is the time saved. It depends on how slow things were to begin with.",
            "Divide instead of subtracting.",
        ),
        "share_saved": (
            "That is the share of the time that was saved: it can never pass 1, or 100%, however good the cure.",
            "Divide the old time by the new.",
        ),
        "one_too_few": (
            "That counts how much is gained beyond the old speed: twice as fast would be called 1.",
            "In this course, from 2 s to 1 s is 2 times faster.",
        ),
        "hides_a_loss": (
            "Here the change made it slower, and your answer calls that faster.",
            "Divide the old time by the new, whichever is longer: a loss comes out below 1.",
        ),
        "rounded": (
            "A part of the fraction is lost.",
            "Divide with `/`, which keeps it, and leave rounding to who prints the number.",
        ),
        "another_number": ("That is not how many times faster it is.", "Start from 10 s and 1 s: the answer is 10."),
    }

    @staticmethod
    def times_faster(before: float, after: float) -> float:
        """How many times faster `after` seconds are than `before` seconds."""
        return before / after

    def judge(self, answer: Callable[[float, float], float]) -> None:
        """Try ratios above and below one, and one that no number of decimals can write down."""
        for before, after in ((3.0, 0.4), (0.5, 2.0), (1.0, 3.0)):
            result = self.call(answer, before, after)
            got, ratio, saved = as_number(result), before / after, before - after
            call, came_back, expected = self.called(before, after), brief(result), f"{ratio:g}"
            if got is None:
                self.refuse("wrong_type", call=call, got=came_back, expected="a number")
            if ratio < 1 <= got:
                self.refuse("hides_a_loss", call=call, got=came_back, expected=expected)
            mistakes = (
                ("upside_down", after / before),
                ("difference", saved),
                ("share_saved", saved / before),
                ("share_saved", 100 * saved / before),
                ("one_too_few", ratio - 1),
                ("one_too_few", 100 * (ratio - 1)),
            )
            for mistake, value in mistakes:
                if abs(got - value) < 1e-9:
                    self.refuse(mistake, call=call, got=came_back, expected=expected)
            if not abs(got - ratio) < 1e-9:  # true of nan as well
                mistake = "rounded" if abs(got - ratio) < 1 else "another_number"
                self.refuse(mistake, call=call, got=came_back, expected=expected)
