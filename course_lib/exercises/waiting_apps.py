"""Apps for a middleware to wrap: each waits, responds or fails, and records what reaches it.

They really wait, one of them for more than half a second. A middleware has to record at least the
time that its app waited.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from course_lib.asgi import Receive, Scope, Send

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
REQUEST = {"type": "http.request", "body": b"what the client sends", "more_body": False}


@dataclass
class WaitingApp:
    """An app that waits, responds in parts, and then may fail; records what reaches it."""

    wait: float = 0.05
    """Seconds before the response, and between its parts."""
    parts: int = 1
    failure: BaseException | None = None
    scope: Scope = field(default_factory=dict)
    """The scope that the server passes to the middleware."""
    received: list[object] = field(default_factory=list)
    sent: list[object] = field(default_factory=list)
    """The messages that reached the server."""
    recorded: list[tuple[object, object]] = field(default_factory=list)
    error: BaseException | None = None
    """The app's own error, if the middleware let it through."""
    took: float = 0.0
    """Seconds from the call of the middleware to its return."""
    warned: bool = False
    is_lost: bool = False
    """True if a part of the scope didn't reach it, or a message not at once the server."""

    @property
    def least(self) -> float:
        """The seconds that it waits at least."""
        waits = 1 if self.failure else self.parts
        return waits * self.wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        self.is_lost = not self.scope.items() <= scope.items()
        self.received.append(await receive())
        await asyncio.sleep(self.wait)
        if self.failure:
            raise self.failure
        for message in self.response:
            await send(message)
            self.is_lost |= message not in self.sent
            if message.get("more_body"):
                await asyncio.sleep(self.wait)
        await asyncio.sleep(0)

    def __repr__(self) -> str:
        return "app"

    @property
    def response(self) -> list[dict[str, Any]]:
        """The messages that it sends."""
        messages = [START]
        for part in range(1, self.parts + 1):
            more = part < self.parts
            messages.append({"type": "http.response.body", "body": b"x", "more_body": more})
        return messages


def apps() -> dict[str, WaitingApp]:
    """Return the apps that a middleware is tried with, by path."""
    return {
        "/Users/7": WaitingApp(),
        "/in-parts": WaitingApp(wait=0.04, parts=3),
        "/fails": WaitingApp(failure=ValueError("the app's own")),
        "/left": WaitingApp(failure=asyncio.CancelledError("the client disconnected")),
        "/long": WaitingApp(wait=0.15),
        "/short": WaitingApp(wait=0.02),
        "/slow": WaitingApp(wait=0.55),
        "/slow-failure": WaitingApp(wait=0.55, failure=ValueError("the app's own")),
    }


class Service:
    """Several apps behind one middleware, each at a path of its own; collects what's recorded."""

    def __init__(self, apps: dict[str, WaitingApp]) -> None:
        self.apps = apps
        self.types: list[str] = []
        """The type of each call that reached it."""
        self.strays: list[tuple[object, object]] = []
        """Records with another path."""
        self.warned_by: list[Any] = []
        """The tasks that logged at WARNING."""

    @property
    def records(self) -> list[tuple[object, object]]:
        """Everything recorded so far."""
        records = list(self.strays)
        for app in self.apps.values():
            records += app.recorded
        return records

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app at this path respond."""
        self.types.append(scope["type"])
        if scope["type"] == "http":
            await self.apps[scope["path"]](scope, receive, send)

    def record(self, path: Any, seconds: object) -> None:
        """Record a request. The middleware has to call this."""
        app = self.apps.get(path) if isinstance(path, str) else None
        records = app.recorded if app else self.strays
        records.append((path, seconds))

    def __repr__(self) -> str:
        return "app"


async def receive(*_: object) -> dict[str, Any]:
    """Return what the client sends."""
    return REQUEST
