"""Test that each part of an optional notebook stands alone: it needs the set-up cell, no other."""

import ast
import builtins
import re

import pytest

from course_lib.lab import lessons
from tests.test_lessons import LESSONS, statements

PROVIDED = {*dir(builtins), "display"}  # by Python, and by IPython


def parts(notebook):
    """Return the code cells below each heading of the second level; "" is above the first."""
    name = ""
    found = {name: []}
    for cell in lessons.read(notebook).cells:
        if cell.cell_type == "code":
            found[name].append(cell)
        elif heading := re.search(r"^## (.*)", cell.source, re.MULTILINE):
            name = heading[1]
            found[name] = []
    return found


OPTIONAL = {lesson: parts(lesson) for lesson in filter(lessons.is_optional, LESSONS)}
PARTS = [(lesson, name) for lesson, found in OPTIONAL.items() for name in found if name]


def names(cells):
    """Return the names that cells define, and those that they read."""
    defined, read = set(), set()
    for statement in [statement for cell in cells for statement in statements(cell)]:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name):
                (read if isinstance(node.ctx, ast.Load) else defined).add(node.id)
            elif isinstance(node, ast.alias):
                defined.add(node.asname or node.name)
            elif isinstance(node, ast.arg):
                defined.add(node.arg)
            else:
                defined.add(getattr(node, "name", None))  # a function, a class, an error caught
    return defined, read


@pytest.mark.parametrize(("lesson", "name"), PARTS, ids=[name for _, name in PARTS])
def test_a_part_of_an_optional_notebook_needs_only_the_set_up_cell(lesson, name):
    provided, _ = names(OPTIONAL[lesson][""])
    defined, read = names(OPTIONAL[lesson][name])
    assert read - defined - provided - PROVIDED == set()
