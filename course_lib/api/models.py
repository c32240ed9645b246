"""The bodies of requests, checked by Pydantic before a route sees them."""

from typing import Literal

from pydantic import BaseModel, Field

LARGEST_INTEGER = 2**63 - 1
"""The largest integer that SQLite can store."""


EventType = Literal[
    "view", "click", "search", "share", "login",
    "logout", "comment", "signup", "purchase", "refund",
]  # fmt: skip
"""A closed list, because the platform's totals have a row for each type that a client writes."""


class NewEvent(BaseModel):
    """An event that a client adds; the service fills in the rest."""

    type: EventType
    title: str = Field(min_length=1, max_length=200)
    duration_ms: int = Field(default=0, ge=0, le=86_400_000)
    starts_at: int | None = Field(
        default=None, ge=0, le=LARGEST_INTEGER, description="Unix time; now if left out"
    )


class Credentials(BaseModel):
    """The email address of an account in the table `users`, and its password."""

    account: str = Field(min_length=1, max_length=200)
    password: str = Field(max_length=200)
