"""Notice functions that would get each other's values, because their default keys are the same.

A default key has the function's full name and its arguments. So two functions of one name share
their entries, and so do two calls of a function that defines this one, if it uses their variables:

    async def profile(user_id: int) -> dict:
        @cache.cached()
        async def load() -> dict: ...  # reads user_id, which isn't in its key
"""

import contextlib
import dataclasses
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

Function = Callable[..., Any]

PLAIN = (str, int, float, bytes, tuple, Decimal, Enum, UUID, date)


class FunctionNames:
    """The functions of one cache that have default keys, by name."""

    def __init__(self) -> None:
        self._functions: dict[str, Function] = {}

    def add(self, name: str, function: Function) -> None:
        """Remember a function. Raises ValueError if another one of this name differs from it.

        A cell of a notebook that runs again replaces its function.
        """
        earlier = self._functions.get(name, function)
        difference = _difference(earlier, function)
        if difference:
            raise ValueError(
                f"two functions called {name} have the same keys and {difference}, so they'd get "
                "each other's values: pass `key` to each"
            )
        self._functions[name] = function


def _difference(earlier: Function, function: Function) -> str | None:
    """Return in what two functions of one name differ, None if that isn't known."""
    if getattr(earlier, "__self__", None) is not getattr(function, "__self__", None):
        return "other objects"
    code, earlier_code = getattr(function, "__code__", None), getattr(earlier, "__code__", None)
    # Each run of a notebook's cell is a file: in two files, they may be versions of one function.
    is_in_one_file = code and earlier_code and code.co_filename == earlier_code.co_filename
    if is_in_one_file and code != earlier_code:
        return "other code"
    earlier_variables = _variables(earlier)
    for name, value in _variables(function).items():
        if name in earlier_variables and earlier_variables[name] != value:
            return f"other values of the variable {name!r}"
    return None


def _variables(function: Function) -> dict[str, Any]:
    """Return the data that a function uses from the function around it."""
    code = getattr(function, "__code__", None)
    if code is None:  # an object or a partial
        return {}
    variables = {}
    cells = getattr(function, "__closure__", None) or ()
    for name, cell in zip(code.co_freevars, cells, strict=False):
        with contextlib.suppress(ValueError):  # it isn't assigned yet
            if _is_data(cell.cell_contents):
                variables[name] = cell.cell_contents
    return variables


def _is_data(value: Any) -> bool:
    """Return True for a value that can be compared, unlike a session, and doesn't change."""
    kind = type(value)
    is_model = dataclasses.is_dataclass(kind) or hasattr(kind, "model_dump")  # Pydantic's
    return value is None or is_model or isinstance(value, PLAIN)
