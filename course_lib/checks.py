"""Check arguments that several subjects take, and raise errors that say what to pass instead."""

from uuid import UUID

LONGEST = 366 * 86_400.0
"""The longest time that can be asked for, in seconds: a year."""


def check_namespace(namespace: str) -> str:
    """Return a namespace for keys in Redis. Raises ValueError if it's empty or has braces."""
    if not namespace or set(namespace) & set("{}"):
        raise ValueError(f"namespace is {namespace!r}: pass a name without braces")
    return namespace


def check_user_id(user_id: int | str | UUID) -> str:
    """Return a user's ID as text.

    Raises TypeError unless it's a whole number, a non-empty string or a UUID.
    """
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
        raise ValueError(f"{name} is {value!r}: pass seconds, more than 0 and at most {longest:g}")
    return value


def check_count(name: str, value: int, most: int) -> int:
    """Return a whole number from 1 to `most`. Raises ValueError if it isn't one."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or not 1 <= value <= most:
        raise ValueError(f"{name} is {value!r}: pass a whole number from 1 to {most:,}")
    return value
