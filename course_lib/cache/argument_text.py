"""Return an argument as text for a key. Only equal values of the same type have the same text.

JSON wouldn't do: {1: "x"} and {"1": "x"} have the same JSON, and so do (1,) and [1]. So each value
is written with its type, unless `repr` shows it:

    1   True   1.0   '1'   b'1'   list(1,'a')   dict('a':1)   shop.Color('RED')   shop.Point(x=1)

A model's field that was left out is written with a colon, because a function may tell it from one
that was passed: Filter(page:1). Two classes are the same if their module and name are.
"""

import dataclasses
import datetime
import enum
import hashlib
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

ZONES = (datetime.timezone, ZoneInfo)
SHOWN_BY_REPR = (bool, int, float, complex, str, bytes, type(None), *ZONES)
SHOWN_BY_STR = (Decimal, Fraction, UUID, PurePath, datetime.date, datetime.timedelta)
MODULES_SHOWN_BY_STR = ("ipaddress", "pydantic.networks", "pydantic_core._pydantic_core")  # URLs


def argument_text(value: Any) -> str:
    """Return a value as text. Raises TypeError if it's of a type whose content isn't known.

    Raises RecursionError if it contains itself, and ValueError for an int of thousands of digits.
    """
    kind = type(value)
    if kind in SHOWN_BY_REPR:
        return repr(value)
    if isinstance(value, type):
        return f"class {full_name(value)}"
    return f"{full_name(kind)}({_content(value)})"


def attributes_text(value: Any) -> str:
    """Return any object as text, by its attributes. Raises what `argument_text` does."""
    attributes = getattr(value, "__dict__", None)
    if not attributes:
        raise TypeError(f"its {full_name(type(value))} has no attributes to tell it apart by")
    parts = [f"{name!r}:{any_text(part)}" for name, part in attributes.items()]
    return f"{full_name(type(value))}({','.join(parts)})"


def any_text(value: Any) -> str:
    """Return a value as text, by its attributes if it must be. Raises what `argument_text` does."""
    try:
        return argument_text(value)
    except TypeError:
        return attributes_text(value)


def full_name(value: Any) -> str:
    """Return the name of a class or a function, with its module unless it's built in."""
    module = value.__module__
    return value.__qualname__ if module == "builtins" else f"{module}.{value.__qualname__}"


def _content(value: Any) -> str:
    content = _content_of_collection(value)
    if content is None:
        content = _content_of_scalar(value)
    if content is None:
        return _content_of_object(value)
    attributes = getattr(value, "__dict__", None)  # of a subclass
    if attributes and not isinstance(value, enum.Enum):
        return f"{content} {argument_text(attributes)}"
    return content


def _content_of_collection(value: Any) -> str | None:
    match value:
        case dict():
            parts = [f"{argument_text(name)}:{argument_text(part)}" for name, part in value.items()]
        case list() | tuple():
            parts = list(map(argument_text, value))
        case set() | frozenset():
            parts = sorted(map(argument_text, value))
        case _:
            return None
    return ",".join(parts)


def _content_of_scalar(value: Any) -> str | None:
    """Return the content of a value that has no parts, or None if it isn't one."""
    match value:
        case enum.Enum():
            return repr(value.name or value.value)  # a flag may have no name
        case datetime.datetime() | datetime.time():
            return f"{value.isoformat()} {getattr(value.tzinfo, 'key', '')}"
    for kind in SHOWN_BY_REPR:
        if isinstance(value, kind):  # of a subclass, whose own `repr` may show less
            return kind.__repr__(value)  # type: ignore[call-arg]
    if isinstance(value, SHOWN_BY_STR) or type(value).__module__ in MODULES_SHOWN_BY_STR:
        return repr(str(value))
    return None


def _content_of_object(value: Any) -> str:
    kind = type(value)
    if hasattr(kind, "__mapper__"):  # a row of SQLAlchemy, which loads what it lacks
        names = kind.__mapper__.column_attrs.keys()
        return _named((name, getattr(value, name)) for name in names)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return _named((name, getattr(value, name)) for name in names)
    if hasattr(kind, "model_fields"):  # Pydantic
        return _content_of_model(value)
    if hasattr(kind, "get_secret_value"):  # Pydantic's; a key isn't secret
        secret = argument_text(value.get_secret_value())
        return hashlib.sha256(secret.encode()).hexdigest()
    raise TypeError(f"its {full_name(kind)} has no exact form as text")


def _content_of_model(model: Any) -> str:
    parts = []
    for name in type(model).model_fields:
        sign = "=" if name in model.model_fields_set else ":"
        parts.append(f"{name}{sign}{argument_text(getattr(model, name))}")
    others = [model.model_extra or {}, model.__pydantic_private__ or {}]
    return ",".join([*parts, *map(argument_text, others)])


def _named(parts: Iterable[tuple[str, Any]]) -> str:
    return ",".join(f"{name}={argument_text(part)}" for name, part in parts)
