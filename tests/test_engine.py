"""An exercise returns one of three verdicts for any answer, and helps in steps."""

import asyncio
import gc
import signal
import sqlite3
import warnings

import pytest

from course_lib.exercises.engine import Exercise as AnyExercise
from course_lib.exercises.verdict import NotAttempted, brief
from course_lib.lab import progress


class Doubled(AnyExercise):
    """An exercise of one line."""

    lesson = "tiny"
    name = "doubled"
    task = "Write `doubled(number)`."
    stub = "def doubled(number):\n    return ..."
    hints = ("A nudge.", "More.", "`return 2 * number`")
    praise = "Twice as much."
    refusals = {"squared": ("That is the <square>.", "Add instead.")}  # noqa: RUF012
    limit = 0.2

    @staticmethod
    def doubled(number):
        """Return twice the number."""
        return 2 * number

    def judge(self, answer):
        got = self.call(answer, 3)
        if got == 9:
            self.refuse("squared", call=self.called(3), got=repr(got), expected="6")
        if got != 6:
            self.refuse("wrong_type", call=self.called(3), got=brief(got), expected="6")


class DoubledLater(Doubled):
    """The same, asynchronous."""

    async def judge(self, answer):
        got = await self.call_async(answer, 3)
        if got != 6:
            self.refuse("squared", call=self.called(3), got=repr(got), expected="6")


@pytest.fixture
def exercise():
    return Doubled()


def check(exercise, answer):
    async def cell():
        return await exercise.check(answer)

    return asyncio.run(cell()) if isinstance(exercise, DoubledLater) else exercise.check(answer)


def endless(number):
    while True:
        pass


def raises(number):
    raise LookupError("own words")


def leaves(number):
    raise SystemExit


def is_cancelled(number):
    raise asyncio.CancelledError


async def doubled_later(number):
    await asyncio.sleep(0)
    return 2 * number


def is_interrupted(number):
    raise KeyboardInterrupt


class Unshowable:
    def __repr__(self):
        raise SystemExit


class Elusive:
    """An answer that can be called like a function, but never says where it's from."""

    def __call__(self, number):
        return number + number

    @property
    def __globals__(self):
        while True:
            pass


BOTH = pytest.mark.parametrize("exercise", [Doubled(), DoubledLater()], ids=["sync", "async"])


@BOTH
@pytest.mark.parametrize(
    ("answer", "verdict", "misconception"),
    [
        (lambda number: number + number, "right", None),
        (lambda number: number**2, "refused", "squared"),
        (Doubled.doubled, "right", None),
        (lambda number: ..., "not attempted", None),
        (..., "not attempted", None),
        (raises, "refused", "raised"),
        (leaves, "refused", "raised"),
        (is_cancelled, "refused", "raised"),
        (is_interrupted, "refused", "raised"),
        (lambda: 6, "refused", "raised"),
        (endless, "refused", "endless"),
        (42, "refused", "wrong_type"),
        (Unshowable(), "refused", "wrong_type"),
        (Elusive(), "right", None),
    ],
)
def test_any_answer_gets_a_verdict_and_it_is_recorded(exercise, answer, verdict, misconception):
    given = check(exercise, answer)
    assert (given.verdict, given.misconception) == (verdict, misconception)
    recorded = progress.verdicts("tiny")["doubled"]
    assert (recorded["verdict"], recorded["misconception"]) == (verdict, misconception)


def test_a_refusal_has_the_call_the_result_what_was_expected_and_the_next_step(exercise):
    verdict = exercise.check(lambda number: number**2)
    assert verdict.sentence == "That is the <square>."
    *facts, (label, help_offered) = verdict.facts
    assert facts == [
        ("called", "doubled(3)"),
        ("got", "9"),
        ("expected", "6"),
        ("next", "Add instead."),
    ]
    assert label == "help"
    assert "ex.doubled.hint()" in help_offered


def test_an_error_of_the_answer_is_shown_with_its_type_and_message(exercise):
    facts = dict(exercise.check(raises).facts)
    assert facts["called"] == "doubled(3)"
    assert facts["got"] == "LookupError: own words"


