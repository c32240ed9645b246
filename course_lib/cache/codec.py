"""Encode values as JSON, and decode them. Never pickle: reading an entry must not run code."""

import json
from typing import Any


def encode(key: str, value: Any) -> bytes:
    """Return a value as compact JSON.

    Raises TypeError if JSON can't express its type (a set), ValueError for its value (NaN).
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except TypeError as error:
        raise TypeError(f"the value of {key!r} can't be stored as JSON: {error}") from None
    except (ValueError, RecursionError) as error:  # nan, a list inside itself, half a character
        raise ValueError(f"the value of {key!r} can't be stored as JSON: {error}") from None


def decode(content: bytes) -> Any:
    """Return the value of JSON that `encode` made. Tuples come back as lists."""
    return json.loads(content)
