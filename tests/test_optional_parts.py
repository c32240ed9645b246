"""Each part of an optional notebook runs alone on a fresh kernel, after the set-up."""

import re

import pytest

from course_lib.lab.lessons import is_optional
from course_lib.tools import notebooks

PART = re.compile(r"^## (.*)", re.MULTILINE)


def parts_of(lesson):
    """Return the notebook's set-up, and each part's heading and cells."""
    start, parts = [], []
    for cell in notebooks.read(lesson).cells:
        heading = cell.cell_type == "markdown" and PART.search(cell.source)
        if heading:
            parts.append((heading[1], []))
        if parts:
            parts[-1][1].append(cell)
        else:
            start.append(cell)
    return start, parts


EACH_PART = [
    pytest.param(lesson, heading, id=f"{lesson.stem}: {heading}")
    for lesson in notebooks.shipped()
    if is_optional(lesson)
    for heading, _ in parts_of(lesson)[1]
]


@pytest.mark.measures
@pytest.mark.parametrize(("lesson", "heading"), EACH_PART)
def test_a_part_runs_alone_after_the_set_up(lesson, heading, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_ROWS", "100000")
    monkeypatch.setenv("COURSE_SHORT", "1")
    start, parts = parts_of(lesson)
    notebook = notebooks.read(lesson)
    notebook.cells = [*start, *dict(parts)[heading]]
    notebooks.execute(notebook, tmp_path)
