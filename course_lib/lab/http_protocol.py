"""uvicorn's server and HTTP connection, with bounds on waiting times and on their number.

connected --> a complete request head within 10 s --> response, read within 10 s --> the next head
    |                     +-- later --> closed            +-- later --> closed
    |                     +-- it asks for a WebSocket --> the WebSocket's protocol takes over
    +-- far too many connections --> closed at once
"""

import asyncio
import logging
import resource
import socket

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from course_lib.lab.repeated_lines import repeated_lines

MOST_CONNECTIONS = 1000
"""The number of connections from which uvicorn responds with 503."""

MOST_OPEN = MOST_CONNECTIONS + 100
"""The number of connections from which new ones are closed, because each needs an open file."""

OTHER_FILES = 200  # a process also opens files for the database's threads, and for Redis

ACCEPTED_AT_ONCE = 30
"""The number of connections that one turn of the event loop accepts.

Closing those beyond the most takes four turns, so some of the `OTHER_FILES` remain.
"""

WAITING = 2048
"""The number of connections that the system keeps until they're accepted."""

HEAD_SECONDS = 10.0
READ_SECONDS = 10.0

log = logging.getLogger(__name__)
for name in (__name__, "uvicorn.error", "asyncio"):
    logging.getLogger(name).addFilter(repeated_lines)


class BoundedServer(uvicorn.Server):
    """A server that accepts few connections at once, and lets many wait.

    By default asyncio accepts 2,048 at once. Before any of them can be closed, the process may
    have no files left, and asyncio logs 7 lines for each that it can't open.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        config.backlog = ACCEPTED_AT_ONCE
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, and let the system keep more connections than asyncio accepts at once."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(WAITING)


class BoundedConnection(H11Protocol):
    """A connection that's closed if a request's head takes longer than `HEAD_SECONDS`.

    It's also closed if the client reads nothing of a response for `READ_SECONDS`. uvicorn itself
    closes only connections that send nothing after a response.
    """

    _timer: asyncio.TimerHandle | None = None
    _reading_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        if len(self.connections) > _most_open():
            log.warning("over %d connections are open: closing new ones at once", _most_open())
            transport.abort()
            return
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of the head, or stop waiting if it's complete."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self.resume_writing()
        super().connection_lost(exc)
        self._stop_waiting()

    def pause_writing(self) -> None:
        """Start to wait until the client reads: the buffer for its responses is full."""
        super().pause_writing()
        self._reading_timer = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting for the client to read."""
        super().resume_writing()
        if self._reading_timer is not None:
            self._reading_timer.cancel()
            self._reading_timer = None

    def _watch_head(self) -> None:
        is_complete = self.cycle is not None and not self.cycle.response_complete
        is_websocket = self.transport.get_protocol() is not self
        if is_complete or is_websocket or self.transport.is_closing():
            self._stop_waiting()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _most_open() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_OPEN if files == resource.RLIM_INFINITY else min(MOST_OPEN, files - OTHER_FILES)
