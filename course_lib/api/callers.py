"""Whose request it is: the header `X-API-Key: <tier>-<user_id>`, which nothing here verifies.

A real service would check a signature or look the key up. This one trusts it, so that a lesson
can send the traffic of a thousand users.
"""

import re
from typing import Annotated

from fastapi import Depends, Header, HTTPException, Query
from starlette.datastructures import Headers

from course_lib.api.models import LARGEST_INTEGER
from course_lib.asgi import Scope

ANONYMOUS_USER = 123
API_KEY = re.compile("([a-z]+)-([1-9][0-9]{0,17})")


def calling_user(x_api_key: Annotated[str | None, Header()] = None) -> int:
    """Return the user ID in the API key; requests without a key count as user 123."""
    if x_api_key is None:
        return ANONYMOUS_USER
    key = API_KEY.fullmatch(x_api_key)
    if key is None:
        raise HTTPException(
            status_code=401,
            detail=(
                "X-API-Key must be <tier>-<user_id>, for example free-42; "
                "a request without the header counts as user 123"
            ),
            headers={"WWW-Authenticate": "ApiKey"},
        )
    return int(key[2])


def user_of(scope: Scope) -> str | None:
    """Return the user ID in a request's API key, or None if it has no valid key."""
    key = _api_key(scope)
    return key[2] if key else None


def tier_of(scope: Scope) -> str | None:
    """Return the tier in a request's API key, or None if it has no valid key."""
    key = _api_key(scope)
    return key[1] if key else None


def _api_key(scope: Scope) -> re.Match[str] | None:
    return API_KEY.fullmatch(Headers(scope=scope).get("x-api-key", ""))


Caller = Annotated[int, Depends(calling_user)]
UserID = Annotated[int | None, Query(ge=1, le=LARGEST_INTEGER)]
