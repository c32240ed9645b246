"""Time every request to the last byte of its response, and record it once, with a status.

    called --> response starts --> body ... --> last byte sent     the response's status, or 499
      |               |              |
      |               +--------------+--> the app returns          499
      +---------------------------------> the app returns          500
      |               |              |
      +---------------+--------------+--> the app raises           500
      +---------------+--------------+--> the app is cancelled     499

499 means that the client has disconnected. If that's known, it replaces any other status.
Background tasks run after the last byte, so their time isn't included.

This is plain ASGI (https://asgi.readthedocs.io), because `BaseHTTPMiddleware` would add a task and
a stream to every request. Timing one costs about 5 microseconds, so nothing here is a coroutine
unless it has to wait.
"""

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Container

from course_lib.asgi import App, Message, Receive, Scope, Send
from course_lib.monitor.endpoints import endpoint_of
from course_lib.monitor.entries import DISCONNECTED
from course_lib.monitor.lines import lines, milliseconds, write_line
from course_lib.monitor.monitor import PerformanceMonitor

DISCONNECT_CHECK_AFTER = 0.1  # seconds; before that, hardly any client has given up

_now = time.perf_counter  # looked up once, because every request calls it


class PerformanceMiddleware:
    """Time requests and count them by the template of their route: "GET /items/{item_id}".

    For FastAPI and Starlette: `app.add_middleware(PerformanceMiddleware, monitor=monitor)`. Add it
    last, so that it's the outermost middleware and its time includes all others.

    An exception counts as 500, and a client that disconnects as 499. Requests that match no route
    share one entry, "(unknown path)". The endpoints in `ignore`, such as "GET /metrics", are
    neither counted nor logged.

    If a request is logged, its response carries the log line's ID in `X-Request-ID`. The exception
    is a stream that becomes slow or fails after it has started: its headers are already sent.
    """

    def __init__(
        self, app: App, *, monitor: PerformanceMonitor, ignore: Container[str] = ()
    ) -> None:
        self.app = app
        self.monitor = monitor
        self.ignore = ignore
        self._process = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the app's lifespan."""
        if scope["type"] != "http":
            serve = self._lifespan if scope["type"] == "lifespan" else self.app
            await serve(scope, receive, send)
            return
        request = _Request(self, scope, receive, send)
        try:
            await self.app(scope, request.receive, request.send)
        except BaseException as error:
            request.record_failure(error)
            raise
        if not request.recorded:
            request.record_unfinished()

    def new_request_id(self) -> str:
        """Return an ID for a request that no other worker uses."""
        return f"{self._process}-{next(self._numbers)}"

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the monitor's background tasks as long as the app runs."""

        async def receive_and_stop() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                # Stop before the app does: the last report needs the app's Redis client.
                await self.monitor.stop()
            return message

        self.monitor.start()
        try:
            await self.app(scope, receive_and_stop, send)
        finally:
            await self.monitor.stop()


class _Request:
    """One request: when it started, how it was answered, and whether its client is still there."""

    __slots__ = (
        "disconnected",
        "middleware",
        "receive_from_server",
        "receiving",
        "recorded",
        "request_id",
        "scope",
        "send_to_server",
        "started",
        "status",
        "unread",
    )

    def __init__(
        self, middleware: PerformanceMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.middleware = middleware
        self.scope = scope
        self.receive_from_server = receive
        self.send_to_server = send
        self.status = 0  # until the response starts
        self.request_id = ""  # unless the request will be logged
        self.recorded = False
        self.disconnected = False
        self.receiving = False  # True while the app waits for a message
        self.unread: Message | None = None  # received by `check_disconnect`, not yet by the app
        self.started = _now()

    async def receive(self) -> Message:
        """Return the server's next message for the app, and notice a disconnect."""
        if self.unread:
            message, self.unread = self.unread, None
            return message
        self.receiving = True
        try:
            message = await self.receive_from_server()
        finally:
            self.receiving = False
        if message["type"] == "http.disconnect":
            self.disconnected = True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Pass one of the app's messages on to the server.

        Not a coroutine, because most responses start without awaiting anything here.
        """
        if self.status or message["type"] != "http.response.start":
            return self.send_body(message)

        self.status = status = message["status"]
        duration = _now() - self.started
        # The ID has to go into the headers, so decide now whether the request will be logged.
        if (
            status >= 500
            or duration >= self.middleware.monitor.slow
            or lines.isEnabledFor(logging.INFO)
        ):
            self.request_id = self.middleware.new_request_id()
            header = (b"x-request-id", self.request_id.encode())
            message["headers"] = [*message.get("headers", ()), header]
        # An app that's receiving, or has a message to receive, learns of a disconnect by itself.
        if duration > DISCONNECT_CHECK_AFTER and not self.receiving and not self.unread:
            return self.start_late_response(message)
        return self.send_to_server(message)

    async def start_late_response(self, message: Message) -> None:
        """Start a response that took long, after checking whether the client still waits."""
        await self.check_disconnect()
        await self.send_to_server(message)

    async def check_disconnect(self) -> None:
        """Find out whether the client has disconnected.

        An app that isn't receiving is never told, and what it sends is dropped. So receive once on
        its behalf, without waiting, and keep the message for the app.
        """
        receiving = asyncio.ensure_future(self.receive_from_server())
        await asyncio.sleep(0)  # lets it run until it has a message, or has to wait for one
        if not receiving.done():
            receiving.cancel()
        elif not receiving.exception():
            self.unread = receiving.result()
            self.disconnected = self.unread["type"] == "http.disconnect"

    async def send_body(self, message: Message) -> None:
        """Pass on what follows the start of the response, and record the request at the end."""
        try:
            await self.send_to_server(message)
        except OSError:  # the server found the connection closed
            self.disconnected = True
            raise
        # Don't record the request until its last byte has been sent.
        if self.status and not message.get("more_body"):
            self.record(DISCONNECTED if self.disconnected else self.status)

    def record_failure(self, error: BaseException) -> None:
        """Record a request whose app raised `error`.

        Servers cancel an app that no client waits for, and CancelledError isn't an Exception.
        """
        disconnected = self.disconnected or not isinstance(error, Exception)
        self.record(DISCONNECTED if disconnected else 500, error)

    def record_unfinished(self) -> None:
        """Record a request whose app returned before its response was complete.

        If the response had started, the client left: Starlette then ends a stream quietly.
        """
        disconnected = self.disconnected or self.status
        self.record(DISCONNECTED if disconnected else 500)

    def record(self, status: int, error: BaseException | None = None) -> None:
        """Count the request, and log it if it's slow, failed, or has an ID. Does so only once."""
        if self.recorded:
            return
        self.recorded = True
        duration = _now() - self.started
        endpoint = endpoint_of(self.scope)
        middleware = self.middleware
        if endpoint in middleware.ignore:
            return
        monitor = middleware.monitor
        monitor.log_request(endpoint, duration, status)
        warn = status >= 500 or duration >= monitor.slow
        if warn or self.request_id:
            failure = {"error": type(error).__name__} if error else {}
            write_line(
                logging.WARNING if warn else logging.INFO,
                request_id=self.request_id or middleware.new_request_id(),
                route=endpoint,
                status=status,
                duration_ms=milliseconds(duration),
                **failure,
            )
