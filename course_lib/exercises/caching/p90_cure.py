"""Exercise: what brings the P90 of a cached endpoint down."""

from typing import Any, ClassVar

from course_lib.exercises.answers import chosen_letters
from course_lib.exercises.choices import ChoiceExercise
from course_lib.exercises.verdict import brief
from course_lib.lab.bench import percentile


class P90Cure(ChoiceExercise):
    """The P90 is one request of the hundred, and the hit rate decides whether it's a hit."""

    lesson = "caching"
    name = "p90_cure"
    task = """An endpoint serves 85% of its requests from the cache, in 5 ms; the other 15% are
misses and take 500 ms. Its **P90** (the 90th of 100 requests, sorted by latency) has to come down
to under 100 ms. What does it take?

| | |
|---|---|
| a | hits that are twice as fast: 2.5 ms |
| b | misses that are twice as fast: 250 ms |
| c | 89% hits |
| d | 92% hits |
| e | nothing is needed: the average request already takes only 79 ms |

Give one letter."""
    stub = "p90_cure = ...  # a letter, in quotes"
    hints = (
        "Which request is the P90 today: a hit or a miss?",
        "Line up 100 requests, the fastest first: 85 hits, then 15 misses. Count to 90.",
        "However fast hits are, number 90 is a miss as long as fewer than 90 are hits. So what "
        "must go up, by how much?",
    )
    p90_cure = "d"
    praise = (
        "From 90% hits on, the 90th request is a hit: the P90 drops at once from the time of a "
        "miss to the time of a hit."
    )
    refusals: ClassVar = {
        "faster_hits": (
            "The hits end with the 85th request. The 90th is a miss, and faster hits leave it as "
            "slow as it was.",
            "Which request is the 90th, and what would change that one?",
        ),
        "faster_misses": (
            "The 90th request is a miss, so this does help, but only down to 250 ms.",
            "Look for a choice that turns the 90th request into a hit.",
        ),
        "one_hit_short": (
            "With 89 hits the 90th request is the first of the misses, and takes all of their "
            "500 ms.",
            "Count again: how many of the hundred have to be hits?",
        ),
        "mean_for_p90": (
            "79 ms is the mean, and no request takes that long: 85 are far below it, and 15 wait "
            "500 ms. The 90th is one of those 15.",
            "Sort the hundred by latency and count to 90, instead of averaging them.",
        ),
        "not_one_letter": (
            "Give exactly one of the five letters.",
            'Put it in quotes, such as `"a"`.',
        ),
    }
    mistakes: ClassVar = {
        "cure": {
            "a": "faster_hits",
            "b": "faster_misses",
            "c": "one_hit_short",
            "e": "mean_for_p90",
        }
    }
    outcomes: ClassVar = {
        "a": (85, 2.5, 500.0),
        "b": (85, 5.0, 250.0),
        "c": (89, 5.0, 500.0),
        "e": (85, 5.0, 500.0),
    }
    """For each wrong letter: hits of 100 requests, and milliseconds of a hit and of a miss."""

    def choices(self, answer: Any) -> dict[str, str]:
        """Return the letter."""
        letters = chosen_letters(answer)
        if letters is None:
            expected = "a letter from a to e, in quotes"
            self.refuse("wrong_type", got=brief(answer), expected=expected)
        if len(letters) != 1 or not letters <= {self.p90_cure, *self.outcomes}:
            self.refuse("not_one_letter", got=brief(answer), expected="one of a, b, c, d, e")
        return {"cure": letters.pop()}

    def details(self, question: str, choice: Any) -> dict[str, str]:
        """Return the P90 that a wrong choice would leave."""
        hits, hit, miss = self.outcomes[choice]
        p90 = percentile([hit] * hits + [miss] * (100 - hits), 90)
        return {"got": f"{choice}: a P90 of {p90:g} ms", "expected": "under 100 ms"}
