"""Test which package may import which: only packages below it, and a subject no other subject."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from course_lib.lab import paths
from course_lib.tools import notebooks

PACKAGE = paths.ROOT / "course_lib"
SUBJECTS = {"cache", "limiter", "monitor", "optimizer"}
SHARED = {"asgi", "callables", "checks"}  # single modules that import nothing else of course_lib
FINISHED = {*SUBJECTS, *SHARED, "advisor", "redis_client"}
OUTSIDE = {"fastapi", "httpx", "redis", "pandas"}

# The packages that each package may import besides itself: only those below it.
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
# The packages from outside that a subject may import. Only the limiter's decorator imports FastAPI
# and Starlette, and anyone who uses it has both installed.
AT_WORK = {
    **{subject: {"redis"} for subject in SUBJECTS},
    "limiter": {"redis", "fastapi", "starlette"},
    "redis_client": {"redis", "hiredis"},  # pyproject.toml names both
    **{module: set() for module in SHARED},
    "advisor": {"sqlglot"},
}

MODULES = sorted(PACKAGE.rglob("*.py"))
each_module = pytest.mark.parametrize(
    "module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE))
)
each_lesson = pytest.mark.parametrize("lesson", notebooks.shipped(), ids=lambda path: path.stem)


def imported(source: str) -> set[str]:
    """Return the dotted names that a source imports, at any level of nesting."""
    names = set()
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for node in ast.walk(compile(source, "", "exec", flags)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "no relative imports: write the full name of the module"
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
    for name in own:
        from_sibling = any(f"{name}.".startswith(f"{sibling}.") for sibling in siblings)
        assert from_sibling, f"{names} imports {name} from its package's front door"


@pytest.mark.parametrize("package", sorted(FINISHED - SHARED))
def test_a_front_door_names_each_file_of_its_package_and_no_other(package):
    front_door = (PACKAGE / package / "__init__.py").read_text()
    shown = ast.get_docstring(ast.parse(front_door))
    files = {path.name for path in (PACKAGE / package).glob("*.py")}
    assert set(re.findall(r"\w+\.py\b", shown)) == files - {"__init__.py", "__main__.py"}


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
    block = "import sys; sys.modules['fastapi'] = sys.modules['starlette'] = None"
    subprocess.run([sys.executable, "-c", f"{block}; import course_lib.limiter"], check=True)


@each_lesson
def test_a_lesson_imports_the_package_the_standard_library_and_four_others(lesson):
    cells = [cell.source for cell in notebooks.read(lesson).cells if cell.cell_type == "code"]
    assert from_outside(set().union(*map(imported, cells))) <= OUTSIDE
