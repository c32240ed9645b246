"""Log that Redis is unavailable, and later that it's back: once for each outage."""

import logging
import time

QUIET = 10.0
"""Seconds after "Redis is back" until the next warning. A Redis that only rejects writes opens the
breaker each second, and a read closes it again."""

log = logging.getLogger(__package__)


class OutageLog:
    """The lines about one server."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._has_warned = False  # and not yet said that Redis is back
        self._quiet_until = 0.0  # no warning until then

    def begin(self, cause: str, retry_after: float) -> None:
        """Log that the breaker has opened, unless that's known."""
        if self._has_warned or time.monotonic() < self._quiet_until:
            return
        log.warning("%s is unavailable (%s); retrying every %g s", self._server, cause, retry_after)
        self._has_warned = True

    def end(self) -> None:
        """Log that the server is back, if a warning said that it was unavailable."""
        if self._has_warned:
            log.info("%s is back", self._server)
            self._has_warned = False
            self._quiet_until = time.monotonic() + QUIET
