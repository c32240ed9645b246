"""Notice functions that would get each other's values, because their default keys are the same.

A default key has the function's full name and its arguments. So two functions of one name share
their entries, and so do two calls of a function that defines this one, if it uses their variables:

    async def profile(user_id: int) -> dict:
        @cache.cached()
        async def load() -> dict: ...  # reads user_id, which isn't in its key

So the code of each function is remembered, and the data that it uses from around it. Functions and
classes count as data too: a decorator's wrapper uses the function inside it.
"""

import contextlib
import dataclasses
import inspect
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from types import CodeType
from typing import Any, NamedTuple
from uuid import UUID

Function = Callable[..., Any]

PLAIN = (str, int, float, bytes, tuple, Decimal, Enum, UUID, date)


class Source(NamedTuple):
    """The code of a function, and the values that it was defined with."""

    owner: object  # of a method
    code: CodeType | None
    variables: dict[str, Any]


class FunctionNames:
    """The functions of one cache that have default keys, by name."""

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}

    def add(self, name: str, function: Function) -> None:
        """Remember a function. Raises ValueError if another one of this name differs from it.

        A cell of a notebook that runs again replaces its function.
        """
        owner = getattr(function, "__self__", None)
        code = getattr(inspect.unwrap(function), "__code__", None)
        source = Source(owner, code, _variables(function))
        difference = _difference(self._sources.get(name, source), source)
        if difference:
            raise ValueError(
                f"two functions called {name} have the same keys and {difference}, so they'd get "
                "each other's values: pass `key` to each"
            )
        self._sources[name] = source


def _difference(earlier: Source, source: Source) -> str | None:
    """Return in what two functions of one name differ, None if that isn't known."""
    if earlier.owner is not source.owner:
        return "other objects"
    code, earlier_code = source.code, earlier.code
    # Each run of a notebook's cell is a file: in two files, they may be versions of one function.
    is_in_one_file = code and earlier_code and code.co_filename == earlier_code.co_filename
    if is_in_one_file and code != earlier_code:
        return "other code"
    for name, value in source.variables.items():
        if name in earlier.variables and earlier.variables[name] != value:
            return f"other values of the variable {name!r}"
    return None


def _variables(function: Function, users: tuple[Function, ...] = ()) -> dict[str, Any]:
    """Return the data that a function uses from the function around it.

    For a function, that's its name and its own data, unless it's one of its `users`. For a class,
    it's the name, because a cell that runs again makes another class.
    """
    code = getattr(function, "__code__", None)
    if code is None:  # an object
        return {}
    users = (*users, function)
    variables: dict[str, Any] = {}
    cells = getattr(function, "__closure__", None) or ()
    for name, cell in zip(code.co_freevars, cells, strict=False):
        with contextlib.suppress(ValueError):  # it isn't assigned yet
            value = cell.cell_contents
            if inspect.isfunction(value) and value not in users:
                variables[name] = _full_name(value), _variables(value, users)
            elif inspect.isclass(value):
                variables[name] = _full_name(value)
            elif _is_data(value):
                variables[name] = value
    return variables


def _is_data(value: Any) -> bool:
    """Return True for a value that can be compared, unlike a session, and doesn't change."""
    kind = type(value)
    is_model = dataclasses.is_dataclass(kind) or hasattr(kind, "model_dump")  # Pydantic's
    return value is None or is_model or isinstance(value, PLAIN)


def _full_name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"
