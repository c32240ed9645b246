"""The exercise of the welcome: how exercises work, learned on something small."""

from collections.abc import Callable
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.judging import nearly_equal
from course_lib.exercises.verdict import brief


class TimesFaster(Exercise):
    """Ratios, as all lessons state them."""

    lesson = "welcome"
    name = "times_faster"
    task = """A request took `before` seconds; after a fix it takes `after` seconds.
Write `times_faster(before, after)`: how many times faster is it now?
From 2 seconds to 0.5 seconds is 4 times faster."""
    stub = "def times_faster(before, after):\n    return ..."
    hints = (
        "Try it with numbers you can picture: from 10 s to 1 s is 10 times faster.",
        "Which of the two do you divide by the other?",
        "`return before / after`",
    )
    praise = (
        "That's a ratio: the old time over the new. It means the same on a slow machine and on a "
        "fast one."
    )
    refusals: ClassVar = {
        "upside_down": (
            "That's the new time over the old: an improvement would come out below 1.",
            "Divide the other way around.",
        ),
        "difference": (
            "That's the time saved. It depends on how slow things were to begin with.",
            "Divide instead of subtracting.",
        ),
        "share_saved": (
            "That's the share of the time that was saved: it can never exceed 1, or 100%, no "
            "matter how good the fix is.",
            "Divide the old time by the new.",
        ),
        "percent": (
            "That's a percentage: a hundred times the number that the task asks for.",
            "Leave out the 100: 4 times faster is 4.",
        ),
        "one_too_few": (
            "That's the gain on top of the old speed: for something twice as fast, it gives 1.",
            "In this course, from 2 s to 1 s is 2 times faster.",
        ),
        "hides_a_loss": (
            "Here the change made it slower, and your answer calls that faster.",
            "Divide the old time by the new, whichever is longer: a loss comes out below 1.",
        ),
        "loss_is_a_ratio": (
            "Here the change made it slower, and your answer isn't the ratio of the two times: a "
            "loss is a ratio too, between 0 and 1.",
            "Divide the old time by the new, whichever is longer, without an `if`.",
        ),
        "rounded": (
            "Part of the fraction is lost.",
            "Divide with `/`, which keeps it. Round only when you print the number.",
        ),
        "another_number": (
            "That's not how many times faster it is.",
            "Start with 10 s and 1 s: the answer is 10.",
        ),
    }

    @staticmethod
    def times_faster(before: float, after: float) -> float:
        """Return how many times faster `after` seconds are than `before` seconds."""
        return before / after

    def judge(self, answer: Callable[[float, float], float]) -> None:
        """Try ratios above and below one, far above it, and one that decimals can't write down."""
        for before, after in ((3.0, 0.4), (0.5, 2.0), (1.0, 3.0), (30.0, 0.05)):
            result = self.call(answer, before, after)
            self._compare(result, before, after)

    def _compare(self, result: Any, before: float, after: float) -> None:
        call, came_back = self.called(before, after), brief(result)
        got = as_number(result)
        if got is None:
            self.refuse("wrong_type", call=call, got=came_back, expected="a number")
        ratio = before / after
        saved = before - after
        expected = f"{ratio:g}"
        if ratio < 1 <= got and not nearly_equal(got, 100 * ratio):
            self.refuse("hides_a_loss", call=call, got=came_back, expected=expected)
        mistakes = {
            "upside_down": [after / before],
            "difference": [saved],
            "share_saved": [saved / before, 100 * saved / before],
            "percent": [100 * ratio],
            "one_too_few": [ratio - 1, 100 * (ratio - 1)],
        }
        mistake = self.recognize(got, mistakes)
        if not mistake and ratio < 1 and got <= 0:
            mistake = "loss_is_a_ratio"
        if not mistake and not nearly_equal(got, ratio):  # true of NaN as well
            mistake = "rounded" if abs(got - ratio) < 1 else "another_number"
        if mistake:
            self.refuse(mistake, call=call, got=came_back, expected=expected)
