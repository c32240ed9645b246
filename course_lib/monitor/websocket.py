"""Time the handshake of a WebSocket, and count the open ones.

    called --> accepted             101, then open until the app returns or raises
      +------> closed by the app    403
      +------> the app responds     the response's status
      +------> the client leaves    499
      +------> the app raises       500

What an app raises after it has accepted is logged, and counted as "websocket_error".
"""

import logging

from course_lib.asgi import App, Message, Scope
from course_lib.monitor.entries import DISCONNECTED
from course_lib.monitor.lines import lines
from course_lib.monitor.request import Timed

ACCEPTED, FORBIDDEN, FAILED = 101, 403, 500


class TimedWebSocket(Timed):
    """One WebSocket. Its `status` is 0 until the handshake has ended."""

    __slots__ = ()

    async def serve(self, app: App) -> None:
        """Run the app until the WebSocket is closed."""
        scope = self.scope
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            self._end(scope, error)
            raise
        self._end(scope, None)

    async def receive(self) -> Message:
        """Return the server's next message for the app, and notice a disconnect."""
        message = await self.receive_from_server()
        if message["type"] == "websocket.disconnect":
            self.disconnected = True
        return message

    async def send(self, message: Message) -> None:
        """Pass one of the app's messages on to the server, and record the end of the handshake."""
        await self.send_to_server(message)
        if self.status:
            return
        if message["type"] == "websocket.accept":
            self.status = ACCEPTED
            self.middleware.monitor.open_websockets += 1
        elif message["type"] == "websocket.close":
            self.status = FORBIDDEN
        elif message["type"] == "websocket.http.response.start":
            self.status = message["status"]
        if self.status:
            self.is_logged = lines.isEnabledFor(logging.INFO)
            self.record(self.status)

    def _end(self, scope: Scope, error: BaseException | None) -> None:
        monitor = self.middleware.monitor
        failed = isinstance(error, Exception) and not self.disconnected
        if self.status == ACCEPTED:
            monitor.open_websockets -= 1
        if self.recorded:
            if isinstance(error, Exception) and failed:
                self.record_late_failure("websocket_error", error, scope)
            return
        left = self.disconnected or (error is not None and not failed)
        self.record(DISCONNECTED if left else FAILED, error)