@pytest.mark.parametrize("kind", [Doubled, DoubledLater])
def test_an_error_of_the_answer_is_shown_with_the_line_that_it_came_from(kind):
    def answer(number):
        twice = number + missing  # noqa: F821
        return twice

    assert dict(check(kind(), answer).facts)["line"] == "twice = number + missing  # noqa: F821"
    assert "line" not in dict(check(kind(), lambda number: number**2).facts)


def test_an_endless_answer_is_shown_with_the_call_and_the_limit(exercise):
    facts = dict(exercise.check(endless).facts)
    assert facts["called"] == "doubled(3)"
    assert facts["expected"] == "a result within 0.2 s"


def test_a_verdict_has_the_same_facts_as_html_and_as_text_and_its_html_is_escaped(exercise):
    verdict = exercise.check(lambda number: number**2)
    assert repr(verdict).splitlines()[0] == "Not yet: That is the <square>."
    assert "  called: doubled(3)" in repr(verdict)
    html = verdict._repr_html_()
    assert "That is the &lt;square&gt;." in html
    assert "<square>" not in html
    assert all(label in html for label, _ in verdict.facts)


def test_the_result_of_an_answer_cannot_inject_html(exercise):
    verdict = exercise.check(lambda number: "<script>alert(1)</script>")
    assert "<script>" not in verdict._repr_html_()
    assert "&lt;script&gt;" in verdict._repr_html_()


def test_each_of_the_three_verdicts_has_its_own_heading(exercise):
    answers = (Doubled.doubled, lambda number: number**2, ...)
    headings = [repr(exercise.check(answer)).partition(":")[0] for answer in answers]
    assert headings == ["Right", "Not yet", "Not attempted yet"]


def test_hints_are_numbered_and_the_last_one_repeats(exercise):
    hints = [repr(exercise.hint()) for _ in range(4)]
    assert hints[:2] == ["Hint 1 of 3: A nudge.", "Hint 2 of 3: More."]
    assert hints[2].startswith("Hint 3 of 3: `return 2 * number`")
    assert "`ex.doubled.solution()`" in hints[2]
    assert hints[3] == hints[2]


def test_the_task_is_shown_by_the_exercise_itself(exercise):
    assert exercise.task in repr(exercise)
    assert exercise.task in exercise._repr_markdown_()


def test_the_solution_is_code_that_passes_and_defines_the_stubs_name(exercise):
    names = {}
    exec(exercise.solution_code, names)
    assert exercise.check(names["doubled"]).verdict == "right"
    assert exercise.solution_code in exercise.solution()._repr_markdown_()


def test_the_answer_is_the_librarys_until_the_learners_has_passed_and_prints_which(
    exercise, capsys
):
    assert exercise.answer is exercise.solution_answer
    assert capsys.readouterr().out.startswith("doubled: the library's (")

    def mine(number):
        return number + number

    exercise.check(mine)
    exercise.check(endless)
    assert exercise.answer is mine
    assert capsys.readouterr().out == "doubled: your own\n"


def test_the_report_has_the_answer_the_verdict_and_the_versions(exercise, capsys):
    exercise.report()
    assert "nothing checked yet" in capsys.readouterr().out
    exercise.check(raises)
    exercise.report()
    report = capsys.readouterr().out
    assert "tiny.doubled" in report
    assert 'raise LookupError("own words")' in report
    assert "Not yet: Your code raised an error." in report
    assert f"SQLite {sqlite3.sqlite_version}" in report


def test_an_answer_cannot_change_the_arguments_of_later_calls():
    class Emptied(Doubled):
        def judge(self, answer):
            given = [1, 2]
            self.call(answer, given)
            assert given == [1, 2]

    assert Emptied().check(lambda numbers: numbers.clear()).verdict == "right"


def test_an_asynchronous_answer_may_be_either_kind_of_function():
    exercise = DoubledLater()
    assert check(exercise, doubled_later).verdict == "right"
    assert check(exercise, Doubled.doubled).verdict == "right"


