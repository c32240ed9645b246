"""Exercises whose answer is a choice among a few: a table says what each wrong choice means."""

from collections.abc import Mapping
from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import NotAttempted, brief


class ChoiceExercise(Exercise):
    """An exercise of one or several questions, each answered by a choice."""

    mistakes: ClassVar[Mapping[str, Mapping[Any, str]]]
    """For each question, in the order of judging: each wrong choice, and its misconception."""

    def choices(self, answer: Any) -> Mapping[str, Any]:
        """Return the choice for each question. Refuses an answer that isn't made of choices."""
        raise NotImplementedError

    def details(self, question: str, choice: Any) -> dict[str, str]:
        """Return what a refusal of this choice shows: `call`, `got` and `expected`."""
        return {"got": f"{question}: {choice}"}

    def judge(self, answer: Any) -> None:
        """Refuse the first wrong choice for what it shows."""
        choices = self.choices(answer)
        for question, mistakes in self.mistakes.items():
            choice = choices[question]
            if choice in mistakes:
                self.refuse(mistakes[choice], **self.details(question, choice))

    def dict_of_choices(self, answer: Any) -> dict[Any, Any]:
        """Return an answer that is a dict like the stub's. Raises NotAttempted if it has dots."""
        if not isinstance(answer, dict):
            expected = "a dict with the keys of the stub"
            self.refuse("wrong_type", got=brief(answer), expected=expected)
        if any(choice is ... for choice in answer.values()):
            raise NotAttempted
        return answer


class WordForEach(ChoiceExercise):
    """An exercise whose answer is a dict: for each letter, one of a few words in any case."""

    refusals: ClassVar = {
        "not_a_word_each": (
            "Each letter needs one of the words from the task, and nothing else.",
            "Keep the keys of the stub, and spell each word as the task does.",
        ),
    }

    def choices(self, answer: Any) -> dict[str, str]:
        """Return the word for each letter, in lower case."""
        choices = self.dict_of_choices(answer)
        words = {
            letter: word.strip().lower()
            for letter, word in choices.items()
            if isinstance(word, str)
        }
        is_complete = set(choices) == set(words) == set(self.mistakes)
        if not is_complete or not all(self._is_known(*item) for item in words.items()):
            expected = "one of the task's words for each letter"
            self.refuse("not_a_word_each", got=brief(answer), expected=expected)
        return words

    def _is_known(self, letter: str, word: str) -> bool:
        right: str = self.solution_answer[letter].lower()
        return word == right or word in self.mistakes[letter]
