"""Short questions: warm-ups that look back at earlier lessons, and recaps at a lesson's end.

Being asked about something a while after learning it is what makes it stick (Roediger and Karpicke
2006). The questions are in questions.toml.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import Any

from course_lib.exercises.answers import chosen_letters
from course_lib.lab import progress, session
from course_lib.lab.show import Card


@dataclass(frozen=True)
class Question:
    """A question, the lesson that it looks back at, and the feedback for each choice."""

    lesson: str
    text: str
    choices: dict[str, tuple[str, str]]
    """For each letter: the choice, and the feedback for it."""
    right: str


def _read(question: Mapping[str, Any]) -> Question:
    choices = {}
    for letter, (text, feedback) in question["choices"].items():
        choices[letter] = (text, feedback)
    return Question(question["lesson"], question["text"], choices, question["right"])


_FILE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
WARM_UPS = tuple(map(_read, _FILE["warm_ups"]))
QUESTIONS = {name: _read(question) for name, question in _FILE["questions"].items()}


def ask(name: str, choice: str | EllipsisType = ...) -> Card:
    """Show a question, or respond to the letter of a choice, such as "b" or "B)", and record it.

    Raises ValueError if there's no question of this name.
    """
    question = _question(name)
    if isinstance(choice, EllipsisType):
        lines = [f"{letter}  {text}" for letter, (text, _) in question.choices.items()]
        choices = "\n".join(lines)
        how = 'Replace the dots with a letter in quotes, such as "a".'
        return Card("Question", f"{question.text}\n{choices}\n{how}")
    letter = "".join(chosen_letters(choice) or ())
    if letter not in question.choices:
        known = ", ".join(question.choices)
        return Card("Question", f"There is no choice {choice!r}; there are {known}.", "bad")
    right = letter == question.right
    progress.record("question", session.lesson(), name, choice=letter, right=right)
    _, feedback = question.choices[letter]
    if right:
        return Card("Right", feedback, "good")
    return Card("Not quite", feedback, "bad")


def _question(name: str) -> Question:
    if name in QUESTIONS:
        return QUESTIONS[name]
    if not re.fullmatch("warm-up [12]", name):
        known = ", ".join(QUESTIONS)
        raise ValueError(f"there is no question {name!r}; there are warm-up 1, warm-up 2, {known}")
    return _warm_ups()[int(name.removeprefix("warm-up ")) - 1]


def _warm_ups() -> list[Question]:
    """Return one question for each other lesson that the learner has done, then a second one.

    If no other lesson is done, they're about the welcome. The order starts after the lesson in
    progress and wraps around: for learners who go in order, the lesson they learned longest ago
    comes first.
    """
    here = session.LESSONS.index(session.lesson())
    others = [*session.LESSONS[here + 1 :], *session.LESSONS[:here]]
    done = [lesson for lesson in others if lesson != "welcome" and progress.done(lesson)]
    first, second = [], []
    for lesson in done or ["welcome"]:
        one, other = [question for question in WARM_UPS if question.lesson == lesson]
        first.append(one)
        second.append(other)
    return [*first, *second]
