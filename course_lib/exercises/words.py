"""Exercises whose answer is a dict of words."""

from collections.abc import Mapping
from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise, NotAttempted, brief


class WordForEach(Exercise):
    """An exercise whose answer is a dict: for each letter one of a few words."""

    lesson = "caching"
    refusals: ClassVar = {
        "not_a_word_each": (
            "One of the words that the task names is needed for each letter, and nothing else.",
            "Keep the keys of the stub, and write each word as the task does.",
        ),
    }
    mistakes: ClassVar[Mapping[str, Mapping[str, str]]]
    """For each letter: each wrong word, in lower case, with the misconception that it shows."""

    def judge(self, answer: Any) -> None:
        """Each letter by its own mistakes; words in any case."""
        if not isinstance(answer, dict):
            self.refuse("wrong_type", got=brief(answer), expected="a dict with the keys of the stub")
        if any(word is ... for word in answer.values()):
            raise NotAttempted
        words = {letter: word.strip().lower() for letter, word in answer.items() if isinstance(word, str)}
        known = {letter: {self.solution_answer[letter].lower(), *wrong} for letter, wrong in self.mistakes.items()}
        if set(answer) != set(known) or not all(words.get(letter) in known[letter] for letter in known):
            self.refuse("not_a_word_each", got=brief(answer), expected="one of the task's words for each letter")
        for letter, mistakes in self.mistakes.items():
            if words[letter] in mistakes:
                self.refuse(mistakes[words[letter]], got=f"{letter}: {answer[letter].strip()}")
