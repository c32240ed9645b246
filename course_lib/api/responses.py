"""The failures that the OpenAPI document lists for each route."""

from typing import Any

Responses = dict[int | str, dict[str, Any]]

DESCRIPTIONS = {
    400: "The body isn't JSON.",
    401: "The API key, or the account and its password, is wrong.",
    408: "The body took too long.",
    409: "The table's own rules, a constraint or a trigger, reject the row.",
    413: "The body is too large.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
    500: "The service failed.",
    503: "A part of the service is overloaded or unavailable; try again after `Retry-After`.",
}
DETAIL = {
    "type": "object",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
}

BODY = (400, 408, 413)


def failures(*statuses: int) -> Responses:
    """Return the entries of the OpenAPI document for these statuses."""
    content = {"application/json": {"schema": DETAIL}}
    return {
        status: {"description": DESCRIPTIONS[status], "content": content} for status in statuses
    }
