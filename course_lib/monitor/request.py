"""Time a request to the last byte of its response, and record it once, with a status.

    called --> response starts --> body ... --> last byte sent     the response's status, or 499
      |               |              |
      |               +--------------+--> the app returns          499
      +---------------------------------> the app returns          500
      |               |              |
      +---------------+--------------+--> the app raises           500
      +---------------+--------------+--> the app is cancelled     499

499 means that the client has disconnected. If that's known, it replaces any other status.
Background tasks run after the last byte, so their time isn't included. What they raise is logged,
and counted as "error_after_response".

This is plain ASGI (https://asgi.readthedocs.io), because `BaseHTTPMiddleware` would add a task and
a stream to every request. Timing one costs about 5 microseconds, so nothing here is a coroutine
unless it has to wait.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Container
from typing import Protocol

from course_lib.asgi import App, Message, Receive, Scope, Send
from course_lib.monitor.endpoints import endpoint_of
from course_lib.monitor.entries import DISCONNECTED
from course_lib.monitor.lines import (
    FAILURE,
    LOGGED,
    describe,
    lines,
    milliseconds,
    write_line,
)
from course_lib.monitor.monitor import PerformanceMonitor
from course_lib.monitor.request_ids import id_in, new_id, with_id

DISCONNECT_CHECK_AFTER = 0.1  # seconds; before that, hardly any client has given up
STEPS_TO_RECEIVE = 10  # of the event loop: a server takes one, `BaseHTTPMiddleware` several

_now = time.perf_counter  # looked up once, because every request calls it

_NO_SCOPE: Scope = {}

log = logging.getLogger(__package__)


class Middleware(Protocol):
    """The part of the middleware that its requests use."""

    app: App
    monitor: PerformanceMonitor
    ignore: Container[str]

    def ignores(self, endpoint: str, scope: Scope, mounted_at: str) -> bool:
        """Return True if requests to an endpoint aren't counted."""


class Timed:
    """A request, or a WebSocket's handshake, that a middleware records once when it ends."""

    __slots__ = (
        "disconnected",
        "first_byte",
        "inner",
        "is_logged",
        "middleware",
        "mounted_at",
        "receive_from_server",
        "receiving",
        "recorded",
        "request_id",
        "scope",
        "send_to_server",
        "size",
        "started",
        "status",
        "unread",
    )

    def __init__(self, middleware: Middleware, scope: Scope, receive: Receive, send: Send) -> None:
        self.middleware = middleware
        self.scope = scope
        self.receive_from_server = receive
        self.send_to_server = send
        # Routing changes the root path in this scope.
        self.mounted_at: str = scope["root_path"] if "app_root_path" in scope else ""
        self.inner: tuple[Middleware, str] | None = None  # that of a mounted app
        self.status = 0  # until the response starts
        self.request_id = ""
        self.is_logged = False  # before it's known if the request will be slow, or fail
        self.recorded = False
        self.disconnected = False
        self.receiving = False  # True while the app waits for a message
        self.unread: Message | None = None  # received by `check_disconnect`, not yet by the app
        self.first_byte = 0.0  # seconds until the response started
        self.size = 0  # of the response's body
        middleware.monitor.in_progress += 1
        self.started = _now()

    def record(self, status: int, error: BaseException | None = None) -> None:
        """Count the request, and log it if it's slow, failed, or has to be. Does so only once."""
        if self.recorded:
            return
        self.recorded = True
        duration = _now() - self.started
        middleware = self.middleware
        monitor = middleware.monitor
        monitor.in_progress -= 1
        try:
            endpoint = endpoint_of(self.scope, middleware.app)
            if endpoint in middleware.ignore:
                return
            if (self.mounted_at or self.inner) and self._is_ignored(endpoint, self.scope):
                return
            if duration < 0:  # the clock went back, and one such value would spoil its batch
                duration = self.first_byte = 0.0
            first_byte = self.first_byte or duration
            monitor.add_request((endpoint, duration, status, first_byte, self.size))
            if status >= 500 or duration >= monitor.slow:
                self._log(logging.WARNING, endpoint, status, duration, error)
            elif self.is_logged:
                self._log(logging.INFO, endpoint, status, duration, error)
        except Exception:
            log.exception("A request isn't counted")  # and its response isn't disturbed
        finally:
            self.scope = _NO_SCOPE  # the scope refers to this object: break the cycle

    def record_late_failure(self, name: str, error: Exception, scope: Scope) -> None:
        """Count and log what an app raised after its request had been recorded."""
        endpoint = endpoint_of(scope, self.middleware.app)
        if self._is_ignored(endpoint, scope):
            return
        self.middleware.monitor.count(name)
        write_line(logging.WARNING, route=endpoint, error=type(error).__name__)

    def _is_ignored(self, endpoint: str, scope: Scope) -> bool:
        if self.middleware.ignores(endpoint, scope, self.mounted_at):
            return True
        if self.inner is None:
            return False
        middleware, mounted_at = self.inner
        return middleware.ignores(endpoint, scope, mounted_at)

    def _log(
        self,
        level: int,
        endpoint: str,
        status: int,
        duration: float,
        error: BaseException | None,
    ) -> None:
        headers = self.scope["headers"]
        failure = describe(error) if error else self.scope.get(FAILURE, {})
        self.scope[LOGGED] = True
        write_line(
            level,
            request_id=self.request_id or id_in(headers) or new_id(headers),
            route=endpoint,
            status=status,
            duration_ms=milliseconds(duration),
            **failure,
        )


