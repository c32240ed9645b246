"""Limit how long a request's body may be, and how long it may take to arrive."""

import asyncio

from fastapi import HTTPException
from fastapi.responses import JSONResponse

from course_lib.asgi import App, Message, Receive, Scope, Send

LARGEST_BODY = 64 * 1024  # bytes; the largest valid body has about 3 KB
BODY_SECONDS = 10.0

TOO_LARGE = f"the body is larger than {LARGEST_BODY:,} bytes: send less"
TOO_SLOW = f"the body took longer than {BODY_SECONDS:.0f} seconds: send it faster"


class BodyLimitMiddleware:
    """Reject larger bodies with 413 and slower ones with 408.

    A length that's declared in a header is rejected before any of the body is read.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        length = _declared_length(scope) if scope["type"] == "http" else 0
        if length == 0:
            await self.app(scope, receive, send)
            return
        if length is not None and length > LARGEST_BODY:
            response = JSONResponse({"detail": TOO_LARGE}, 413)
            await response(scope, receive, send)
            return
        body = _Body(receive)
        await self.app(scope, body.receive, send)


class _Body:
    """The messages of one request, up to the limits."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0
        self._is_complete = False
        self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive(self) -> Message:
        """Return the next message. Raises HTTPException at a limit: the app responds with it."""
        if self._is_complete:
            return await self._receive()  # which waits for the client to disconnect
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, TOO_SLOW, {"Connection": "close"}) from None
        self._bytes += len(message.get("body", b""))
        if self._bytes > LARGEST_BODY:
            raise HTTPException(413, TOO_LARGE, {"Connection": "close"})
        self._is_complete = not message.get("more_body", False)
        return message


def _declared_length(scope: Scope) -> int | None:
    """Return the length in the header, 0 without a body, or None if the length isn't declared."""
    length: int | None = 0
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return None  # which overrides any declared length (RFC 9112, section 6.3)
        if name == b"content-length":
            length = int(value[:20]) if value.isdigit() else None
    return length
