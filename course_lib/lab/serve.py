"""Serve over real HTTP: the Events API in a process of its own, a learner's app in a thread of the kernel."""

import contextlib
import itertools
import json
import os
import socket
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course_lib.api import EventsDatabase, create_app
from course_lib.lab import lifeline, redis_server

HOST = "127.0.0.1"
PATIENCE = 60.0  # seconds for one answer; the first waits for the indexes of a million rows, when they are asked for

_numbers = itertools.count(1)  # of servers with keys in Redis: each has its own


class Server:
    """A running server at `url`, and `client`, the one httpx client whose connection to it stays open."""

    def __init__(self, port: int, end: Callable[[], None]) -> None:
        self.url = f"http://{HOST}:{port}"
        # Without the environment, for a proxy that is set there could not reach this machine's loopback.
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)
        self._end = weakref.finalize(self, _end_server, self.client, end)  # also when its name is given to another
        # What it serves: a copy of the table goes with the last reference to it.
        self.db: str | os.PathLike[str] | None = None
        self.redis_url: str | None = None
        self.pid = os.getpid()

    def __repr__(self) -> str:
        return f"<Server {self.url}>"

    def get(self, path: str, **params: Any) -> httpx.Response:
        """Answer a GET request: `server.get("/api/events", user_id=42)`."""
        try:
            return self.client.get(path, params=params)
        except (httpx.ReadError, httpx.RemoteProtocolError):  # uvicorn closes the connection after a 500
            return self.client.get(path, params=params)

    def stop(self) -> None:
        """End the server, as the last reference to it does; again is no error."""
        self._end()
        self.db = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _end_server(client: httpx.Client, end: Callable[[], None]) -> None:
    client.close()
    end()


def start(db_path: str | os.PathLike[str], **switches: Any) -> Server:
    """Run `create_app(db_path, **switches)` in a process of its own and return when it answers.

    With `cache` or `limits` it uses the lesson's Redis, under a name of its own. FileNotFoundError when there is no
    such database; RuntimeError, with the end of the server's log, when it does not start.
    """
    path = EventsDatabase(db_path).path
    if switches.get("cache") or switches.get("limits"):
        ours = {"redis_url": redis_server.url(), "namespace": redis_server.namespace(f"api-{next(_numbers)}")}
        switches = ours | switches
    port_file = lifeline.folder() / f"{time.monotonic_ns()}.port"
    child = lifeline.start([sys.executable, "-m", __name__, path, port_file, json.dumps(switches)])
    try:
        while child.alive() and not port_file.exists():
            time.sleep(0.01)
        server = Server(int(port_file.read_text()), child.end)
        server.db, server.redis_url, server.pid = db_path, switches.get("redis_url"), child.pid
        server.get("/health").raise_for_status()
    except (OSError, httpx.HTTPError):
        child.end()
        raise RuntimeError(f"the Events API did not start; its log ends:\n{child.tail()}") from None
    except BaseException:  # the Stop button
        child.end()
        raise
    return server


def here(app: ASGIApp) -> Server:
    """Run an app that was written in this kernel in a thread of it, so that it sees the kernel's variables.

    RuntimeError when the app's own start-up raises; the error says what and where.
    """
    if not callable(app):
        raise TypeError(f"serve.here() takes an app, such as FastAPI(), not {app!r}")
    failures: list[BaseException] = []

    async def watched_app(scope: Scope, receive: Receive, send: Send) -> None:
        """Keep what the app's start-up raises: uvicorn would only log it."""

        async def send_without_traceback(message: Message) -> None:
            await send({"type": message["type"]})

        try:
            await app(scope, receive, send_without_traceback if scope["type"] == "lifespan" else send)
        except BaseException as error:
            if scope["type"] == "lifespan":
                failures.append(error)
            raise

    listener = _listener()
    server = _uvicorn(watched_app)

    def run() -> None:
        with contextlib.suppress(SystemExit):  # uvicorn's word for a start-up that failed
            server.run([listener])

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive() and not server.started:
        time.sleep(0.005)
    if not server.started:
        listener.close()
        error = "failed"  # what an app may also say without raising
        for failure in failures:
            place = traceback.extract_tb(failure.__traceback__)[-1]
            error = f"raised {type(failure).__name__}: {failure} (in {place.name}, line {place.lineno})"
        raise RuntimeError(f"the app's start-up {error}")

    def end() -> None:
        server.should_exit = True
        thread.join(timeout=5)  # an endpoint that never returns keeps its thread

    return Server(listener.getsockname()[1], end)


def _listener() -> socket.socket:
    """Listen on a free port; who connects before the app has started waits, and is not refused."""
    # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it an answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind((HOST, 0))
    listener.listen()
    return listener


def _uvicorn(app: ASGIApp) -> uvicorn.Server:
    # By default uvicorn believes anybody on this machine who says in X-Forwarded-For where a request comes from.
    return uvicorn.Server(
        uvicorn.Config(app, access_log=False, log_config=None, timeout_graceful_shutdown=1, proxy_headers=False)
    )


def _serve(db_path: str, port_file: str, switches: str) -> None:
    app = create_app(db_path, **json.loads(switches))
    listener = _listener()
    unfinished = Path(port_file + ".part")
    unfinished.write_text(str(listener.getsockname()[1]))
    unfinished.rename(port_file)
    _uvicorn(app).run([listener])


if __name__ == "__main__":
    _serve(*sys.argv[1:])