def test_a_coroutine_instead_of_a_plain_function_gets_a_sentence(exercise):
    assert exercise.check(doubled_later).misconception == "forgotten_await"


def test_an_await_forgotten_inside_the_answer_gets_a_sentence():
    async def forgets(number):
        doubled_later(number)
        return 6

    assert check(DoubledLater(), forgets).misconception == "forgotten_await"


def test_an_await_forgotten_before_the_check_gets_a_sentence_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert repr(DoubledLater().check(doubled_later)) == (
            "This check is asynchronous: write `await ex.doubled.check(doubled)`."
        )
        gc.collect()


@BOTH
def test_a_check_without_an_answer_says_how_to_pass_it(exercise):
    async def awaited():
        return await exercise.check()

    is_async = isinstance(exercise, DoubledLater)
    verdict = asyncio.run(awaited()) if is_async else exercise.check()
    assert verdict.verdict == "not attempted"
    assert verdict.sentence == "Pass your answer to the check: `ex.doubled.check(doubled)`"


def test_a_task_instead_of_its_result_gets_a_sentence():
    async def returns_task(number):
        return asyncio.create_task(doubled_later(number))

    assert check(DoubledLater(), returns_task).misconception == "returns_task"


def test_a_refusal_shows_a_function_by_its_name():
    def local(number):
        return number

    assert brief(local) == "local"
    assert brief([Doubled().judge, local]) == "[judge, local]"
    assert brief([asyncio.Event(), asyncio.Lock()]) == "[<Event>, <Lock>]"


@pytest.mark.parametrize("kind", [Doubled, DoubledLater])
def test_a_judge_that_fails_says_that_it_is_our_fault(kind):
    class Broken(kind):
        if kind is Doubled:

            def judge(self, answer):
                raise KeyError("ours")
        else:

            async def judge(self, answer):
                raise KeyError("ours")

    verdict = check(Broken(), Doubled.doubled)
    assert verdict.misconception == "cannot_check"
    assert dict(verdict.facts)["got"] == "KeyError: 'ours'"
    assert "report()" in repr(verdict)


def test_a_judge_can_raise_not_attempted(exercise):
    def judge(answer):
        raise NotAttempted

    exercise.judge = judge
    assert exercise.check({"a": ...}).verdict == "not attempted"


def test_the_stop_button_ends_a_check(exercise):
    def is_stopped(number):
        signal.raise_signal(signal.SIGINT)
        endless(number)

    exercise.limit = 60
    with pytest.raises(KeyboardInterrupt):
        exercise.check(is_stopped)


def test_a_solved_exercise_stays_solved_whatever_is_tried_later(exercise):
    exercise.check(Doubled.doubled)
    assert exercise.check(raises).verdict == "refused"
    assert exercise.check(...).verdict == "not attempted"
    assert progress.verdicts("tiny")["doubled"]["verdict"] == "right"


def test_a_check_that_is_awaited_twice_or_at_once_gives_the_same_verdict():
    async def cell():
        pending = DoubledLater().check(doubled_later)
        assert "await" in repr(pending)
        verdicts = await asyncio.gather(pending, pending)
        return [*verdicts, await pending]

    first, *others = asyncio.run(cell())
    assert first.verdict == "right"
    assert all(verdict is first for verdict in others)


def test_checks_at_once_do_not_disturb_each_other():
    async def cell():
        return await asyncio.gather(*(DoubledLater().check(doubled_later) for _ in range(5)))

    assert [verdict.verdict for verdict in asyncio.run(cell())] == ["right"] * 5


def test_brief_shortens_a_long_value_and_names_the_type_of_an_unshowable_one():
    assert len(brief("x" * 10_000)) < 300
    assert len(brief(list(range(10_000)))) < 300
    assert "Unshowable" in brief(Unshowable())


def test_an_error_whose_message_raises_is_shown_by_its_type(exercise):
    class MuteError(Exception):
        def __str__(self):
            raise SystemExit

    def fails(number):
        raise MuteError

    assert dict(exercise.check(fails).facts)["got"] == "MuteError"
