"""An index helps to find few rows among many, and to stand at an end; not to fetch most of a table."""

from typing import Any, ClassVar

from course_lib.exercises.index_exercise import IndexingExercise
from course_lib.exercises.verdict import NotAttempted, brief


class WorthIt(IndexingExercise):
    """An index helps to find few rows among many, and to stand at an end; not to fetch most of a table."""

    name = "worth_it"
    task = """Five queries, and an index for each. Which run **at least twice as fast** with their index?

| | query | index on |
|---|---|---|
| a | all events of an ordinary user, about 30 of a million | `user_id` |
| b | all events of the hottest user, about 4% of the table | `user_id` |
| c | `sum(duration_ms) ... WHERE status = 200`, about 85% of the table | `status` |
| d | `max(created_at)` over all events | `created_at` |
| e | all events `WHERE title LIKE '%Retro #7'` | `title` |

Put `True` or `False` for each. You can measure them all right afterwards."""
    stub = 'worth_it = {"a": ..., "b": ..., "c": ..., "d": ..., "e": ...}'
    hints = (
        "Ask of each: how many rows must still be fetched from the table, one by one, after the index was read?",
        "Fetching 40,000 rows one by one, each from another page, is no cheaper than reading all pages in order.",
        "An index is sorted, so its largest value stands at its end; but no order helps to find letters in mid-text.",
    )
    worth_it: ClassVar = {"a": True, "b": False, "c": False, "d": True, "e": False}
    praise = "Few rows, or an end of the order: there an index pays. For a good part of the table it does not."
    refusals: ClassVar = {
        "hot_user": (
            "The index finds the hottest user's rows at once, but then fetches tens of thousands of them one by one.",
            "Think about b: how many pages of the table hold one of her events?",
        ),
        "most_rows": (
            "With 85% of the rows to fetch, the way over the index is longer than simply reading the table.",
            "Think about c: which rows can be left out?",
        ),
        "middle_of_text": (
            "An index on title is sorted by its first letters; what stands in the middle may be anywhere.",
            "Think about e: where in a telephone book is everybody whose name contains `ann`?",
        ),
        "few_rows": (
            "Thirty rows of a million: here an index saves nearly all the work.",
            "Think about a: how many rows does the query need, and how many does a scan read?",
        ),
        "one_end": (
            "An index is sorted, so the largest value is its last entry: one step instead of a whole table.",
            "Think about d: where does the maximum stand in a sorted list?",
        ),
        "not_five": (
            "True or False is needed for each of a, b, c, d, e.",
            "Keep the five keys of the stub.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Each query by its own key, the most surprising first."""
        if not isinstance(answer, dict):
            self.refuse("wrong_type", got=brief(answer), expected="a dict with the keys a to e")
        if ... in answer.values():
            raise NotAttempted
        if set(answer) != set(self.worth_it) or not all(
            isinstance(each, bool) for each in answer.values()
        ):
            self.refuse(
                "not_five", got=brief(answer), expected="True or False for each of a, b, c, d, e"
            )
        mistakes = {
            "b": "hot_user",
            "c": "most_rows",
            "e": "middle_of_text",
            "a": "few_rows",
            "d": "one_end",
        }
        for query, mistake in mistakes.items():
            if answer[query] != self.worth_it[query]:
                self.refuse(mistake, got=f"{query}: {answer[query]}")
