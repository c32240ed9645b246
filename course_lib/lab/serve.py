"""Serve over real HTTP: the Events API in a process, a learner's app in a thread of the kernel.

    start(db, cache=True) --> a process runs create_app --> it writes its port to a file --> Server
    here(app)             --> a thread of the kernel runs it, so it sees the variables --> Server
    Server.stop(), or the last reference dropped --> client closed, process or thread ended

Compare only what runs in the same way: a process of its own isn't slowed down by the kernel.
"""

import contextlib
import itertools
import json
import os
import resource
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

from course_lib.api import EventsDatabase, create_app
from course_lib.asgi import App, Message, Receive, Scope, Send
from course_lib.lab import lifeline, redis_server
from course_lib.lab.http_protocol import MOST_CONNECTIONS, BoundedConnection, BoundedServer

HOST = "127.0.0.1"
# Seconds for one response. The first may have to wait until a million rows are indexed.
RESPONSE_TIMEOUT = 60.0
# Seconds for an app in a thread. An endpoint that never returns keeps its thread.
STOP_TIMEOUT = 5.0
MOST_FILES = 4096

_namespace_numbers = itertools.count(1)


class Server:
    """A running server at `url`, with `client`, an httpx client that keeps its connection open."""

    def __init__(self, port: int, end: Callable[[], None]) -> None:
        self.url = f"http://{HOST}:{port}"
        # Ignore the environment: a proxy that's set there can't reach this machine's loopback.
        self.client = httpx.Client(base_url=self.url, timeout=RESPONSE_TIMEOUT, trust_env=False)
        # Also called when the server's name is reused for another.
        self._end = weakref.finalize(self, _end_server, self.client, end)
        # Keep a reference to the served table: a copy is removed with the last one.
        self.db: str | os.PathLike[str] | None = None
        self.redis_url: str | None = None
        self.pid = os.getpid()

    def __repr__(self) -> str:
        return f"<Server {self.url}>"

    def get(self, path: str, **params: Any) -> httpx.Response:
        """Send a GET request and return the response: `server.get("/api/events", user_id=42)`."""
        try:
            return self.client.get(path, params=params)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            # uvicorn closes the connection after a 500; try once more on a new one.
            return self.client.get(path, params=params)

    def stop(self) -> None:
        """End the server; do nothing if it has ended."""
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
    """Run `create_app(db_path, **switches)` in a process of its own; return when it responds.

    With `cache` or `limits` it uses the lesson's Redis, in a namespace of its own. Raises
    FileNotFoundError if there is no such database, RuntimeError with the end of the server's log
    if it doesn't start.
    """
    path = EventsDatabase(db_path).path
    if switches.get("cache") or switches.get("limits"):
        namespace = redis_server.namespace(f"api-{next(_namespace_numbers)}")
        switches = {"redis_url": redis_server.url(), "namespace": namespace} | switches
    port_file = lifeline.folder() / f"{time.monotonic_ns()}.port"
    # In a file of our private folder, because every user can see a command line, and REDIS_URL may
    # have a password. The child removes it.
    switches_file = port_file.with_suffix(".switches")
    switches_file.write_text(json.dumps(switches))
    child = lifeline.start([sys.executable, "-m", __name__, path, port_file, switches_file])
    try:
        while child.alive() and not port_file.exists():
            time.sleep(0.01)
        server = Server(int(port_file.read_text()), child.end)
        server.db = db_path
        server.redis_url = switches.get("redis_url")
        server.pid = child.pid
        server.get("/health").raise_for_status()
    except (OSError, httpx.HTTPError):
        child.end()
        raise RuntimeError(f"the Events API did not start; its log ends:\n{child.tail()}") from None
    except BaseException:  # the Stop button
        child.end()
        raise
    return server


def here(app: App) -> Server:
    """Run an app in a thread of this kernel, so that it sees the kernel's variables.

    Raises RuntimeError, which says what and where, if the app's own start-up raises.
    """
    if not callable(app):
        raise TypeError(f"serve.here() takes an app, such as FastAPI(), not {app!r}")
    failures: list[BaseException] = []
    listener = _listen()
    server = _uvicorn(_watch_startup(app, failures))

    def run() -> None:
        # uvicorn raises SystemExit if the start-up fails.
        with listener, contextlib.suppress(SystemExit):
            server.run([listener])

    thread = threading.Thread(target=run, daemon=True)

    def end() -> None:
        server.should_exit = True
        thread.join(timeout=STOP_TIMEOUT)

    try:
        thread.start()
        while thread.is_alive() and not server.started:
            time.sleep(0.005)
        if not server.started:
            raise RuntimeError(f"the app's start-up {_describe(failures)}")
        return Server(listener.getsockname()[1], end)
    except BaseException:  # the Stop button too: the caller would never get a server to stop
        server.should_exit = True  # as soon as the app's start-up returns
        raise


def _watch_startup(app: App, failures: list[BaseException]) -> App:
    """Return the app, wrapped to keep what its start-up raises: uvicorn would only log it."""

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return

        async def send_without_traceback(message: Message) -> None:
            await send({"type": message["type"]})

        try:
            await app(scope, receive, send_without_traceback)
        except BaseException as error:
            failures.append(error)
            raise

    return watched


def _describe(failures: list[BaseException]) -> str:
    if not failures:
        return "failed"  # an app can report a failure without raising
    failure = failures[-1]
    frame = traceback.extract_tb(failure.__traceback__)[-1]
    error = f"{type(failure).__name__}: {failure}"
    return f"raised {error} (in {frame.name}, line {frame.lineno})"


def _listen() -> socket.socket:
    """Listen on a free port, so that a client that connects before the app has started can wait."""
    # asyncio sets TCP_NODELAY only on sockets that name their protocol. Without it a response
    # takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind((HOST, 0))
    listener.listen()
    return listener


def _uvicorn(app: App) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=1,
        # By default uvicorn trusts any local client's X-Forwarded-For.
        proxy_headers=False,
        http=BoundedConnection,
        limit_concurrency=MOST_CONNECTIONS,
    )
    return BoundedServer(config)


def _serve(db_path: str, port_file: str, switches_file: str) -> None:
    """Serve the Events API in this process, and write the port to a file once it's known."""
    _allow_many_files()
    switches = json.loads(Path(switches_file).read_text())
    Path(switches_file).unlink()
    app = create_app(db_path, **switches)
    listener = _listen()
    unfinished = Path(port_file + ".part")
    unfinished.write_text(str(listener.getsockname()[1]))
    unfinished.rename(port_file)
    _uvicorn(app).run([listener])


def _allow_many_files() -> None:
    """Raise the number of files that this process may open: each connection needs one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS allows fewer than it reports
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, MOST_FILES), most))


if __name__ == "__main__":
    _serve(*sys.argv[1:])
