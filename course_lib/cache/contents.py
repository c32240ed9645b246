r"""Tell apart what an entry can hold: a value, a lease, or both.

    \0 token                 the lease of a load: no value yet
    \1 mark ...              written since the namespace was cleared; then any other form
    \2 token lapse value     a value past its TTL, and the lease of the load that refreshes it
    \3 value                 a value whose first byte is one of these
    value                    any other value. JSON always looks like this

`shard.py` and its scripts add and check the mark, so nothing else sees it.

JSON that another program has stored under an entry's key looks like a value, so it's a hit. Telling
them apart would take a longer form for every value, or a second command for every read.
"""

import secrets
from typing import TypeGuard

TOKEN = 12  # random bytes
LAPSE = 12  # digits: the entry's TTL, in milliseconds, at which the lease lapses
LEASE_PREFIX = b"\0"
REFRESH_PREFIX = b"\2"
ESCAPE = b"\3"
LEASE_LENGTH = len(LEASE_PREFIX) + TOKEN
UNAVAILABLE = LEASE_PREFIX + b"unavailable."
"""The content that stands for an unavailable Redis: a lease of no load."""


def new_lease() -> bytes:
    """Return a lease that no other load has."""
    return LEASE_PREFIX + secrets.token_bytes(TOKEN)


def new_refresh_lease() -> bytes:
    """Return a lease for a load that refreshes a stale value."""
    return REFRESH_PREFIX + secrets.token_bytes(TOKEN)


def new_mark() -> bytes:
    """Return a mark for what is written from now on, to tell it from what was cleared."""
    return b"\1" + secrets.token_bytes(8)


def is_value(content: bytes | None) -> TypeGuard[bytes]:
    """Return True if an entry holds a value: it isn't empty, and isn't just a lease."""
    if not content:
        return False
    return content[0] != 0 or len(content) != LEASE_LENGTH


def escaped(value: bytes) -> bytes:
    """Return the content for a value. It differs only for a value that could be mistaken."""
    return ESCAPE + value if value[:1] <= ESCAPE else value


def value_in(content: bytes) -> bytes:
    """Return the value in an entry's content."""
    if content[0] > ESCAPE[0]:
        return content
    value = content
    if value.startswith(REFRESH_PREFIX):
        value = value[LEASE_LENGTH + LAPSE :]
    return value.removeprefix(ESCAPE)