class TimedRequest(Timed):
    """One request: when it started, how it was answered, and whether its client is still there."""

    __slots__ = ()

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
        self.first_byte = duration = _now() - self.started
        # The ID has to go into the headers, so decide now whether the request will be logged.
        self.is_logged = (
            status >= 500
            or duration >= self.middleware.monitor.slow
            or lines.isEnabledFor(logging.INFO)
        )
        headers = self.scope["headers"]
        if request_id := id_in(headers) or (self.is_logged and new_id(headers)):
            message["headers"] = with_id(message.get("headers", ()), request_id)
            self.request_id = id_in(message["headers"]) or request_id  # the app's own, if any
        # An app that's receiving, or has a message to receive, learns of a disconnect by itself.
        if duration > DISCONNECT_CHECK_AFTER and not self.receiving and not self.unread:
            return self.start_late_response(message)
        return self.send_to_server(message)

    async def start_late_response(self, message: Message) -> None:
        """Start a late response, after checking whether the client still waits."""
        await self.check_disconnect()
        await self.send_to_server(message)

    async def check_disconnect(self) -> None:
        """Find out whether the client has disconnected.

        An app that isn't receiving is never told, and what it sends is dropped. So receive once on
        its behalf, without waiting, and keep the message for the app.
        """
        receiving = asyncio.ensure_future(self.receive_from_server())
        for _ in range(STEPS_TO_RECEIVE):
            await asyncio.sleep(0)  # lets it run until it has a message, or has to wait for one
            if receiving.done():
                break
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
        if body := message.get("body"):
            self.size += len(body)
        # Don't record the request until its last byte has been sent.
        if self.status and not message.get("more_body"):
            self.record(DISCONNECTED if self.disconnected else self.status)

    def record_failure(self, error: BaseException, scope: Scope) -> None:
        """Record a request whose app raised `error`.

        Servers cancel an app that no client waits for, and CancelledError isn't an Exception.
        """
        if self.recorded:
            if isinstance(error, Exception) and not self.disconnected:
                self.record_late_failure("error_after_response", error, scope)
            return
        disconnected = self.disconnected or not isinstance(error, Exception)
        self.record(DISCONNECTED if disconnected else 500, error)

    def record_unfinished(self) -> None:
        """Record a request whose app returned before its response was complete.

        If the response had started, the client left: Starlette then ends a stream quietly.
        """
        disconnected = self.disconnected or self.status
        self.record(DISCONNECTED if disconnected else 500)
