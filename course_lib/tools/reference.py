"""Write the reference of a package as Markdown: its docstrings, and each `def` as in the source."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pprint import pformat
from typing import Any

PACKAGES = ("cache", "limiter", "monitor", "optimizer", "advisor", "redis_client")


def reference(package: str) -> str:
    """Return a page about a package of `course_lib`: what it's for, then each public name.

    Constants come last.
    """
    module = import_module(f"course_lib.{package}")
    parts = [f"# course_lib.{package}", inspect.getdoc(module) or ""]
    values = {name: getattr(module, name) for name in module.__all__}
    constants_last = sorted(values, key=lambda name: not _is_defined(values[name]))
    for name in constants_last:
        parts += _entry(name, values[name])
    return "\n\n".join(parts)


def _entry(name: str, value: Any) -> Iterator[str]:
    """Yield the paragraphs about one public name."""
    yield f"## {name}"
    if not _is_defined(value):
        assigned = f"{name} = "
        width = len(assigned)
        lines = pformat(value, width=100 - width)
        aligned = lines.replace("\n", "\n" + " " * width)
        yield _code(assigned + aligned)
        return
    yield _code(_head(value))
    yield inspect.getdoc(value) or ""
    if inspect.isclass(value):
        for member, function in _methods(value).items():
            yield f"### {name}.{member}"
            yield _code(_head(function))
            yield inspect.getdoc(function) or ""


def _is_defined(value: Any) -> bool:
    """Return True for a class or a function, and False for a constant or an alias of a type."""
    return inspect.isclass(value) or inspect.isfunction(value)


def _methods(cls: type) -> dict[str, Any]:
    """Return the documented methods and properties of a class and of our classes that it extends.

    Properties are returned as their getters.
    """
    methods: dict[str, Any] = {}
    for base in cls.__mro__:
        if not base.__module__.startswith("course_lib."):
            continue
        for name, member in vars(base).items():
            function = _function(member)
            if function is not None and function.__doc__ and not name.startswith("_"):
                methods.setdefault(name, function)
    return methods


def _function(member: Any) -> Any:
    """Return the function behind a method of any kind or a property, or None."""
    if isinstance(member, property):
        member = member.fget
    elif isinstance(member, classmethod | staticmethod):
        member = member.__func__
    return member if inspect.isfunction(member) else None


def _head(value: Any) -> str:
    """Return a function up to its docstring, or a class with its fields and its `__init__`."""
    source = textwrap.dedent(inspect.getsource(value))
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    lines = re.sub("  # noqa.*", "", source).splitlines()
    head = lines[: definition.body[0].lineno - 1]
    if isinstance(definition, ast.ClassDef):
        for node in definition.body:
            head += _member_lines(node, lines)
    return "\n".join(head)


def _member_lines(node: ast.stmt, lines: list[str]) -> list[str]:
    """Return a class's public field, or its `__init__` up to the docstring; else nothing."""
    start = node.lineno - 1
    if isinstance(node, ast.AnnAssign):
        name = ast.unparse(node.target)
        return [] if name.startswith("_") else lines[start : node.end_lineno]
    if isinstance(node, ast.FunctionDef) and node.name == "__init__":
        return lines[start : node.body[0].lineno - 1]
    return []


def _code(source: str) -> str:
    return f"```python\n{source}\n```"
