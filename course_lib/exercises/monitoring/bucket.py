"""Exercise: buckets for durations, each wider than the last by the same factor."""

import math
import random
from collections.abc import Callable
from typing import ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import brief


class Bucket(Exercise):
    """Buckets that grow by a factor: the same relative error for a microsecond and for a day."""

    lesson = "monitoring"
    limit = 3.0
    name = "bucket"
    task = """A monitor can't store every duration. It stores counts, in numbered buckets. Write
`bucket(seconds)`: it returns the whole number of the bucket for a duration from a microsecond
(`1e-6`) to a day (`86_400`), so that

- two durations in the same bucket differ by **at most 2%** (then the middle is within 1% of
  either),
- a longer duration is never in a bucket with a lower number,
- there are no more than 2,000 buckets."""
    imports = "import math\n\n\n"
    stub = imports + "def bucket(seconds):\n    return ..."
    hints = (
        "2% of a microsecond is very little, 2% of a day is half an hour: the buckets have to grow "
        "with the durations.",
        "If each bucket is 1.02 times as wide as the one before, which power of 1.02 is a "
        "duration?",
        "That's its logarithm to base 1.02: `math.log(seconds, 1.02)`. And a bucket has a whole "
        "number.",
    )
    praise = (
        "It goes from a microsecond to a day in at most 2,000 counts, each percentile is "
        "within 1%, and all of it adds up."
    )
    refusals: ClassVar = {
        "equal_widths": (
            "The buckets are equally wide. For long durations that's finer than anyone needs, and "
            "all the short ones are in one bucket.",
            "Let the width grow with the duration: use a logarithm.",
        ),
        "too_wide": (
            "Two durations that differ by more than 2% are in the same bucket.",
            "Start each bucket at 1.02 times the start of the one before.",
        ),
        "too_many": (
            "That makes more than 2,000 buckets: counting would save nothing.",
            "1.02 to the power of 1,273 is a day in microseconds; you need about that many.",
        ),
        "folded": (
            "A longer duration is in a bucket with a lower number, so you can't walk the buckets "
            "from the shortest duration up.",
            "The number may only rise with the duration; `abs` and `%` fold it back.",
        ),
        "not_whole": (
            "That's not a whole number, so nearly every duration is a bucket of its own.",
            "Use `math.floor`.",
        ),
        "round_zero": (
            "`int` rounds towards 0, so the last bucket below 0 and the first one above it become "
            "one, twice as wide.",
            "`math.floor` rounds down on both sides; or start counting at a microsecond.",
        ),
    }

    @staticmethod
    def bucket(seconds):
        """Return the number of the bucket, each 2% wider than the one before."""
        return math.floor(math.log(seconds, 1.02))

    def judge(self, answer: Callable[[float], int]) -> None:
        """Try durations that are 0.4% apart, from a microsecond to a day."""
        durations = _durations()
        in_any_order = random.Random(1).sample(durations, len(durations))
        number_of = {duration: self._number(answer, duration) for duration in in_any_order}
        shortest: dict[int, float] = {}  # the shortest duration of each bucket
        previous = number_of[durations[0]]
        for duration in durations:
            number = number_of[duration]
            call = f"bucket({duration:.4g})"
            if number < previous:
                expected = f"{previous} or more, as for a shorter one"
                self.refuse("folded", call=call, got=str(number), expected=expected)
            start = shortest.setdefault(number, duration)
            if duration > 1.0201 * start:
                mistake = self._why_too_wide(answer, number, duration)
                got = f"{number}, as for {start:.4g} s; this is {duration / start - 1:.2%} longer"
                self.refuse(mistake, call=call, got=got, expected="another bucket")
            previous = number
        if len(shortest) > 2_000:
            got = f"more than {len(shortest):,} buckets"
            self.refuse("too_many", call="bucket, from 1e-6 to 86_400", got=got)

    def _number(self, answer: Callable[[float], int], duration: float) -> int:
        result = self.call(answer, duration)
        number = as_number(result)
        call = f"bucket({duration:.4g})"
        expected = "a whole number"
        if number is None or not math.isfinite(number):
            self.refuse("wrong_type", call=call, got=brief(result), expected=expected)
        if number != int(number):
            self.refuse("not_whole", call=call, got=brief(result), expected=expected)
        return int(number)

    def _why_too_wide(self, answer: Callable[[float], int], number: int, duration: float) -> str:
        """Return the misconception behind a bucket that's too wide."""
        if number == 0:
            above = self._number(answer, duration * 1.03)
            below = self._number(answer, duration / 1.03)
            if (below, above) == (-1, 1):
                return "round_zero"
        low = self._number(answer, 80_000.0)
        middle = self._number(answer, 82_000.0)
        high = self._number(answer, 84_000.0)
        has_equal_widths = high - middle == middle - low > 100
        return "equal_widths" if has_equal_widths else "too_wide"


def _durations() -> list[float]:
    """Return durations from a microsecond to a day, in seconds, each 0.4% longer than the last."""
    steps = int(math.log(86_400e6, 1.004)) + 1
    durations = [1e-6 * 1.004**step for step in range(steps)]
    return [*durations, 86_400.0]
