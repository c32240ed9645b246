"""Count what each request costs the database, and return it in the Server-Timing header.

request --> ServerTimingMiddleware puts a Usage into the context
              --> route --> EventsDatabase adds each statement to that Usage
response <-- the middleware writes the Usage into a header
"""

from contextvars import ContextVar
from dataclasses import dataclass, field

from starlette.datastructures import MutableHeaders

from course_lib.asgi import App, Message, Receive, Scope, Send


@dataclass
class Usage:
    """The database statements that one request ran, and their total time in seconds."""

    statements: int = 0
    seconds: float = 0.0
    scope: Scope = field(default_factory=dict)


usage_of_request: ContextVar[Usage] = ContextVar("usage_of_request")


class ServerTimingMiddleware:
    """Add a header with the request's cost: `Server-Timing: db;dur=1.234;desc="statements: 2"`.

    `dur` is the database's time in milliseconds. The standard has no field for a count
    (https://www.w3.org/TR/server-timing/), so the number of statements is in the description,
    which browsers show beside the time.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        usage = Usage(scope=scope)
        # A worker thread gets a copy of the context, but with this same object in it.
        usage_of_request.set(usage)

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                milliseconds = usage.seconds * 1000
                timing = f'db;dur={milliseconds:.3f};desc="statements: {usage.statements}"'
                MutableHeaders(scope=message)["Server-Timing"] = timing
            await send(message)

        await self.app(scope, receive, send_with_header)
