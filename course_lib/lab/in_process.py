"""Call an ASGI app without a server, to measure what HTTP would hide."""

import asyncio
from collections.abc import Callable

from course_lib.asgi import App, Message


def caller(app: App, *, times: int = 1) -> Callable[[], None]:
    """Return a function for `bench.compare` that sends the app `GET /` that many times.

    Each call starts an event loop, so a notebook's cell has to run it in another thread.
    """

    async def call() -> None:
        for _ in range(times):
            await app(_scope(), _receive, _send)

    return lambda: asyncio.run(call())


def _scope() -> dict[str, object]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "server": ("test", 80),
        "root_path": "",
        "path": "/",
        "query_string": b"",
        "headers": [],
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Message) -> None:
    """Drop a part of the response."""
