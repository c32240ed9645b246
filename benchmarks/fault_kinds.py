"""The ways in which `faults.py` breaks Redis, each for some seconds."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import redis
from fault_proxy import FaultProxy

from course_lib.lab.redis_server import RedisServer


@dataclass
class Context:
    """The server, the proxy in front of it, and a client of the server: a fault breaks these."""

    server: RedisServer
    proxy: FaultProxy
    admin: redis.Redis


@dataclass(frozen=True)
class Fault:
    """A fault that lasts from the start to the end of the context that `during` returns."""

    name: str
    during: Callable[[Context], AbstractContextManager[object]]
    seconds: float = 3.0
    again: float = 0.0  # seconds between two repetitions, or 0 if it lasts

    def run(self, context: Context) -> None:
        """Break Redis, and return when the fault is over."""
        end = time.monotonic() + self.seconds
        if not self.again:
            with self.during(context):
                time.sleep(self.seconds)
            return
        while time.monotonic() < end:
            with self.during(context):
                time.sleep(self.again)


@contextmanager
def killed(context: Context) -> Iterator[None]:
    context.server.kill()
    yield
    context.server.restart()


@contextmanager
def paused(context: Context) -> Iterator[None]:
    context.server.pause()
    yield
    context.server.resume()


@contextmanager
def busy(context: Context) -> Iterator[None]:
    context.admin.config_set("busy-reply-threshold", 1)
    connection = context.admin.connection_pool.get_connection()
    connection.send_command("EVAL", "while true do end", 0)
    connection.disconnect()
    yield
    context.admin.script_kill()


@contextmanager
def disk_is_full(context: Context) -> Iterator[None]:
    """Let a background save fail, because the folder of its file is missing."""
    admin = context.admin
    folder = admin.config_get("dir")["dir"]
    admin.config_set("save", "3600 1")
    shutil.rmtree(folder)
    admin.bgsave()
    yield
    admin.config_set("save", "")


@contextmanager
def demoted(context: Context) -> Iterator[None]:
    context.admin.execute_command("REPLICAOF", "127.0.0.1", "1")
    yield
    context.admin.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def cut_off(context: Context) -> Iterator[None]:
    with configured(context, "replica-serve-stale-data", "no"), demoted(context):
        yield


@contextmanager
def with_password(context: Context) -> Iterator[None]:
    admin = context.admin
    with configured(context, "requirepass", "secret"):
        admin.execute_command("AUTH", "secret")  # or it couldn't take the password back
        context.proxy.cut()
        yield


@contextmanager
def configured(context: Context, setting: str, value: object) -> Iterator[None]:
    before = context.admin.config_get(setting)[setting]
    context.admin.config_set(setting, value)
    yield
    context.admin.config_set(setting, before)


@contextmanager
def full_of_others(context: Context) -> Iterator[None]:
    """Fill the memory with keys that expire, so that each write evicts a key."""
    with configured(context, "maxmemory-policy", "allkeys-lru"):
        used = context.admin.info("memory")["used_memory"]
        with configured(context, "maxmemory", used + 100_000):
            for number in range(2_000):
                with contextlib.suppress(redis.OutOfMemoryError):  # all it may evict has gone
                    context.admin.set(f"other:{number}", "x" * 200, ex=60)
            yield


def setting(name: str, value: object) -> Callable[[Context], AbstractContextManager[object]]:
    return lambda context: configured(context, name, value)


def network(mode: str) -> Callable[[Context], AbstractContextManager[object]]:
    @contextmanager
    def broken(context: Context) -> Iterator[None]:
        context.proxy.mode = mode
        if mode == "refuse":
            context.proxy.cut()
        yield
        context.proxy.mode = "forward"

    return broken


def command(*words: str) -> Callable[[Context], AbstractContextManager[object]]:
    def send(context: Context) -> AbstractContextManager[object]:
        context.admin.execute_command(*words)
        return contextlib.nullcontext()

    return send


def lists_under(pattern: str) -> Callable[[Context], AbstractContextManager[object]]:
    @contextmanager
    def replaced(context: Context) -> Iterator[None]:
        keys = list(context.admin.scan_iter(pattern, count=1000))
        with context.admin.pipeline() as pipeline:
            for key in keys:
                pipeline.delete(key)
                pipeline.rpush(key, "theirs")
            pipeline.execute()
        yield

    return replaced


def nothing(_: Context) -> AbstractContextManager[object]:
    return contextlib.nullcontext()


FAULTS = [
    Fault("none", nothing),
    Fault("kill -9, restart", killed),
    Fault("SIGSTOP", paused),
    Fault("SIGSTOP for 0.15 s, again and again", paused, again=0.15),
    Fault("CLIENT KILL, again and again", command("CLIENT", "KILL", "TYPE", "normal"), again=0.3),
    Fault("SCRIPT FLUSH every 5 ms", command("SCRIPT", "FLUSH"), again=0.005),
    Fault("FLUSHALL, again and again", command("FLUSHALL"), again=0.5),
    Fault("OOM: maxmemory, noeviction", setting("maxmemory", 1)),
    Fault("maxmemory, allkeys-lru", full_of_others),
    Fault("MISCONF: a save failed", disk_is_full),
    Fault("READONLY: a replica", demoted),
    Fault("MASTERDOWN: a replica cut off", cut_off),
    Fault("NOREPLICAS", setting("min-replicas-to-write", 1)),
    Fault("BUSY: an endless script", busy),
    Fault("LOADING", network("loading")),
    Fault("network: 50 ms each way", network("slow")),
    Fault("network: connections refused", network("refuse")),
    Fault("network: nothing arrives", network("silent")),
    Fault("network: no reply arrives", network("deaf")),
    Fault("network: replies cut in half", network("half")),
    Fault("network: replies garbled", network("garbled")),
    Fault("lists under the entries", lists_under("{faults}:*"), again=0.02),
    Fault("lists under the limits", lists_under("{faults:limit*"), again=0.02),
    Fault("lists under the monitor's keys", lists_under("{faults:monitor*"), again=0.1),
    Fault("the password has changed", with_password),
]
