"""The P90 is one request of the hundred, and the hit rate decides whether it is a hit."""

from typing import Any, ClassVar

from course_lib.exercises.answers import chosen_letters
from course_lib.exercises.engine import Exercise, brief
from course_lib.lab.bench import percentile


class P90Cure(Exercise):
    """The P90 is one request of the hundred, and the hit rate decides whether it is a hit."""

    lesson = "caching"
    name = "p90_cure"
    task = """Of an endpoint's requests 85% are hits, answered in 5 ms, and 15% are misses, in 500 ms. Its **P90** (the
90th of 100 requests that are sorted by their time) is to come under 100 ms. Which of these brings it there?

| | |
|---|---|
| a | hits that are twice as fast: 2.5 ms |
| b | misses that are twice as fast: 250 ms |
| c | 89% hits |
| d | 92% hits |
| e | nothing is needed: on average a request takes 79 ms already |

Give one letter."""
    stub = "p90_cure = ...  # a letter, in quotes"
    hints = (
        "Which request is the P90 today: a hit or a miss?",
        "Draw a line of 100 requests, the fastest first: 85 hits stand in front, 15 misses behind. Count to 90.",
        "Whatever the hits take, number 90 is a miss as long as fewer than 90 are hits. So what must rise, how far?",
    )
    p90_cure = "d"
    praise = "From 90% hits on, the 90th request is a hit: the P90 falls at once from a miss's time to a hit's."
    refusals: ClassVar = {
        "faster_hits": (
            "The hits end at the 85th request. The 90th is a miss, and a faster hit leaves it as slow as it was.",
            "Ask which request is the 90th, and what would change that one.",
        ),
        "faster_misses": (
            "The 90th request is a miss, so this does help, but only as far as 250 ms.",
            "Look for a choice after which the 90th is no miss at all.",
        ),
        "one_hit_short": (
            "With 89 hits the 90th request is the first of the misses, and takes all of their 500 ms.",
            "Count once more: how many of the hundred must be hits?",
        ),
        "mean_for_p90": (
            "79 ms is the mean, which no request takes: 85 are far under it, and 15 wait 500 ms. The 90th is one of "
            "those 15.",
            "Sort the hundred by their time and count to 90, instead of averaging them.",
        ),
        "not_one_letter": ("Exactly one of the five letters is asked for.", 'Give it in quotes, such as `"a"`.'),
    }
    cures: ClassVar = {"a": (85, 2.5, 500.0), "b": (85, 5.0, 250.0), "c": (89, 5.0, 500.0), "e": (85, 5.0, 500.0)}
    """For each cure that is too weak: the hits of 100 requests, and the milliseconds of a hit and of a miss."""
    mistakes: ClassVar = {"a": "faster_hits", "b": "faster_misses", "c": "one_hit_short", "e": "mean_for_p90"}

    def judge(self, answer: Any) -> None:
        """One letter; for a wrong one, the P90 that it would leave is worked out."""
        letters = chosen_letters(answer)
        if letters is None:
            self.refuse("wrong_type", got=brief(answer), expected="a letter from a to e, in quotes")
        if len(letters) != 1 or not letters <= {self.p90_cure, *self.cures}:
            self.refuse("not_one_letter", got=brief(answer), expected="one of a, b, c, d, e")
        (letter,) = letters
        if letter in self.cures:
            hits, hit, miss = self.cures[letter]
            p90 = percentile([hit] * hits + [miss] * (100 - hits), 90)
            self.refuse(self.mistakes[letter], got=f"{letter}: a P90 of {p90:g} ms", expected="under 100 ms")
