"""Recognize what belongs to FastAPI and Starlette, without importing them."""

import inspect
import typing
from typing import Any

RESPONSE = {"Response"}
WRITTEN = {*RESPONSE, "BackgroundTasks"}  # a hit does nothing to them
LEFT_OUT = {*WRITTEN, "HTTPConnection", "SecurityScopes"}  # of keys
DEPENDENCIES = {"Depends", "Security"}
SECRETS = {*DEPENDENCIES, "Header", "Cookie"}  # what comes from them may be a password or a token


def is_from_framework(kind: Any, names: set[str]) -> bool:
    """Return True for a class of Starlette or FastAPI with one of the names, or a subclass."""
    return any(
        base.__name__ in names and base.__module__.partition(".")[0] in ("starlette", "fastapi")
        for base in getattr(kind, "__mro__", ())
    )


def comes_from(parameter: inspect.Parameter, sources: set[str]) -> bool:
    """Return True if FastAPI fills a parameter from a source: by its default or its annotation."""
    annotation = getattr(parameter.annotation, "__value__", parameter.annotation)  # of an alias
    candidates = [parameter.default, *typing.get_args(annotation)]
    kinds = [type(candidate) for candidate in candidates]
    return any(kind.__module__ == "fastapi.params" and kind.__name__ in sources for kind in kinds)
