"""Test that each file and class is small enough to be read at one sitting."""

import ast

from course_lib.lab import paths

PACKAGE = paths.ROOT / "course_lib"
FRONT_FILES = ("cache/cache.py", "limiter/limiter.py", "monitor/monitor.py", "optimizer/indexes.py")
METHODS = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_a_file_has_under_300_lines_a_front_file_under_250_an_exercise_under_200():
    too_long = []
    for module in PACKAGE.rglob("*.py"):
        name = module.relative_to(PACKAGE)
        most = 300
        if name.match("exercises/*/*.py"):
            most = 200
        elif str(name) in FRONT_FILES:
            most = 250
        if len(module.read_text().splitlines()) >= most:
            too_long.append(f"{name}: split it, so that it has under {most} lines")
    assert not too_long


def test_no_class_has_more_than_ten_private_methods():
    too_many = []
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ClassDef):
                names = [part.name for part in node.body if isinstance(part, METHODS)]
                private = [name for name in names if name.startswith("_") and name[1] != "_"]
                if len(private) > 10:
                    too_many.append(f"{node.name}: {', '.join(private)}")
    assert not too_many
