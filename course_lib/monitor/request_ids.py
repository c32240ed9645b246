"""Choose the ID of a request: the caller's, if it sent one that's safe to log, else a new one."""

import re
import secrets
from collections.abc import Iterable

HEADER = b"x-request-id"
SAFE = re.compile(rb"[A-Za-z0-9._:/+=@~-]{1,128}")
TRACE_ID = rb"(?!0{32})([0-9a-f]{32})"
PARENT_ID = rb"(?!0{16})[0-9a-f]{16}"
TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-%b-%b-[0-9a-f]{2}.*" % (TRACE_ID, PARENT_ID))

Headers = Iterable[tuple[bytes, bytes]]


def id_in(headers: Headers) -> str:
    """Return the `X-Request-ID` in some headers; empty if there's none that's safe to log."""
    for name, value in headers:
        if name == HEADER and SAFE.fullmatch(value):
            return value.decode()
    return ""


def new_id(headers: Headers) -> str:
    """Return the trace ID in a request's `traceparent` header, else a random ID.

    Source of the format: https://www.w3.org/TR/trace-context/#traceparent-header
    """
    for name, value in headers:
        if name == b"traceparent" and (match := TRACEPARENT.fullmatch(value)):
            return match[1].decode()
    return secrets.token_hex(8)


def id_of(request_headers: Headers, response_headers: Headers) -> str:
    """Return the ID for a log line: the response's, which the app may have set, or the caller's."""
    lower_names = [(name.lower(), value) for name, value in response_headers]
    return id_in(lower_names) or id_in(request_headers) or new_id(request_headers)


def with_id(headers: Headers, request_id: str) -> list[tuple[bytes, bytes]]:
    """Return a response's headers, with an ID if they have none yet."""
    complete = list(headers)
    if not any(name.lower() == HEADER for name, _ in complete):
        complete.append((HEADER, request_id.encode()))
    return complete
