"""Time the handshake of a WebSocket, and count the open ones.

    called --> accepted             101, then open until the app returns or raises
      +------> closed by the app    403
      +------> the app responds     the response's status
      +------> the client leaves    499
      +------> the app raises       500

What an app raises after it has accepted is logged, and counted as "websocket_error".
"""

import logging

from course_lib.asgi import Message, Scope
from course_lib.monitor.entries import DISCONNECTED
from course_lib.monitor.lines import lines
from course_lib.monitor.request import FAILED, Timed

ACCEPTED, FORBIDDEN = 101, 403


class TimedWebSocket(Timed):
    """One WebSocket. Its `status` is 0 until the handshake has ended."""

    LATE_FAILURE = "websocket_error"

    __slots__ = ()

    async def receive(self) -> Message:
        """Return the server's next message for the app, and notice a disconnect."""
        message = await self.receive_from_server()
        if message["type"] == "websocket.disconnect":
            self.disconnected = True
        return message

    async def send(self, message: Message) -> None:
        """Pass one of the app's messages on to the server, and record the end of the handshake."""
        try:
            await self.send_to_server(message)
        except OSError:  # the server found the connection closed
            self.disconnected = True
            raise
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

    def record_failure(self, error: BaseException, scope: Scope) -> None:
        """Record a WebSocket whose app raised `error`."""
        self._close()
        super().record_failure(error, scope)

    def record_return(self) -> None:
        """Record a WebSocket whose app returned, unless its handshake is already recorded."""
        self._close()
        self.record(DISCONNECTED if self.disconnected else FAILED)

    def _close(self) -> None:
        if self.status == ACCEPTED:
            self.middleware.monitor.open_websockets -= 1
