"""Questions have feedback for each choice; warm-ups look back only at lessons that were done."""

import pytest

from course_lib.exercises.questions import QUESTIONS, WARM_UPS, ask
from course_lib.lab import progress, session

ALL = [*WARM_UPS, *QUESTIONS.values()]
each_question = pytest.mark.parametrize("question", ALL, ids=lambda question: question.text[:30])


@each_question
def test_a_question_has_choices_one_of_them_right_and_feedback_for_each(question):
    assert "".join(question.choices) == "abcdefgh"[: len(question.choices)]
    assert len(question.choices) >= 3
    assert question.right in question.choices
    feedback = [text for _, text in question.choices.values()]
    assert all(feedback)
    assert len(set(feedback)) == len(feedback)


@each_question
def test_a_question_looks_back_at_a_lesson_that_exists(question):
    assert question.lesson in session.LESSONS


def test_a_question_left_open_shows_its_choices_and_records_nothing():
    card = repr(ask("recap_plan", ...))
    question = QUESTIONS["recap_plan"]
    assert question.text in card
    assert all(f"{letter}  {choice}" in card for letter, (choice, _) in question.choices.items())
    assert not any(feedback in card for _, feedback in question.choices.values())
    assert progress.records("question", session.lesson()) == []


@pytest.mark.parametrize(
    ("letter", "heading"),
    [("b", "Right"), (" B ", "Right"), ("(b)", "Right"), (["b"], "Right"), ("a", "Not quite")],
)
def test_an_answer_gets_feedback_and_is_recorded(letter, heading):
    card = ask("recap_plan", letter)
    plain = "a" if letter == "a" else "b"
    assert repr(card) == f"{heading}: {QUESTIONS['recap_plan'].choices[plain][1]}"
    (recorded,) = progress.records("question", session.lesson())
    assert (recorded["choice"], recorded["right"]) == (plain, heading == "Right")


@pytest.mark.parametrize("choice", ["z", "", "bc", None, 2, "2"])
def test_an_unknown_choice_gets_the_list_of_choices(choice):
    assert (
        repr(ask("recap_plan", choice))
        == f"Question: There is no choice {choice!r}; there are a, b, c."
    )
    assert progress.records("question", session.lesson()) == []


@pytest.mark.parametrize("name", ["recap", "warm-up 0", "warm-up 3", "warm-up"])
def test_an_unknown_question_is_an_error_that_lists_the_questions(name):
    with pytest.raises(ValueError, match="there are warm-up 1, warm-up 2, fresh_plan"):
        ask(name)


def test_there_are_two_warm_ups_for_each_lesson_that_has_any():
    lessons = [question.lesson for question in WARM_UPS]
    assert lessons == [lesson for lesson in session.LESSONS if lesson in lessons for _ in range(2)]


@pytest.mark.parametrize(
    ("here", "done", "looks_back_at"),
    [
        ("indexing", [], ["welcome", "welcome"]),
        ("indexing", ["caching"], ["caching", "caching"]),
        ("caching", ["indexing"], ["indexing", "indexing"]),
        ("caching", ["welcome", "caching", "indexing"], ["indexing", "indexing"]),  # done once more
        ("caching", ["caching"], ["welcome", "welcome"]),
        (
            "rate_limiting",
            ["indexing", "caching"],
            ["caching", "indexing"],
        ),  # the one learned longest ago first
    ],
)
def test_warm_ups_look_back_at_other_lessons_that_were_done(here, done, looks_back_at, monkeypatch):
    monkeypatch.setattr(session, "_lesson", here)
    for lesson in done:
        progress.record("verdict", lesson, "any", verdict="right")
    lesson_of = {f"Question: {question.text}": question.lesson for question in WARM_UPS}
    cards = [repr(ask(f"warm-up {number}", ...)) for number in (1, 2)]
    first, second = (card.splitlines()[0] for card in cards)
    assert [lesson_of[first], lesson_of[second]] == looks_back_at
    assert first != second
