"""The minutes that a notebook states are those that its reader needs, and the rule counts them."""

import sys

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_lib.lab import paths
from course_lib.tools import notebooks
from tests.test_lessons import each_lesson

sys.path.insert(0, str(paths.ROOT / "benchmarks"))
from minutes import _is_one_line, count


@each_lesson
def test_the_stated_minutes_are_those_counted_within_a_tenth(lesson):
    counted = count(notebooks.read(lesson))
    assert counted.machine is not None, "run `... notebooks store --run` to measure the machine"
    assert counted.stated == pytest.approx(counted.minutes, rel=0.1, abs=0.5)


def notebook(*cells, **metadata):
    made = new_notebook(cells=list(cells))
    made.metadata.update(metadata)
    return made


def test_words_lines_and_the_machine_are_added_up():
    prose = new_markdown_cell("# Title\n\n*25 minutes* " + "word " * 97)
    code = new_code_cell("a = 1\n\nb = 2\nc = 3")
    counted = count(notebook(prose, code, machine_seconds=30))
    assert (counted.words, counted.lines, counted.stated) == (100, 3, 25)
    assert counted.minutes == pytest.approx((60 + 3 * 4 + 30) / 60)


def test_code_in_prose_counts_as_lines_and_a_diagram_or_an_address_as_nothing():
    shown = new_markdown_cell(
        "Look:\n\n```python\na = 1\nb = 2\n```\n\n```mermaid\nflowchart LR\n```\n\n"
        "[here](https://example.com/a/b)"
    )
    counted = count(notebook(shown, new_code_cell("pass")))
    assert (counted.words, counted.lines) == (2, 3)


@pytest.mark.parametrize(
    ("source", "tags", "seconds"),
    [
        ("fixes = {}\ntrials.run(fixes)", ["tune"], 300),
        ('predict("a", guess=..., sure=...)', [], 45),
        ('ex.ask("one", ...)\nex.ask("two", ...)', [], 90),
        ("lookup.plot()", [], 34),
    ],
)
def test_what_the_reader_does_has_its_time(source, tags, seconds):
    cell = new_code_cell(source, metadata={"tags": tags})
    assert count(notebook(new_markdown_cell(""), cell)).minutes == seconds / 60


@pytest.mark.parametrize(
    ("answer", "one_line"),
    [
        ('index = "CREATE INDEX a ON b (c)"', True),
        ("def f(a):\n    return a + 1", True),
        ('def f(a):\n    """Return it."""\n    return a + 1', True),
        ("async def f(a):\n    b = await a()\n    return b", False),
        ("class A:\n    pass", False),
    ],
)
def test_an_answer_of_one_statement_is_a_one_liner(answer, one_line):
    assert _is_one_line(answer) == one_line
