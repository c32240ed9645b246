"""Short questions: warm-ups that look back at earlier lessons, and recaps at a lesson's end.

Being asked about something a while after learning it is what makes it stay (Roediger, Karpicke 2006). The answers
stand here, not in the notebooks, so that none is seen above its question.
"""

import re
from dataclasses import dataclass
from types import EllipsisType

from course_lib.lab import progress, session
from course_lib.lab.show import Card


@dataclass(frozen=True)
class Question:
    """A question, the lesson that it looks back at, and what is said to each choice."""

    lesson: str
    text: str
    choices: dict[str, tuple[str, str]]
    """For each letter: the choice, and what is said to who takes it."""
    right: str


WARM_UPS = (
    Question(
        "welcome",
        "A request takes 300 ms, and after a cure 60 ms. How many times faster is it?",
        {
            "a": ("0.2 times", "That is the new time over the old."),
            "b": ("5 times", "The old time over the new."),
            "c": ("240 ms", "That is the time saved; on another machine it would be another number."),
        },
        "b",
    ),
    Question(
        "welcome",
        "Why does the bench run before and after in turns, and not first all of one and then all of the other?",
        {
            "a": ("It saves time.", "Both orders take equally long."),
            "b": ("So that the caches are warm.", "They are warmed beforehand, once for each."),
            "c": (
                "So that a machine that slows down meanwhile slows down both.",
                "What changes with time then falls on both sides alike.",
            ),
        },
        "c",
    ),
)

QUESTIONS = {
    "fresh_plan": Question(
        "indexing",
        "In course_lib/optimizer.py: how does analyze_query_performance make sure, on a connection that you hand it, "
        "that the plan is not one from before somebody else made an index?",
        {
            "a": ("It opens a second connection.", "That is what it does for a path; a connection is used as it is."),
            "b": (
                "It reads sqlite_master first, and gives the EXPLAIN a text of its own.",
                "The first makes SQLite notice a new schema, the second keeps it from reusing a prepared statement.",
            ),
            "c": ("It runs ANALYZE.", "That would write to your database; a look at a plan must not."),
        },
        "b",
    ),
    "recap_plan": Question(
        "indexing",
        "The plan says `SCAN events USING INDEX idx_events_created_at`. What is read?",
        {
            "a": ("A few entries of the index.", "That would be a SEARCH."),
            "b": (
                "The whole index, and for each entry a row of the table.",
                "A scan in the order of the index: often more work than without it.",
            ),
            "c": ("The index alone.", "Then it would say COVERING INDEX."),
        },
        "b",
    ),
    "recap_order": Question(
        "indexing",
        "A shop asks for a customer's open orders, newest first (`customer_id = ? AND state = 'open' ORDER BY "
        "placed_at DESC`). Which one index?",
        {
            "a": ("(placed_at, customer_id, state)", "Sorted by time first, one customer's orders lie scattered."),
            "b": ("(customer_id, placed_at, state)", "It works, but closed orders are walked over on the way."),
            "c": ("(customer_id, state, placed_at)", "The equalities first, in any order, then what sorts."),
            "d": ("three indexes, one a column", "For conditions joined by AND SQLite takes one of them."),
        },
        "c",
    ),
    "recap_total": Question(
        "indexing",
        "And the shop's total turnover, over all customers? What does a covering index change?",
        {
            "a": ("It makes it as fast as a lookup.", "Every row still counts, so every entry is still read."),
            "b": (
                "It reads less for each row, and still grows with the table.",
                "A few times faster, not a thousand. Beyond that the total must be remembered: that is lesson 1.",
            ),
            "c": ("Nothing.", "An index is narrower than the table: fewer pages for the same rows."),
        },
        "b",
    ),
}


def ask(name: str, choice: str | EllipsisType = ...) -> Card:
    """Show a question, or answer it with the letter of a choice. `warm-up 1` looks back at the lessons done."""
    if not re.fullmatch("warm-up [12]", name) and name not in QUESTIONS:
        raise ValueError(f"there is no question {name!r}; there are warm-up 1, warm-up 2, {', '.join(QUESTIONS)}")
    question = QUESTIONS[name] if name in QUESTIONS else _warm_up(name)
    if isinstance(choice, EllipsisType):
        choices = "\n".join(f"{letter}  {text}" for letter, (text, _) in question.choices.items())
        return Card("Question", f"{question.text}\n{choices}\nAnswer by putting a letter in place of the dots.")
    letter = str(choice).strip().lower()
    if letter not in question.choices:
        return Card("Question", f"There is no choice {choice!r}; there are {', '.join(question.choices)}.", "bad")
    right = letter == question.right
    progress.record("question", session.lesson(), name, choice=letter, right=right)
    return Card("Right" if right else "Not quite", question.choices[letter][1], "good" if right else "bad")


def _warm_up(name: str) -> Question:
    """The last questions of the lessons that the learner has done; the welcome's where none is."""
    done = [each for each in WARM_UPS if each.lesson == "welcome" or progress.done(each.lesson)]
    return done[-int(name.removeprefix("warm-up "))]
