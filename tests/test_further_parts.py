"""Each part of an optional notebook runs alone, after the set-up cell."""

import ast
import builtins
import re

import pytest

from course_lib.lab import lessons
from tests.test_lessons import is_code, statements

NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)
FURTHER = [path for path in lessons.shipped() if lessons.is_optional(path)]


def parts(notebook):
    """Return the code cells of each part, by its heading; those before the first are under ""."""
    heading, cells = "", {"": []}
    for cell in lessons.read(notebook).cells:
        if is_code(cell):
            cells[heading].append(cell)
        elif found := re.search("^## (.+)", cell.source, re.MULTILINE):
            heading = found[1]
            cells[heading] = []
    return cells


def names(cells):
    """Return the names that cells define and the names that they use."""
    defined, used = set(), set()
    for cell in cells:
        for node in (node for one in statements(cell) for node in ast.walk(one)):
            if isinstance(node, ast.Name):
                (used if isinstance(node.ctx, ast.Load) else defined).add(node.id)
            elif isinstance(node, ast.arg):
                defined.add(node.arg)
            elif isinstance(node, ast.alias):
                defined.add((node.asname or node.name).partition(".")[0])
            elif isinstance(node, NAMED):
                defined.add(node.name)
    return defined, used


@pytest.mark.parametrize("notebook", FURTHER, ids=lambda path: path.stem)
def test_a_part_uses_only_its_own_names_and_those_of_the_set_up_cell(notebook):
    by_heading = parts(notebook)
    set_up, _ = names(by_heading.pop(""))
    assert by_heading
    for heading, cells in by_heading.items():
        defined, used = names(cells)
        assert used - defined - set_up - set(dir(builtins)) == set(), heading
