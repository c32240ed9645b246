"""Right answers pass, wrong ones are refused for their misconception, and nothing is left behind.

The answers are under tests/answers/<lesson>/<exercise>/ as right_<style>.py and wrong_<id>.py or
wrong_<id>__<what>.py; each defines `answer`. The wrong ones also make a page to read,
docs/checks.md.
"""

import ast
import asyncio
import inspect
import logging
import os
import runpy
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from redis import Redis

from course_lib.exercises import caching, indexing, monitoring, rate_limiting, welcome
from course_lib.exercises.engine import Exercise
from course_lib.exercises.time_zone import time_zone
from course_lib.exercises.verdict import NOT_ATTEMPTED, REFUSED, RIGHT
from course_lib.lab import paths, redis_server
from tests import started

ANSWERS = paths.ROOT / "tests" / "answers"
PAGE = paths.ROOT / "docs" / "checks.md"
EXERCISES = {
    f"{exercise.lesson}/{exercise.name}": exercise
    for lesson in (welcome, caching, indexing, rate_limiting, monitoring)
    for exercise in vars(lesson).values()
    if isinstance(exercise, Exercise)
}
FILES = sorted(ANSWERS.glob("*/*/*.py"))
RIGHT_ONES = [file for file in FILES if file.name.startswith("right_")]
WRONG_ONES = [file for file in FILES if file.name.startswith("wrong_")]
ASYNCHRONOUS = [
    name for name, exercise in EXERCISES.items() if inspect.iscoroutinefunction(exercise.judge)
]
FUNCTIONS = [name for name, exercise in EXERCISES.items() if callable(exercise.solution_answer)]

each_exercise = pytest.mark.parametrize("name", EXERCISES)


def exercise_of(file):
    """Return the exercise that a file answers, as <lesson>/<exercise>."""
    return "/".join(file.relative_to(ANSWERS).parts[:-1])


def label(file):
    return f"{exercise_of(file)}/{file.stem}" if isinstance(file, Path) else None


def misconception(file):
    return file.stem.removeprefix("wrong_").split("__")[0]


def load(file):
    names = runpy.run_path(str(file))
    needed = names.get("NEEDS_SQLITE", (3,))
    if sqlite3.sqlite_version_info < needed:
        pytest.skip(f"SQLite {sqlite3.sqlite_version} is older than this answer needs: {needed}")
    return names["answer"]


def check(name, answer, limit=None):
    """Return the verdict of a new exercise, which has no memory of earlier answers.

    `limit` replaces the exercise's own, in seconds.
    """
    exercise = type(EXERCISES[name])()
    exercise.limit = limit or exercise.limit
    verdict = exercise.check(answer)
    if not inspect.isawaitable(verdict):
        return verdict

    async def judged():
        return await verdict

    return asyncio.run(judged())


# --- what a check may not leave behind --------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def redis_keys():
    """Return the keys in the lesson's Redis, which starts before processes are recorded."""
    with Redis.from_url(redis_server.url()) as client:
        yield lambda: set(client.keys())


@pytest.fixture(autouse=True)
def leaves_nothing(tmp_path, monkeypatch, redis_keys):
    """Run each test in a folder of its own; only the learner's progress may be new in it."""
    monkeypatch.setattr(paths, "WORK", tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = surroundings()
    keys = redis_keys()  # other tests in this process may have left keys that expire
    started.lists.append([])
    yield
    assert not started.lists.pop(), "a check works in memory and starts no process"
    deadline = time.monotonic() + 5
    while surroundings() != before and time.monotonic() < deadline:
        time.sleep(0.01)  # a thread of a closed event loop takes a moment to end
    assert surroundings() == before
    assert redis_keys() <= keys
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*")}
    assert files <= {"work", "work/progress.jsonl"}


def surroundings():
    return {
        "environment": {**os.environ, "PYTEST_CURRENT_TEST": ""},
        "time zone": (time.tzname, time.localtime(0)),
        "threads": set(threading.enumerate()),
        "alarm": (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)),
        "folder": os.getcwd(),
    }


