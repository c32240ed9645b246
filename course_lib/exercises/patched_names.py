"""Restore the names of modules and of classes that an answer has replaced, added or deleted.

`time.time = ...` and `redis.asyncio.Redis.get = ...` change them for the whole kernel. Only modules
that are imported already are kept: importing the others would take longer than most checks.
"""

import contextlib
import operator
import sys
from typing import Any

MODULES = (
    "asyncio",
    "asyncio.events",
    "builtins",
    "collections",
    "copy",
    "datetime",
    "functools",
    "html",
    "inspect",
    "itertools",
    "math",
    "os",
    "pathlib",
    "re",
    "signal",
    "socket",
    "sqlite3",
    "sys",
    "textwrap",
    "threading",
    "time",
    "traceback",
    "types",
    "warnings",
)
# Their classes are kept too. Most of those above are written in C, so they can't be changed.
PACKAGES = (
    "contextlib",
    "course_lib.cache",
    "course_lib.exercises.engine",
    "course_lib.exercises.guard",
    "course_lib.exercises.judging",
    "course_lib.exercises.verdict",
    "course_lib.lab.namespaced_client",
    "course_lib.lab.progress",
    "course_lib.limiter",
    "course_lib.monitor",
    "fastapi",
    "httpx",
    "json",
    "logging",
    "random",
    "redis",
    "redis.asyncio",
    "reprlib",
)
# The flag of classes in C whose names can't be changed: Py_TPFLAGS_IMMUTABLETYPE.
IMMUTABLE = 1 << 8


def keep(stack: contextlib.ExitStack) -> None:
    """Let the stack restore the names as they are now."""
    names = {kind: dict(vars(kind)) for kind in _classes()}
    stack.callback(_restore_classes, names)  # after the modules, whose functions it calls
    for name in (*MODULES, *PACKAGES):
        if module := sys.modules.get(name):
            stack.callback(vars(module).update, dict(vars(module)))


def _classes() -> set[type]:
    """Return the classes of the packages that are imported, without errors and those in C."""
    classes: set[type] = set()
    for package in PACKAGES:
        if module := sys.modules.get(package):
            classes.update(value for value in vars(module).values() if isinstance(value, type))
    changeable = [kind for kind in classes if not kind.__flags__ & IMMUTABLE]
    return {kind for kind in changeable if not issubclass(kind, BaseException)}


def _restore_classes(names: dict[type, dict[str, Any]]) -> None:
    """Give each class these names and values, and no others."""
    for kind, before in names.items():
        now = vars(kind)
        # The usual case, and a quick one: the same values in the same order.
        if len(now) == len(before) and all(map(operator.is_, now.values(), before.values())):
            continue
        for added in now.keys() - before.keys():
            delattr(kind, added)
        for name, value in before.items():
            if now.get(name) is not value:
                setattr(kind, name, value)
