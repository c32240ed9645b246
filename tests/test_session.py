"""In a kernel, the library's errors are one sentence; the learner's own keep their traceback."""

import re
from textwrap import dedent

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from course_lib.lab import session

CELLS = {
    "start": """
        from course_lib.lab import session, show
        from course_lib.exercises.questions import ask
        session.begin("indexing")
        print(session.lesson())
    """,
    "library": """
        name = "no such question"
        ask(name)
    """,
    "own": """
        def divide(number):
            return number / 0
        divide(1)
    """,
    "stopped": """
        def stop(*_):
            raise KeyboardInterrupt
        show.re.sub = stop
        show.prose("text")
    """,
    "next": "print('next')",
}


@pytest.fixture(scope="module")
def outputs():
    """Return what each cell printed, or the error as it was shown, without colors."""
    cells = [new_code_cell(dedent(source).strip()) for source in CELLS.values()]
    client = NotebookClient(new_notebook(cells=cells), timeout=30, allow_errors=True)
    executed = client.execute()
    outputs = {}
    for name, cell in zip(CELLS, executed.cells, strict=True):
        (output,) = cell.outputs
        shown = output.text if "text" in output else "\n".join(output.traceback)
        outputs[name] = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    return outputs


def test_an_error_in_the_library_is_shown_as_the_learners_line_and_its_message(outputs):
    line, message = outputs["library"].splitlines()
    assert line == "line 2 of this cell: ask(name)"
    expected = "ValueError: there is no question 'no such question'; there are warm-up 1"
    assert message.startswith(expected)


def test_a_learners_own_error_keeps_its_traceback(outputs):
    assert "ZeroDivisionError" in outputs["own"]
    assert "return number / 0" in outputs["own"]
    assert "divide(1)" in outputs["own"]
    assert "_show_error" not in outputs["own"]


def test_stop_is_one_friendly_sentence_and_the_next_cell_runs(outputs):
    assert outputs["stopped"].splitlines()[-1] == (
        "KeyboardInterrupt: Stopped. Nothing is broken: run the cell again when you like."
    )
    assert "Traceback" not in outputs["stopped"]
    assert outputs["next"] == "next\n"


def test_the_lesson_in_progress_is_the_one_that_was_started(outputs):
    assert outputs["start"] == "indexing\n"


def test_the_error_for_an_unknown_lesson_lists_the_lessons():
    message = "no lesson 'indxing'; choose from welcome, caching, indexing"
    with pytest.raises(ValueError, match=message):
        session.begin("indxing")
