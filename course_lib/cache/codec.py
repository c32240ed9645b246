"""Encode values as JSON, and decode them. Never pickle: reading an entry must not run code."""

import json
from typing import Any


def encode(key: str, value: Any) -> bytes:
    """Return a value as compact JSON.

    Raises TypeError if JSON has no such type, ValueError if it has no such value.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except TypeError as error:
        raise TypeError(f"the value of {key!r} can't be stored as JSON: {error}") from None
    except (ValueError, RecursionError) as error:  # nan, a list inside itself, half a character
        raise ValueError(f"the value of {key!r} can't be stored as JSON: {error}") from None


def decode(content: bytes) -> Any:
    """Return the value that `encode` made into JSON, with lists for tuples."""
    return json.loads(content)
