"""Check arguments that several subjects take, and raise errors that say what to pass instead."""

import inspect
from collections.abc import Collection
from enum import Enum
from typing import Any
from uuid import UUID

LONGEST = 366 * 86_400.0
"""The longest time that can be asked for, in seconds: a year."""


def check_namespace(namespace: str) -> str:
    """Return a namespace for keys in Redis.

    Raises TypeError if it isn't a string, ValueError if it's empty, has braces or isn't UTF-8.
    """
    check_text("namespace", namespace)
    if not namespace or set(namespace) & set("{}"):
        raise ValueError(f"namespace is {namespace!r}: pass a name without braces")
    encoded("namespace", namespace)
    return namespace


def encoded(name: str, text: str) -> bytes:
    """Return text as UTF-8. Raises ValueError if it can't be encoded."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{name} {text!r} has half of a surrogate pair, which UTF-8 can't encode: "
            "remove it, for example with text.encode(errors='replace').decode()"
        ) from None


def check_user_id(user_id: int | str | UUID) -> str:
    """Return a user's ID as text; of an Enum's member, its value.

    Raises TypeError unless it's a whole number, a non-empty string or a UUID.
    """
    if isinstance(user_id, Enum):
        user_id = user_id.value  # str() would return its name, if it's also a string
    if isinstance(user_id, bool) or not isinstance(user_id, int | str | UUID) or user_id == "":
        raise TypeError(f"user_id must be a whole number or a non-empty string, not {user_id!r}")
    return str(user_id)


def check_seconds(name: str, value: float, longest: float = LONGEST) -> float:
    """Return a number of seconds.

    Raises TypeError if it isn't a number, ValueError if it's out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not 0 < value <= longest:
        most = f"{longest:,.15g}"
        raise ValueError(f"{name} is {value!r}: pass seconds, more than 0 and at most {most}")
    return value


def check_count(name: str, value: int, most: int, *, least: int = 1) -> int:
    """Return a whole number from `least` to `most`, as a plain int. Raises ValueError otherwise."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}: pass a whole number from {least} to {most:,}")
    return int(value)  # an IntEnum's member, for example, can't be sent to Redis


def check_text(name: str, value: str) -> str:
    """Return a string. Raises TypeError if it isn't one."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {value!r}")
    return value


def check_switch(name: str, value: bool) -> bool:
    """Return True or False. Raises TypeError for anything else: "no" would count as True."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return value


def check_functions(**functions: Any) -> None:
    """Raise TypeError if an argument is neither a function nor None."""
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be a function, not {function!r}")


def check_not_async(**functions: Any) -> None:
    """Raise TypeError if an argument is an async function, which wouldn't be awaited."""
    for name, function in functions.items():
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"{name} must not be async, because it isn't awaited: {function!r}")


def check_decorated(decorator: str, function: Any) -> None:
    """Raise TypeError if a decorator isn't above a function, or is above @classmethod."""
    if isinstance(function, staticmethod | classmethod) or not callable(function):
        raise TypeError(
            f"put {decorator} above a function, and below @staticmethod or @classmethod, "
            f"not above {function!r}"
        )


def check_texts(name: str, values: Collection[str]) -> None:
    """Raise TypeError if a collection isn't one of strings; a string alone isn't one either."""
    if isinstance(values, str) or not isinstance(values, Collection):
        raise TypeError(f"{name} must be a list of strings, not {values!r}")
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{name} has {value!r}: pass only strings")