# --- the answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("file", RIGHT_ONES, ids=label)
def test_a_right_answer_passes_whatever_its_style(file):
    verdict = check(exercise_of(file), load(file))
    assert verdict.verdict == RIGHT, verdict


@pytest.mark.parametrize("file", WRONG_ONES, ids=label)
def test_a_wrong_answer_is_refused_for_its_own_misconception(file):
    verdict = check(exercise_of(file), load(file))
    assert (verdict.verdict, verdict.misconception) == (REFUSED, misconception(file)), verdict
    assert repr(verdict)
    assert verdict._repr_html_()


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland"])
def test_the_verdict_on_a_day_is_the_same_in_the_learners_time_zone(zone):
    with time_zone(zone):
        for file in FILES:
            is_concerned = file.stem.startswith(("right_half_open", "wrong_local_time"))
            if exercise_of(file) == "indexing/sargable" and is_concerned:
                expected = None if file in RIGHT_ONES else "local_time"
                assert check(exercise_of(file), load(file)).misconception == expected, file.stem


def test_every_answer_belongs_to_an_exercise_and_is_right_or_wrong():
    assert {exercise_of(file) for file in FILES} == set(EXERCISES)
    assert len(RIGHT_ONES) + len(WRONG_ONES) == len(FILES)


@each_exercise
def test_there_are_enough_answers_of_both_kinds(name):
    right, wrong = (3, 6) if name in FUNCTIONS else (2, 3)
    assert sum(exercise_of(file) == name for file in RIGHT_ONES) >= right
    assert sum(exercise_of(file) == name for file in WRONG_ONES) >= wrong


@each_exercise
def test_every_refusal_of_an_exercise_is_reached_by_a_wrong_answer(name):
    own = vars(type(EXERCISES[name])).get("refusals", {})
    assert set(own) <= {misconception(file) for file in WRONG_ONES if exercise_of(file) == name}


def test_every_refusal_that_exercises_share_is_reached_in_one_of_them():
    bases = {base for exercise in EXERCISES.values() for base in type(exercise).__mro__[1:]}
    for shared in bases - {object}:
        names = {name for name, exercise in EXERCISES.items() if isinstance(exercise, shared)}
        reached = {misconception(file) for file in WRONG_ONES if exercise_of(file) in names}
        assert set(vars(shared).get("refusals", {})) - {"cannot_check"} <= reached, shared


# --- hostile answers --------------------------------------------------------------------------


def raises(*_):
    return 1 / 0


def exits(*_):
    sys.exit("enough")


def loops(*_):
    while True:
        pass


def tries_forever(*_):
    while True:
        try:
            return int("no number")
        except BaseException:
            pass


def calls_itself(*arguments):
    return calls_itself(*arguments)  # without them, Python 3.13 wouldn't notice the recursion


def returns_itself(*_):
    return returns_itself


def generates(*_):
    yield 1


async def waits(*_):
    return 1


class Text(str):
    """A subclass of str."""


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no repr")


def returns_unprintable(*_):
    return Unprintable()


endless_list: list = []
endless_list.append(endless_list)

# The misconception that each is refused for if the task asks for a function; None if that differs.
HOSTILE_FUNCTIONS = {
    raises: "raised",
    exits: "raised",
    calls_itself: "raised",
    loops: "endless",
    tries_forever: "endless",
    waits: "forgotten_await",
    returns_itself: None,
    returns_unprintable: None,
    generates: None,
}
HOSTILE_VALUES = {
    "None": None,
    "a number": 7,
    "a float": float("nan"),
    "bytes": b"bc",
    "an object": object(),
    "unprintable": Unprintable(),
    "a class's text": Text("no"),
    "a long text": "x" * 1_000_000,
    "half a character": "\ud800",
    "a text with an end": "SELECT\0",
    "a list without end": endless_list,
    "an empty list": [],
    "an empty dict": {},
    "unprintable in a dict": dict.fromkeys("abcde", Unprintable()),
    "a verdict": Exercise,
}


