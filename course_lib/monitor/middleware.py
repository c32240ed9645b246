"""Measure every request of an app, and run the monitor's background task while the app runs.

    request   --> TimedRequest (request.py)     --> the app
    WebSocket --> TimedWebSocket (websocket.py) --> the app
    lifespan  --> starts and stops the task     --> the app

A server may run no lifespan, and apps that are mounted in another app never see one. So the first
request starts the task too.
"""

from collections.abc import Container

from course_lib.asgi import App, Message, Receive, Scope, Send
from course_lib.monitor.arguments import check_endpoints
from course_lib.monitor.endpoints import own_endpoint
from course_lib.monitor.monitor import PerformanceMonitor
from course_lib.monitor.request import Timed, TimedRequest
from course_lib.monitor.websocket import TimedWebSocket

TIMED: dict[str, type[TimedRequest | TimedWebSocket]] = {
    "http": TimedRequest,
    "websocket": TimedWebSocket,
}


class PerformanceMiddleware:
    """Time requests and count them by the template of their route: "GET /items/{item_id}".

    For FastAPI and Starlette: `app.add_middleware(PerformanceMiddleware, monitor=monitor)`. Add it
    last, so that it's the outermost middleware and its time includes all others.

    An exception counts as 500, and a client that disconnects as 499. Requests that match no route
    share one entry, "(unknown path)". The endpoints in `ignore`, such as "GET /metrics", are
    neither counted nor logged; name them as the app does, without the path that it's mounted at.
    WebSockets count as "WEBSOCKET /path", with the time of their handshake.

    If an app and one that's mounted in it have the same monitor, the outer middleware counts.

    A request's ID is in `X-Request-ID`: in the request's header, if it's up to 128 letters, digits
    and `._:/+=@~-`; else in the response's. If a request has none and is logged, the trace ID of
    its `traceparent` or a new ID goes into the log line and the response. The exception is a stream
    that becomes slow or fails after it has started: its headers are already sent.
    """

    def __init__(
        self, app: App, *, monitor: PerformanceMonitor, ignore: Container[str] = ()
    ) -> None:
        if not isinstance(monitor, PerformanceMonitor):
            raise TypeError(f"monitor is {monitor!r}: pass a PerformanceMonitor")
        self.app = app
        self.monitor = monitor
        self.ignore = check_endpoints("ignore", ignore)
        self._background = monitor.background
        self._mark = f"course_lib.monitor.{id(monitor)}"  # of a scope whose request is being timed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket, or the app's lifespan."""
        timed_type = TIMED.get(scope["type"])
        if timed_type is None:
            await self._serve_untimed(scope, receive, send)
            return
        if not self._background.is_running:
            self.monitor.start()
        if self._mark in scope and self._join_outer(scope):
            await self.app(scope, receive, send)
            return
        timed = scope[self._mark] = timed_type(self, scope, receive, send)
        try:
            await self.app(scope, timed.receive, timed.send)
        except BaseException as error:
            timed.record_failure(error, scope)
            raise
        timed.record_return()

    def ignores(self, endpoint: str, scope: Scope, mounted_at: str) -> bool:
        """Return True if requests to an endpoint aren't counted."""
        if endpoint in self.ignore:
            return True
        if not mounted_at or not self.ignore:
            return False
        return own_endpoint(scope, self.app, mounted_at) in self.ignore

    async def _serve_untimed(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _join_outer(self, scope: Scope) -> bool:
        """Return True if a middleware around this one times the request, and now knows this one."""
        outer: Timed = scope[self._mark]
        if outer.recorded:
            return False
        outer.mounts += ((self, scope.get("root_path", "")),)
        return True

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the monitor's background task as long as the app runs."""

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
