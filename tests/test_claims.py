"""Test how a lesson's claims are judged, and that claims.toml has what the lessons claim."""

import ast

import pytest

from course_lib.lab import bench, claim, claims, session
from course_lib.lab.comparison import Comparison
from course_lib.tools import notebooks
from tests.test_lessons import LESSONS, code_cells, is_claim, statements


@pytest.fixture(autouse=True)
def lesson(monkeypatch):
    """Replace the claims of the lesson in progress."""
    about_rows = {"text": "at least 100 times faster", "at_least": 100}
    the_claims = {
        "fast": about_rows,
        "any": {"text": "at most a half", "at_most": 0.5, "any_rows": True},
        "same": {"text": "the same rows"},
    }
    monkeypatch.setattr(claims, "_file", lambda: {session.lesson(): the_claims})


def twice_as_fast():
    return Comparison({"slow": [0.5] * 6, "fast": [0.25] * 6}).ratio()


def test_a_claim_that_holds_is_one_line_without_figures(capsys):
    claim("fast", 100.0)
    claim("any", 0.5)
    claim("same", True)
    assert capsys.readouterr().out.splitlines() == [
        "held: at least 100 times faster",
        "held: at most a half",
        "held: the same rows",
    ]


def test_a_claim_that_does_not_hold_says_what_was_measured(capsys):
    claim("fast", twice_as_fast())
    claim("any", 0.51)
    claim("same", False, {"one": 3})
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("NOT HELD: at least 100 times faster (measured 2 (2 to 2); likely")
    assert second.startswith("NOT HELD: at most a half (measured 0.51;")
    assert third.startswith("NOT HELD: the same rows (measured {'one': 3};")


def test_not_a_number_holds_no_claim(capsys):
    claim("fast", float("nan"))
    claim("any", float("nan"))
    assert capsys.readouterr().out.count("NOT HELD") == 2


def test_a_claim_about_the_lessons_table_is_not_judged_on_another_size(capsys, monkeypatch):
    monkeypatch.setenv("COURSE_ROWS", "20000")
    claim("fast", 2.0)
    claim("any", 0.1)
    assert capsys.readouterr().out.splitlines() == [
        "not judged at 20,000 rows: at least 100 times faster",
        "held: at most a half",
    ]


def test_a_measurement_takes_no_longer_for_a_claim_that_is_not_judged(monkeypatch):
    def rounds_for(claim):
        compared = bench.compare({"a": int, "b": int}, rounds=3, seconds=0.2, claim=claim)
        return len(compared.samples["a"])

    monkeypatch.setattr(bench, "_is_undecided", lambda samples, bounds: True)
    assert rounds_for("fast") > 3
    monkeypatch.setenv("COURSE_ROWS", "20000")
    assert rounds_for("fast") == 3
    assert rounds_for("any") > 3


def test_a_wrong_name_is_answered_with_the_names_that_there_are():
    with pytest.raises(ValueError, match=r"no claim 'slow'; claims.toml has fast, any, same"):
        claim("slow", 1)
    with pytest.raises(ValueError, match="no claim 'slow'"):
        bench.compare({"a": int, "b": int}, claim="slow")


@pytest.mark.parametrize("name", session.LESSONS)
def test_a_lesson_makes_exactly_its_claims_and_stores_their_texts(name, monkeypatch):
    monkeypatch.undo()
    made = {}
    for lesson in LESSONS:  # its own notebook, and its optional one
        if notebooks.lesson_name(lesson) != name:
            continue
        for cell in code_cells(lesson):
            for node in claims_in(cell):
                made[node.args[0].value] = notebooks.text_of(cell)
    held = {claimed: f"held: {stated.text}\n" for claimed, stated in claims.of_lesson(name).items()}
    assert made == held


def claims_in(cell):
    """Return the calls of `claim` in a code cell."""
    nodes = [node for statement in statements(cell) for node in ast.walk(statement)]
    return list(filter(is_claim, nodes))
