"""Each part of an optional notebook runs alone: it uses no name that another part defines."""

import ast
import builtins

import pytest

from course_lib.lab import lessons
from tests.test_lessons import statements

OPTIONAL = [notebook for notebook in lessons.shipped() if lessons.is_optional(notebook)]


def parts(notebook):
    """Return the code cells of each part by its heading; those above the first are under ""."""
    cells = {"": []}
    for cell in lessons.read(notebook).cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("## "):
                cells[line] = []
        if cell.cell_type == "code":
            cells[list(cells)[-1]].append(cell)
    return cells


def names(cells):
    """Return the names that cells define, and those that they use."""
    defined, used = set(), set()
    for cell in cells:
        for node in ast.walk(ast.Module(statements(cell), [])):
            match node:
                case ast.Name(id=name, ctx=ast.Load()):
                    used.add(name)
                case ast.Name(id=name) | ast.arg(arg=name):
                    defined.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    defined.add(name)
                case ast.ClassDef(name=name) | ast.ExceptHandler(name=name):
                    defined.add(name)
                case ast.alias(name=name, asname=asname):
                    defined.add(asname or name.partition(".")[0])
    return defined, used


@pytest.mark.parametrize("notebook", OPTIONAL, ids=lambda path: path.stem)
def test_a_part_uses_only_names_from_itself_and_the_first_cell(notebook):
    by_part = parts(notebook)
    known = {*vars(builtins), "display"} | names(by_part.pop(""))[0]
    for heading, cells in by_part.items():
        defined, used = names(cells)
        assert used <= known | defined, heading
