"""Exercise: which queries does an index speed up?"""

from typing import Any, ClassVar

from course_lib.exercises.answers import as_truth
from course_lib.exercises.choices import ChoiceExercise
from course_lib.exercises.verdict import brief


class WorthIt(ChoiceExercise):
    """An index finds few rows among many, or an end of an order; it doesn't help with most rows."""

    lesson = "indexing"
    name = "worth_it"
    task = """Five queries, each with an index. Which run **at least twice as fast** with it?

| | query | index on |
|---|---|---|
| a | all events of an ordinary user, about 30 of a million | `user_id` |
| b | all events of the busiest user, about 4% of the table | `user_id` |
| c | `sum(duration_ms) ... WHERE status = 200`, about 85% of the table | `status` |
| d | `max(created_at)` over all events | `created_at` |
| e | all events `WHERE title LIKE '%Retro #7'` | `title` |

Write `True` or `False` for each. You can measure them all right afterwards."""
    stub = 'worth_it = {"a": ..., "b": ..., "c": ..., "d": ..., "e": ...}'
    hints = (
        "For each: how many rows still have to be fetched from the table, one by one, after SQLite "
        "has read the index?",
        "Fetching 40,000 rows one by one, from all over the table, costs about as much as reading "
        "all pages in order.",
        "An index is sorted, so its largest value is at its end; but no order helps to find "
        "letters in the middle of a text.",
    )
    worth_it: ClassVar = {"a": True, "b": False, "c": False, "d": True, "e": False}
    praise = (
        "For few rows, or for one end of an order, an index pays off. For a good part of the table "
        "it doesn't."
    )
    refusals: ClassVar = {
        "hot_user": (
            "The index finds the busiest user's rows at once, but then SQLite fetches tens of "
            "thousands of them one by one.",
            "Think about b: how many pages of the table contain at least one of these events?",
        ),
        "most_rows": (
            "With 85% of the rows to fetch, going through the index takes longer than simply "
            "reading the table.",
            "Think about c: which rows can SQLite skip?",
        ),
        "middle_of_text": (
            "An index on title is sorted by its first letters; letters in the middle can be "
            "anywhere.",
            "Think about e: where in a phone book are all the people whose names contain `ann`?",
        ),
        "few_rows": (
            "Thirty rows of a million: here an index saves nearly all of the work.",
            "Think about a: how many rows does the query need, and how many does a scan read?",
        ),
        "one_end": (
            "An index is sorted, so the largest value is its last entry: one step instead of a "
            "whole table.",
            "Think about d: where is the maximum in a sorted list?",
        ),
        "not_five": (
            "Each of a, b, c, d, e needs True or False.",
            "Keep the five keys of the stub, and write `True` or `False` for each, without quotes.",
        ),
    }
    mistakes: ClassVar = {  # the most surprising first
        "b": {True: "hot_user"},
        "c": {True: "most_rows"},
        "e": {True: "middle_of_text"},
        "a": {False: "few_rows"},
        "d": {False: "one_end"},
    }

    def choices(self, answer: Any) -> dict[str, bool]:
        """Return True or False for each letter."""
        given = self.dict_of_choices(answer)
        choices = {}
        for letter, choice in given.items():
            truth = as_truth(choice)
            if truth is not None:
                choices[letter] = truth
        are_five = set(given) == set(choices) == set(self.worth_it)
        if not are_five:
            expected = "True or False for each of a, b, c, d, e"
            self.refuse("not_five", got=brief(answer), expected=expected)
        return choices
