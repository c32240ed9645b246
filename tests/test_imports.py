"""Who may import whom: subjects import the Redis client at most, and nothing imports what is above it."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from course_lib.lab import paths
from course_lib.tools import notebooks

PACKAGE = paths.ROOT / "course_lib"
SUBJECTS = {"cache", "limiter", "monitor", "optimizer"}
SHARED = {"asgi", "checks"}  # a module each, which imports nothing of ours
FINISHED = {*SUBJECTS, *SHARED, "advisor", "redis_client"}
OUTSIDE = {"fastapi", "httpx", "redis", "pandas"}

# For each package, the packages that it may import besides itself: only what is below it.
ALLOWED = {
    **{module: set() for module in SHARED},
    "redis_client": SHARED,
    **{subject: {"redis_client", *SHARED} for subject in SUBJECTS},
    "advisor": {"optimizer", *SHARED},
    "api": FINISHED,
    "lab": {"api", *FINISHED},
    "exercises": {"lab", "api", *FINISHED},
    "report_card": {"exercises", "lab", "api", *FINISHED},
    "tools": {"report_card", "exercises", "lab", "api", *FINISHED},
    "__init__": set(),
}
# What `pip install .` brings: the subjects at work need no more. The limiter's decorator is for FastAPI's endpoints.
AT_WORK = {
    **{subject: {"redis"} for subject in SUBJECTS},
    "limiter": {"redis", "fastapi"},
    "redis_client": {"redis"},
    **{module: set() for module in SHARED},
    "advisor": {"sqlglot"},
}

MODULES = sorted(PACKAGE.rglob("*.py"))
each_module = pytest.mark.parametrize(
    "module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE))
)
each_lesson = pytest.mark.parametrize("lesson", notebooks.shipped(), ids=lambda path: path.stem)


def imported(source: str) -> set[str]:
    """The dotted names that a source imports anywhere in it."""
    names = set()
    for node in ast.walk(
        compile(source, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    ):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part(module: Path) -> str:
    """Return the package of a module: `lab` for course_lib/lab/bench.py."""
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


def from_outside(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names} - {"course_lib"} - sys.stdlib_module_names


@each_module
def test_a_module_imports_only_the_parts_that_it_may(module):
    names = imported(module.read_text())
    ours = {name.split(".")[1] for name in names if name.startswith("course_lib.")}
    assert ours <= {part(module), *ALLOWED[part(module)]}


@each_module
def test_inside_a_package_no_module_imports_its_front_door(module):
    package = f"course_lib.{part(module)}"
    names = ".".join(module.relative_to(PACKAGE).with_suffix("").parts)
    siblings = {f"{package}.{path.stem}" for path in (PACKAGE / part(module)).glob("*.py")}
    own = {name for name in imported(module.read_text()) if name.startswith(f"{package}.")}
    assert all(
        any(name == each or name.startswith(f"{each}.") for each in siblings) for name in own
    ), names


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: set(modules_imported_by(module)) for module in MODULES}
    TopologicalSorter(graph).prepare()


def modules_imported_by(module):
    """Yield the files of the package that a module imports."""
    for name in imported(module.read_text()):
        path = paths.ROOT / name.replace(".", "/")
        for file in (path.with_suffix(".py"), path.parent.with_suffix(".py"), path / "__init__.py"):
            if file in MODULES and file != module:
                yield file
                break


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
