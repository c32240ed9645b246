"""Buckets that grow by a factor: the same relative error for a microsecond and for a day."""

import math
from collections.abc import Callable
from typing import ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import brief


class Bucket(Exercise):
    """Buckets that grow by a factor: the same relative error for a microsecond and for a day."""

    lesson = "monitoring"
    name = "bucket"
    task = """A monitor cannot keep every duration. It keeps counts, in numbered buckets. Write `bucket(seconds)`: the
whole number of the bucket for a duration from a microsecond (`1e-6`) to a day (`86_400`), so that

- two durations in the same bucket differ by **2% at most** (then the middle is within 1% of either),
- a longer duration is never in a bucket with a lower number,
- there are no more than 2,000 buckets."""
    imports = "import math\n\n\n"
    stub = imports + "def bucket(seconds):\n    return ..."
    hints = (
        "2% of a microsecond is very little, 2% of a day half an hour: the buckets must grow with the durations.",
        "If each bucket is 1.02 times as wide as the one before, which power of 1.02 is a duration?",
        "That is its logarithm to the base 1.02: `math.log(seconds, 1.02)`. And a bucket has a whole number.",
    )
    praise = "From a microsecond to a day in less than 1,300 counts, each percentile within 1%, and all of it adds up."
    refusals: ClassVar = {
        "equal_widths": (
            "The buckets are equally wide. For long durations that is finer than anybody needs, and all of the short "
            "ones lie in one.",
            "Let the width grow with the duration: use a logarithm.",
        ),
        "too_wide": (
            "Two durations that differ by more than 2% lie in one bucket.",
            "Let each bucket begin at 1.02 times the beginning of the one before.",
        ),
        "too_many": (
            "That makes more than 2,000 buckets: nothing would be saved by counting.",
            "1.02 to the power of 1,273 is a day in microseconds; about so many are needed.",
        ),
        "folded": (
            "A longer duration lies in a bucket with a lower number, so nobody can walk from the quickest up.",
            "The number must only rise with the duration; `abs` and `%` fold it back.",
        ),
        "not_whole": (
            "That is not a whole number, so nearly every duration is a bucket of its own.",
            "`math.floor`.",
        ),
        "round_zero": (
            "`int` cuts towards 0, so the last bucket below 0 and the first above it are one, of twice the width.",
            "`math.floor` goes down on both sides; or begin to count at a microsecond.",
        ),
    }

    @staticmethod
    def bucket(seconds):
        """The number of the bucket, each 2% wider than the one before."""
        return math.floor(math.log(seconds, 1.02))

    def judge(self, answer: Callable[[float], int]) -> None:
        """Durations that are 0.4% apart, from a microsecond to a day."""
        durations = [1e-6 * 1.004**step for step in range(int(math.log(86_400e6, 1.004)) + 1)]
        numbers = [self._number(answer, duration) for duration in durations]
        begins: dict[int, float] = {}
        for duration, number, before in zip(
            durations, numbers, [numbers[0], *numbers], strict=False
        ):
            call = f"bucket({duration:.4g})"
            if number < before:
                self.refuse(
                    "folded",
                    call=call,
                    got=str(number),
                    expected=f"{before} or more, as for a shorter one",
                )
            first = begins.setdefault(number, duration)
            if duration > 1.0201 * first:
                got = f"{number}, as for {first:.4g} s, a time {duration / first - 1:.1%} shorter or more"
                self.refuse(
                    self._too_wide(answer, number, duration),
                    call=call,
                    got=got,
                    expected="another bucket",
                )
        if len(begins) > 2_000:
            self.refuse(
                "too_many",
                call="bucket, from 1e-6 to 86_400",
                got=f"more than {len(begins):,} buckets",
            )

    def _number(self, answer: Callable[[float], int], duration: float) -> int:
        result = self.call(answer, duration)
        number = as_number(result)
        call = f"bucket({duration:.4g})"
        if number is None or not math.isfinite(number):
            self.refuse("wrong_type", call=call, got=brief(result), expected="a whole number")
        if number != int(number):
            self.refuse("not_whole", call=call, got=brief(result), expected="a whole number")
        return int(number)

    def _too_wide(self, answer: Callable[[float], int], number: int, duration: float) -> str:
        if (
            number == 0
            and self._number(answer, duration * 1.03) == 1
            and self._number(answer, duration / 1.03) == -1
        ):
            return "round_zero"
        longest = [self._number(answer, seconds) for seconds in (80_000.0, 82_000.0, 84_000.0)]
        return (
            "equal_widths"
            if longest[2] - longest[1] == longest[1] - longest[0] > 100
            else "too_wide"
        )
