"""Find the exercises of a lesson: one file each, named after the exercise."""

import pkgutil
from collections.abc import Iterable
from importlib import import_module

from course_lib.exercises.engine import Exercise


def exercises_in(package: str, path: Iterable[str]) -> dict[str, Exercise]:
    """Import each module in a lesson's folder and return its exercise, by name.

    The folder's `__init__` binds each exercise in place of its module, so that
    `caching.cache_aside` is the exercise. Raises LookupError if a module doesn't have one.
    """
    exercises = {}
    for _, name, _ in pkgutil.iter_modules(path):
        module = import_module(f"{package}.{name}")
        exercises[name] = _exercise_class(vars(module).values(), name)()
    return exercises


def _exercise_class(values: Iterable[object], name: str) -> type[Exercise]:
    classes = [value for value in values if isinstance(value, type)]
    for kind in classes:
        if issubclass(kind, Exercise) and vars(kind).get("name") == name:
            return kind
    raise LookupError(f"{name}.py has no exercise of this name: add a class with `name = {name!r}`")
