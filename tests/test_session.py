"""In a kernel, an error of the library is one sentence, and a learner's own error keeps its traceback."""

import re

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
    """What each cell left: printed, or the error as it is shown, without its colours."""
    sources = [
        re.sub("^        ", "", source.strip("\n"), flags=re.MULTILINE) for source in CELLS.values()
    ]
    notebook = new_notebook(cells=[new_code_cell(source.strip()) for source in sources])
    done = NotebookClient(notebook, timeout=30, allow_errors=True).execute()
    outputs = {}
    for name, cell in zip(CELLS, done.cells, strict=True):
        (output,) = cell.outputs
        shown = output.text if "text" in output else "\n".join(output.traceback)
        outputs[name] = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    return outputs


def test_an_error_of_the_library_is_its_sentence_and_the_learners_line(outputs):
    where, what = outputs["library"].splitlines()
    assert where == "line 2 of this cell: ask(name)"
    assert what.startswith(
        "ValueError: there is no question 'no such question'; there are warm-up 1"
    )


def test_a_learners_own_error_keeps_its_traceback(outputs):
    assert "ZeroDivisionError" in outputs["own"]
    assert "return number / 0" in outputs["own"]
    assert "divide(1)" in outputs["own"]
    assert "_speak" not in outputs["own"]


def test_stop_is_one_friendly_sentence_and_the_next_cell_runs(outputs):
    assert outputs["stopped"].splitlines()[-1] == (
        "KeyboardInterrupt: Stopped. Nothing is broken: run the cell again when you like."
    )
    assert "Traceback" not in outputs["stopped"]
    assert outputs["next"] == "next\n"


def test_the_lesson_in_progress_is_the_one_begun(outputs):
    assert outputs["start"] == "indexing\n"


def test_a_lesson_that_does_not_exist_is_an_error_that_names_those_that_do():
    with pytest.raises(
        ValueError, match=r"no lesson 'indxing'; there are welcome, caching, indexing"
    ):
        session.begin("indxing")
