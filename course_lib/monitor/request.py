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
a stream to every request. Timing one costs about 6 microseconds, so nothing here is a coroutine
unless it has to wait.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Container
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Protocol

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
from course_lib.monitor.receiving import receive_at_once
from course_lib.monitor.request_ids import id_in, id_of, new_id, with_id

FAILED = 500

DISCONNECT_CHECK_AFTER = 0.1  # seconds; before that, hardly any client has given up
# Those that end a response, unless they have `more_body`.
LAST_MESSAGES = {"http.response.body", "http.response.pathsend", "http.response.zerocopysend"}
MESSAGES_TO_RECEIVE = 2  # an empty body and a disconnect

_now = time.perf_counter  # looked up once, because every request calls it

_NO_SCOPE: Scope = {}
_NO_MESSAGE: Message = {}

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

    LATE_FAILURE: ClassVar[str]
    """The name that counts what an app raises after its request has been recorded."""

    __slots__ = (
        "disconnected",
        "first_byte",
        "is_logged",
        "middleware",
        "mounts",
        "receive_from_server",
        "receiving",
        "recorded",
        "response_start",
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
        # The middlewares of this monitor in mounted apps, with the path of each app.
        self.mounts: tuple[tuple[Middleware, str], ...] = ()
        if "app_root_path" in scope:  # read the path now, because routing changes it
            self.mounts = ((middleware, scope["root_path"]),)
        self.status = 0  # until the response starts
        self.response_start = _NO_MESSAGE
        self.is_logged = False  # before it's known if the request will be slow, or fail
        self.recorded = False
        self.disconnected = False
        self.receiving = False  # True while the app waits for a message
        self.unread: tuple[Message, ...] = ()  # received by `check_disconnect`, not yet by the app
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
            if self.mounts and self._is_ignored(endpoint, self.scope):
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

    def record_failure(self, error: BaseException, scope: Scope) -> None:
        """Record a request whose app raised `error`.

        Servers cancel an app that no client waits for, and close its coroutine when they end.
        """
        if not self.recorded:
            is_ended = isinstance(error, asyncio.CancelledError | GeneratorExit)
            self.record(DISCONNECTED if self.disconnected or is_ended else FAILED, error)
        elif isinstance(error, Exception) and not self.disconnected:
            try:
                self._record_late_failure(error, scope)
            except Exception:
                log.exception("A failure after a response isn't counted")

    def _record_late_failure(self, error: Exception, scope: Scope) -> None:
        """Count and log what an app raised after its request had been recorded.

        An app that's mounted in another sends a 500 before it raises. Then only log it.
        """
        endpoint = endpoint_of(scope, self.middleware.app)
        if self._is_ignored(endpoint, scope):
            return
        if self.status != FAILED:
            self.middleware.monitor.count(self.LATE_FAILURE)
        request_id = self._id_for_log(scope)
        write_line(logging.WARNING, request_id=request_id, route=endpoint, **describe(error))

    def _id_for_log(self, scope: Scope) -> str:
        return id_of(scope["headers"], self.response_start.get("headers", ()))

    def _is_ignored(self, endpoint: str, scope: Scope) -> bool:
        if endpoint in self.middleware.ignore:
            return True
        mounts = self.mounts
        return any([middleware.ignores(endpoint, scope, path) for middleware, path in mounts])

    def _log(
        self,
        level: int,
        endpoint: str,
        status: int,
        duration: float,
        error: BaseException | None,
    ) -> None:
        failure = describe(error) if error else self.scope.get(FAILURE, {})
        self.scope[LOGGED] = True
        write_line(
            level,
            request_id=self._id_for_log(self.scope),
            route=endpoint,
            status=status,
            duration_ms=milliseconds(duration),
            **failure,
        )


class TimedRequest(Timed):
    """One request: when it started, how it was answered, and whether its client is still there."""

    LATE_FAILURE = "error_after_response"

    __slots__ = ()

    async def receive(self) -> Message:
        """Return the server's next message for the app, and notice a disconnect."""
        if self.unread:
            message, *others = self.unread
            self.unread = tuple(others)
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
            complete = with_id(message.get("headers", ()), request_id)
            message = {**message, "headers": complete}  # the app may send the same one again
        self.response_start = message
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

        An app that isn't receiving is never told, and what it sends is dropped. So receive on its
        behalf, without waiting, and keep the messages for the app. Some servers send an empty body
        before the disconnect.
        """
        for _ in range(MESSAGES_TO_RECEIVE):
            message = await receive_at_once(self.receive_from_server)
            if message is None:
                return
            self.unread += (message,)
            self.disconnected = message["type"] == "http.disconnect"
            if self.disconnected or message.get("more_body"):
                return

    async def send_body(self, message: Message) -> None:
        """Pass on what follows the start of the response, and record the request at the end."""
        try:
            await self.send_to_server(message)
        except OSError:  # the server found the connection closed
            self.disconnected = True
            raise
        if body := message.get("body"):
            self.size += len(body)
        elif message["type"] == "http.response.pathsend":  # a file that the server sends itself
            with suppress(OSError):  # it may be gone by now
                self.size += Path(message["path"]).stat().st_size
        # Don't record the request until its last byte has been sent.
        if self.status and not message.get("more_body") and message["type"] in LAST_MESSAGES:
            self.record(DISCONNECTED if self.disconnected else self.status)

    def record_return(self) -> None:
        """Record a request whose app returned, unless its response was complete.

        If the response had started, the client left: Starlette then ends a stream quietly.
        """
        if not self.recorded:
            self.record(DISCONNECTED if self.disconnected or self.status else FAILED)