def refused(name, answer, limit=None):
    start = time.process_time()  # on a busy machine the clock is much later
    verdict = check(name, answer, limit)
    assert time.process_time() - start < (limit or EXERCISES[name].limit) + 2
    assert verdict.verdict == REFUSED
    assert verdict.misconception != "cannot_check", verdict
    assert repr(verdict)
    assert verdict._repr_html_()
    return verdict.misconception


@pytest.mark.parametrize("function", HOSTILE_FUNCTIONS, ids=lambda function: function.__name__)
@each_exercise
def test_a_function_that_misbehaves_is_refused_in_time(name, function):
    expected = HOSTILE_FUNCTIONS[function] if name in FUNCTIONS else "wrong_type"
    if function is waits and name in ASYNCHRONOUS:
        expected = None  # these exercises ask for a coroutine
    # tests/answers has endless answers under the exercises' own limits; here a short one will do.
    mistake = refused(name, function, limit=0.3 if expected == "endless" else None)
    assert mistake == (expected or mistake)


@pytest.mark.parametrize("value", HOSTILE_VALUES)
@each_exercise
def test_a_value_that_makes_no_sense_is_refused(name, value):
    assert refused(name, HOSTILE_VALUES[value])


def loops_in_auckland(day):
    while os.environ.get("TZ") == "Pacific/Auckland":
        pass
    return indexing.sargable.solution_answer(day)


class Explosive:
    """A value that exits whatever is done with it."""

    def explodes(self, *_):
        raise SystemExit

    __repr__ = __str__ = __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = explodes
    __bool__ = __len__ = __iter__ = __hash__ = __float__ = __int__ = __getitem__ = explodes
    __getattr__ = __await__ = __call__ = __contains__ = __sub__ = __rsub__ = explodes


