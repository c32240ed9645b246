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
from types import CodeType
from typing import Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

from course_lib.cache.argument_text import any_text, full_name

Function = Callable[..., Any]


@dataclasses.dataclass(eq=False)
class Data:  # noqa: PLW1641  it's never in a set
    """A value that a function uses, and the hash of its text when the function was defined.

    A list that has grown since is still the same value.
    """

    value: object
    text_hash: int

    def __eq__(self, other: object) -> bool:
        """Return True for the same value, and for one that had the same text."""
        if not isinstance(other, Data):
            return False
        return self.value is other.value or self.text_hash == other.text_hash


class Source(NamedTuple):
    """The code of a function, and the values that it was defined with."""

    name: str
    owner: object  # of a method
    code: CodeType | None
    variables: dict[str, Any]


class FunctionNames:
    """The functions of one namespace that have default keys, by name."""

    _of_clients: ClassVar[WeakKeyDictionary[object, dict[str, "FunctionNames"]]] = (
        WeakKeyDictionary()
    )

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}

    @classmethod
    def of(cls, client: object, namespace: str) -> "FunctionNames":
        """Return the names that all caches on a client and a namespace share, like their keys."""
        of_namespaces = cls._of_clients.setdefault(client, {})
        return of_namespaces.setdefault(namespace, cls())

    def add(self, name: str, function: Function) -> None:
        """Remember a function. Raises ValueError if another one of this name differs from it.

        A cell of a notebook that runs again replaces its function.
        """
        source = _source(name, function)
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
        before = earlier.variables.get(name, value)
        if isinstance(value, Source) and isinstance(before, Source):
            is_other = value.name != before.name or _difference(before, value)
        else:
            is_other = value != before
        if is_other:
            return f"other values of the variable {name!r}"
    return None


def _source(name: str, function: Function, users: tuple[Function, ...] = ()) -> Source:
    owner = getattr(function, "__self__", None)
    code = getattr(inspect.unwrap(function), "__code__", None)
    return Source(name, owner, code, _variables(function, users))


def _variables(function: Function, users: tuple[Function, ...]) -> dict[str, Any]:
    """Return the data that a function uses from the function around it.

    For a function, that's its source, unless it's one of its `users`. For other values, it's their
    text, without those whose attributes aren't all known, such as a session.
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
                variables[name] = _source(full_name(value), value, users)
            else:
                # Suppress any error, because the object may be a session that lacks a connection.
                with contextlib.suppress(Exception):
                    variables[name] = Data(value, hash(any_text(value)))
    return variables
