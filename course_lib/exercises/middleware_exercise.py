"""Apps for a middleware to be put round."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

START = {"type": "http.response.start", "status": 200, "headers": []}


def body_part(content: bytes, *, more: bool = False) -> dict[str, Any]:
    """Return an ASGI message with a part of a response's body."""
    return {"type": "http.response.body", "body": content, "more_body": more}


@dataclass
class Patient:
    """An app that waits, answers in parts, and may fail after that; what a middleware round it did is noted."""

    wait: float = 0.05
    """Seconds before the answer, and between its parts."""
    parts: int = 1
    fails: BaseException | None = None
    asked: list[object] = field(default_factory=list)
    sent: list[object] = field(default_factory=list)
    recorded: list[tuple[object, object]] = field(default_factory=list)
    error: BaseException | None = None

    def record(self, path: object, seconds: object) -> None:
        """What the middleware is to call."""
        self.recorded.append((path, seconds))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        self.asked.append(await receive())
        await asyncio.sleep(self.wait)
        if self.fails:
            raise self.fails
        await send(START)
        for left in reversed(range(self.parts)):
            await send(body_part(b"x", more=left > 0))
            await asyncio.sleep(self.wait if left else 0)

    def __repr__(self) -> str:
        return "app"

    @property
    def answer(self) -> list[object]:
        """What it sends."""
        return [START, *[body_part(b"x", more=left > 0) for left in reversed(range(self.parts))]]


async def receive(*_: object) -> str:
    """Return what the client sends."""
    return "what the client sends"


def request_of(path: str) -> str:
    """Return how a request is shown to the learner."""
    return f"timer(app, record), then GET {path}"


@contextlib.contextmanager
def clock_set_back() -> Iterator[None]:
    """Somebody sets the machine's clock back by an hour, a moment from now and until the end."""
    real, began = time.time, time.perf_counter()
    time.time = lambda: real() - 3_600 * (time.perf_counter() - began > 0.02)
    try:
        yield
    finally:
        time.time = real


@contextlib.contextmanager
def warnings_logged() -> Iterator[list[Any]]:
    """Note which task of this thread logs at WARNING; nothing is printed meanwhile."""
    warned: list[Any] = []
    here = threading.current_thread()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if threading.current_thread() is here and record.name != "asyncio":
                warned.append(asyncio.current_task())

    root = logging.getLogger()
    handlers, root.handlers = root.handlers, [Listener(logging.WARNING)]
    try:
        yield warned
    finally:
        root.handlers = handlers
