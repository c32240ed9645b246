"""uvicorn's HTTP connection, with a bound on its waiting time and on the number of them.

connected --> a complete request head within 10 s --> response --> the next head, ...
    |                     +-- later --> closed
    +-- far too many connections --> closed at once
"""

import asyncio
import resource

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 1000
"""The number of connections from which uvicorn responds with 503."""

MOST_OPEN = MOST_CONNECTIONS + 100
"""The number of connections from which new ones are closed, because each needs an open file."""

OTHER_FILES = 200  # a process also opens files for the database's threads, and for Redis

HEAD_SECONDS = 10.0


class BoundedConnection(H11Protocol):
    """A connection that's closed if a request's head takes longer than `HEAD_SECONDS`.

    uvicorn itself closes only connections that send nothing after a response.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        if len(self.connections) > _most_open():
            transport.abort()
            return
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of the head, or stop waiting if it's complete."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        self._stop_waiting()

    def _watch_head(self) -> None:
        is_complete = self.cycle is not None and not self.cycle.response_complete
        if is_complete or self.transport.is_closing():
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
