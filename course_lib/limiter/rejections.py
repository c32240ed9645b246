"""Reject a request or a WebSocket handshake, in plain ASGI."""

import json

from course_lib.asgi import Message, Scope, Send
from course_lib.limiter.decision import Decision
from course_lib.limiter.headers import rejection

Headers = list[tuple[bytes, bytes]]

POLICY_VIOLATION = 1008  # a WebSocket's close code (RFC 6455, 7.4.1)
HAS_HEADERS = {
    "http.response.start",
    "websocket.accept",
    "websocket.http.response.start",
}


def add_headers(message: Message, headers: Headers) -> None:
    """Add our headers to the start of a response, unless the endpoint's own limit has set them."""
    if message["type"] not in HAS_HEADERS:
        return
    own = list(message.get("headers", []))
    if not any(name.lower() == b"x-ratelimit-limit" for name, _ in own):
        message["headers"] = own + headers


async def reject(scope: Scope, send: Send, decision: Decision, headers: Headers) -> None:
    """Respond with 429 and a JSON body like that of FastAPI's own errors.

    A handshake gets the same response if the server can send one, otherwise 403.
    """
    start, body = "http.response.start", "http.response.body"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            close = {"type": "websocket.close", "code": POLICY_VIOLATION}
            await send({**close, "reason": rejection(decision)})
            return
        start, body = f"websocket.{start}", f"websocket.{body}"
    content = json.dumps({"detail": rejection(decision)}).encode()
    content_headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
    ]
    await send({"type": start, "status": 429, "headers": [*headers, *content_headers]})
    await send({"type": body, "body": content})