ODD_RESULTS = {
    "explosive": Explosive(),
    "a dict of explosives": {"user": Explosive(), "platform": Explosive(), 10: Explosive()},
    "a Series": pd.Series([1.0, 2.0]),
    "an array": np.array([1, 2]),
    "NA": pd.NA,
    "infinity": float("inf"),
    "a dict of Series": {"user": pd.Series([1]), "platform": pd.Series([2])},
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_odd_result_is_refused_for_what_it_is(name):
    for label_, value in ODD_RESULTS.items():
        assert refused(name, lambda *_, value=value: value), label_


@pytest.mark.parametrize("name", sorted(set(EXERCISES) - set(FUNCTIONS)))
def test_an_odd_answer_is_refused_for_what_it_is(name):
    for label_, value in ODD_RESULTS.items():
        assert refused(name, value), label_


def test_warnings_that_an_earlier_cell_turned_off_do_not_refuse_a_right_answer():
    logging.disable(logging.CRITICAL)
    try:
        assert check("monitoring/timer", monitoring.timer.solution_answer).verdict == RIGHT
        assert logging.root.manager.disable == logging.CRITICAL
    finally:
        logging.disable(logging.NOTSET)


def test_an_alarm_in_another_time_zone_leaves_the_learners_own():
    assert (
        refused("indexing/sargable", loops_in_auckland) == "endless"
    )  # `leaves_nothing` checks TZ


# --- the words --------------------------------------------------------------------------------


@each_exercise
def test_the_stub_is_not_attempted_and_the_solution_is_right(name):
    exercise = EXERCISES[name]
    for code, expected in ((exercise.stub, NOT_ATTEMPTED), (exercise.solution_code, RIGHT)):
        names: dict = {}
        exec(code, names)
        assert exercise.name in names, "stub and solution define what the check cell passes"
        verdict = check(name, names[exercise.name])
        assert verdict.verdict == expected, verdict


@each_exercise
def test_hints_lead_step_by_step_and_stop_short_of_the_solution(name):
    exercise = EXERCISES[name]
    assert len(exercise.hints) >= 2
    assert all(hint.strip() for hint in exercise.hints)
    assert len(set(exercise.hints)) == len(exercise.hints)
    assert exercise.solution_code not in exercise.hints[-1]
    assert str(exercise.solution_answer) not in exercise.hints[-1]


@each_exercise
def test_every_refusal_has_a_sentence_and_a_next_step(name):
    for sentence, next_step in EXERCISES[name].all_refusals().values():
        assert sentence.endswith((".", "?")), sentence
        assert next_step.strip()


# --- docs/checks.md ---------------------------------------------------------------------------

UPDATE = "UPDATE_CHECKS=1 .venv/bin/python -m pytest tests/test_answers.py -k page_of_checks"
INTRODUCTION = f"""# What each check refuses

For each exercise: the misconceptions that its check can tell apart, the sentence that the learner
reads, and the wrong answers under `tests/answers/` that are refused for it, the longer ones as
links. Below the sentence the learner sees what was called, the result, what was expected, and the
next step.

A check judges what an answer does, on data that the learner hasn't seen: the plan that SQLite
makes, the rows that a query returns, the steps that it takes. It never judges how fast an answer
is, or how it's written: the right answers beside the wrong ones have many styles, and all of them
pass. (The check of `timer` really waits for about a second, and compares the recorded times with
that.)

A check stops an answer that runs for too long, after a second unless the exercise says otherwise;
this includes SQLite's statements. It takes some seconds to stop nested loops that catch everything.
It also stops one that takes more than a gigabyte of memory or keeps hundreds of files open, and
undoes what an answer changes in the process, such as a patched clock or another working folder.
Only ending the kernel stops code in C that never returns, such as a huge `sum()`.

The tests make this page, with `{UPDATE}`, and one of them fails if it's out of date.
"""
WIDTH = 160


def shown(file):
    """Return Markdown of an answer: its code if that fits on a line, else a link to its file."""
    code = code_of(file).replace("|", "\\|")
    if len(code) <= WIDTH and "\n" not in code:
        return f"`` {code} ``"
    path = file.relative_to(paths.ROOT).as_posix()
    return f"[{file.stem.removeprefix('wrong_')}](../{path})"


def code_of(file):
    """Return an answer's value, or its function; in one line if it has no blocks."""
    last = ast.parse(file.read_text()).body[-1]
    if isinstance(last, ast.Assign):
        value = last.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return repr(" ".join(value.value.split()))
        return ast.unparse(value)
    is_function = isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef)
    assert is_function, f"{file}: the answer comes last"
    statements = map(ast.unparse, last.body)
    kind = "async def" if isinstance(last, ast.AsyncFunctionDef) else "def"
    return f"{kind} {last.name}({ast.unparse(last.args)}): {'; '.join(statements)}"


def own_refusals_first(exercise):
    """Yield the IDs of an exercise's refusals: its own first, those of all exercises last."""
    for kind in type(exercise).__mro__:
        yield from vars(kind).get("refusals", {})


def page():
    parts = [INTRODUCTION]
    for lesson, names in groupby(EXERCISES, key=lambda name: name.split("/")[0]):
        parts.append(f"## {lesson.capitalize()}\n")
        for name in names:
            head = "| refused for | the learner reads | wrong answers |\n|---|---|---|"
            parts.append(f"### {EXERCISES[name].name}\n\n{head}")
            sentences = EXERCISES[name].all_refusals()
            wrong_ones = [file for file in WRONG_ONES if exercise_of(file) == name]
            for mistake in own_refusals_first(EXERCISES[name]):
                files = [file for file in wrong_ones if misconception(file) == mistake]
                answers = "<br>".join(map(shown, files))
                if files:
                    parts.append(f"| {mistake} | {sentences[mistake][0]} | {answers} |")
            parts.append("")
    return "\n".join(parts)


def test_the_page_of_checks_is_current():
    if os.environ.get("UPDATE_CHECKS") == "1":
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page())
    current = PAGE.read_text() if PAGE.exists() else ""
    assert current == page(), f"docs/checks.md is out of date: {UPDATE}"
