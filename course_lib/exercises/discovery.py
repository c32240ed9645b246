"""Find a lesson's exercises: one file each, named after the exercise."""

import pkgutil
from collections.abc import Iterable
from importlib import import_module

from course_lib.exercises.engine import Exercise


def exercises_in(package: str, path: Iterable[str]) -> dict[str, Exercise]:
    """Import each module of a lesson's folder and return its exercise, by name.

    A package binds the exercise over the module of the same name, so that `caching.cache_aside` is
    the exercise. Raises LookupError if a module has no exercise of its own name.
    """
    exercises = {}
    for _, name, _ in pkgutil.iter_modules(path):
        module = import_module(f"{package}.{name}")
        exercises[name] = _exercise_class(vars(module).values(), name)()
    return exercises


def _exercise_class(values: Iterable[object], name: str) -> type[Exercise]:
    for value in values:
        if isinstance(value, type) and issubclass(value, Exercise) and value.__dict__.get("name") == name:
            return value
    raise LookupError(f"{name}.py has no exercise with `name = {name!r}`: name both alike")
