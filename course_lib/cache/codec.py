"""Encode values as bytes, and decode them. Pass `Cache` another codec to change how.

Never use pickle: reading an entry would run whatever code another writer put there.
"""

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from typing import Any, Protocol

from course_lib.cache.contents import escaped, value_in
from course_lib.cache.model_form import is_model, model_form, readable_names
from course_lib.checks import check_not_async

MOST_CHECKED = 10_000


class Codec(Protocol):
    """Define what `Cache(codec=...)` takes. Both methods raise TypeError or ValueError."""

    def encode(self, value: Any) -> bytes:
        """Return a value as bytes."""
        ...

    def decode(self, content: bytes) -> Any:
        """Return the value of bytes that `encode` returned."""
        ...


class JsonCodec:
    """Compact JSON, in UTF-8. What comes back is what JSON restores, on a miss as on a hit.

    | stored | what comes back |
    |---|---|
    | tuple, named tuple | list |
    | dict | dict with text for keys; of 1 and "1", the last one counts |
    | datetime, date, time | ISO 8601 text, as `isoformat` returns it |
    | timedelta | seconds, as a float |
    | Decimal, UUID | text |
    | Enum | its value |
    | dataclass | dict |
    | Pydantic model | dict, by alias as in FastAPI's responses if the model reads that alias |

    To get an object back, pass what comes back to its type: `Model.model_validate(value)`,
    `Point(**value)`, `Decimal(value)`.
    """

    def encode(self, value: Any) -> bytes:
        """Return a value as JSON. Raises TypeError for a set, ValueError for NaN."""
        return _ENCODER.encode(value).encode()

    def decode(self, content: bytes) -> Any:
        """Return the value of JSON. Raises ValueError if it isn't JSON."""
        return _DECODER.decode(content.decode())


def json_form(value: Any) -> Any:
    """Return a value in a form that JSON can express. Raises TypeError if there is none."""
    match value:
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case decimal.Decimal() | uuid.UUID():
            return str(value)
        case enum.Enum():
            return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = readable_names(type(value))  # of Pydantic's dataclasses
        fields = [field.name for field in dataclasses.fields(value)]
        return {names.get(name, name): getattr(value, name) for name in fields}
    if is_model(value):
        return model_form(value)
    raise TypeError(
        f"Object of type {type(value).__name__} is not JSON serializable; use dicts, lists and the "
        "like, or pass `codec` to Cache"
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} isn't JSON")  # Python's json would accept NaN and Infinity


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=json_form
)
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


class UnreadableError(ValueError):
    """The content of an entry can't be decoded: it was damaged, or another program wrote it."""


class Values:
    """Turn values into the content of entries, and back."""

    def __init__(self, codec: Codec) -> None:
        """Check the codec. Raises TypeError if it lacks a method."""
        methods = getattr(codec, "encode", None), getattr(codec, "decode", None)
        if isinstance(codec, type) or not all(map(callable, methods)):
            raise TypeError(f"codec must be an object with encode() and decode(), not {codec!r}")
        check_not_async(encode=methods[0], decode=methods[1])
        self._codec = codec
        self._form = "JSON" if isinstance(codec, JsonCodec) else f"{type(codec).__name__} content"
        self._checked: set[int] = set()  # hashes of raw contents that were decoded successfully

    def content(self, key: str, value: Any, *, raw: bool) -> bytes:
        """Return the content for a value. With `raw`, bytes are taken as they are.

        Raises TypeError or ValueError if the codec can't encode the value.
        """
        try:
            if raw and isinstance(value, bytes):
                self._codec.decode(value)
                return escaped(value)
            content = self._codec.encode(value)
            if not isinstance(content, bytes):
                raise TypeError(f"encode returned {type(content).__name__}, not bytes")
            return escaped(content)
        except (TypeError, ValueError, RecursionError) as error:  # nan, a list inside itself
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"the value of {key!r} can't be stored as {self._form}: {error}") from None

    def value(self, content: bytes, *, raw: bool) -> Any:
        """Return the value in an entry's content. With `raw`, return its bytes.

        Raises UnreadableError if the codec can't decode it. Raw content is decoded only when it's
        seen for the first time.
        """
        encoded = value_in(content)
        if raw and hash(encoded) in self._checked:
            return encoded
        try:
            value = self._codec.decode(encoded)
        except Exception as error:  # a codec may raise anything for bytes that aren't its own
            raise UnreadableError(f"it can't be decoded ({error})") from error
        if not raw:
            return value
        if len(self._checked) >= MOST_CHECKED:
            self._checked.clear()
        self._checked.add(hash(encoded))
        return encoded
