"""Who may import whom, as DESIGN.md has it: the subjects stand alone, and everything else stands on them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.lab import notebooks, paths

PACKAGE = paths.ROOT / "course_lib"
SUBJECTS = {"cache", "limiter", "monitor", "optimizer"}
FINISHED = {*SUBJECTS, "advisor", "dashboard", "endpoints", "histogram", "resilience", "workers"}
OUTSIDE = {"fastapi", "httpx", "redis", "pandas"}

# For each part of the package, the parts of it that it may import besides itself.
ALLOWED = {
    **{subject: {"resilience"} for subject in SUBJECTS},
    "monitor": {"endpoints", "histogram", "resilience", "workers"},
    "endpoints": set(),
    "histogram": set(),
    "resilience": set(),
    "workers": {"resilience"},
    "dashboard": {"monitor"},
    "advisor": {"optimizer", "index_candidates", "index_trial"},
    "index_trial": {"optimizer", "index_candidates"},
    "index_candidates": {"optimizer"},
    "api": FINISHED,
    "lab": {"api", *FINISHED},
    "exercises": {"lab", "api", *FINISHED},
    "__init__": set(),
}
# What `pip install .` brings: the subjects at work need no more. The limiter's decorator is for FastAPI's endpoints.
AT_WORK = {
    **{subject: {"redis"} for subject in SUBJECTS},
    "limiter": {"redis", "fastapi"},
    "resilience": {"redis"},
    "endpoints": set(),
    "histogram": set(),
    "workers": {"redis"},
    "advisor": set(),
    "dashboard": set(),
    "index_candidates": {"sqlglot"},
    "index_trial": set(),
}

MODULES = sorted(PACKAGE.rglob("*.py"))
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
each_lesson = pytest.mark.parametrize("lesson", notebooks.shipped(), ids=lambda path: path.stem)


def imported(source: str) -> set[str]:
    """The dotted names that a source imports anywhere in it."""
    names = set()
    for node in ast.walk(compile(source, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part(module: Path) -> str:
    """`lab` for course_lib/lab/bench.py, `optimizer` for course_lib/optimizer.py."""
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


def from_outside(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names} - {"course_lib"} - sys.stdlib_module_names


@each_module
def test_a_module_imports_only_the_parts_that_it_may(module):
    names = imported(module.read_text())
    ours = {name.split(".")[1] for name in names if name.startswith("course_lib.")}
    assert ours <= {part(module), *ALLOWED[part(module)]}


@each_module
def test_a_subject_needs_no_more_than_pip_install_brings(module):
    if part(module) in AT_WORK:
        assert from_outside(imported(module.read_text())) <= AT_WORK[part(module)]


def test_the_limiter_and_its_middleware_need_no_fastapi():
    alone = "import sys; sys.modules['fastapi'] = sys.modules['starlette'] = None; import course_lib.limiter"
    subprocess.run([sys.executable, "-c", alone], check=True)


@each_lesson
def test_a_lesson_imports_the_package_the_standard_library_and_four_others(lesson):
    cells = [cell.source for cell in notebooks.read(lesson).cells if cell.cell_type == "code"]
    assert from_outside(set().union(*map(imported, cells))) <= OUTSIDE
