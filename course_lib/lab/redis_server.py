"""Redis for the lessons: the server at REDIS_URL, or one that's private to this kernel.

    REDIS_URL isn't set --> the first url() starts a private server (`redis_process.py`)
    REDIS_URL is set    --> the lessons use that server, touch only keys under one random name,
                            and remove them when the kernel ends

`client()` and `new_client()` return clients that keep to a namespace (`namespaced_client.py`).
"""

import atexit
import contextlib
import itertools
import os
import re
import secrets
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import redis

from course_lib.lab.namespaced_client import Client
from course_lib.lab.redis_process import RedisServer, new_enough, plain_client

__all__ = [
    "KERNEL_NAME",
    "Client",
    "RedisServer",
    "Server",
    "client",
    "end_script",
    "is_ours",
    "namespace",
    "new_client",
    "start",
    "url",
    "version",
]

Server = RedisServer  # its name before; programs outside this repository use it

KERNEL_NAME = f"course-{secrets.token_hex(4)}"
"""The prefix of all our namespaces on a server that we didn't start."""

CHECK_SECONDS = 5.0
"""The longest time for all replies of the server at REDIS_URL; each has a limit of a second too."""

PROBE = "return redis.call('SET', KEYS[1], '', 'PX', 1000)"

_client_numbers = itertools.count(1)
_lock = threading.Lock()
_own: RedisServer | None = None


def start(*, persistent: bool = False) -> RedisServer:
    """Start a private server, for example one to break.

    A `persistent` one keeps its data over a restart, in a file that's removed with the kernel's
    folder. Raises RuntimeError, which says what to do, if no server can be started.
    """
    return RedisServer(persistent=persistent)


def is_ours() -> bool:
    """Return True if the lessons use a server that this kernel starts: REDIS_URL isn't set."""
    return not os.environ.get("REDIS_URL")


def url() -> str:
    """Return REDIS_URL if it's set, else the URL of this kernel's server; start it if needed.

    Raises RuntimeError, which says what to do, if there's no server to start, or if the server at
    REDIS_URL can't be used.
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
    """Return what the first cell shows: "Valkey 9.1.2 (private to this notebook)"."""
    with plain_client(url()) as client:
        info = client.info("server")
    name = "Valkey" if "valkey_version" in info else "Redis"
    server = f"{name} {info[f'{name.lower()}_version']}"
    if is_ours():
        return f"{server} (private to this notebook)"
    return f"{server} at REDIS_URL (not ours: keys only under {KERNEL_NAME})"


@cache
def _check_foreign(url: str) -> None:
    """Check, once, that the server at REDIS_URL can be used; remove our keys from it at the end."""
    try:
        with plain_client(url) as client, _disconnected_if_late(client):
            _check_server(client.info())
            # Servers that are full, read-only or cut off, and users without rights, reject it.
            client.eval(PROBE, 1, f"{KERNEL_NAME}:probe")
    except (redis.RedisError, OSError, ValueError) as error:
        raise _unusable(f"cannot be used: {error}") from None
    except (AttributeError, LookupError) as error:  # redis-py's, at replies it doesn't expect
        raise _unusable(f"points to a server that isn't Redis ({error!r})") from None
    atexit.register(_remove_our_keys, url)


@contextlib.contextmanager
def _disconnected_if_late(client: redis.Redis) -> Iterator[None]:
    """Raise redis.TimeoutError after `CHECK_SECONDS`: a server may send a byte now and then."""
    timer = threading.Timer(CHECK_SECONDS, client.connection_pool.disconnect)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if timer.finished.is_set():
            late = f"its replies take longer than {CHECK_SECONDS:g} seconds"
            raise redis.TimeoutError(late) from None
        raise
    finally:
        timer.cancel()


def _check_server(info: dict[str, Any]) -> None:
    version, role = info["redis_version"], info.get("role", "master")
    mode = info.get("redis_mode") or info.get("server_mode", "standalone")  # the latter in Valkey
    if not new_enough(version):
        raise _unusable(f"points to Redis {version}, and the lessons need 6.2 or newer")
    if mode != "standalone":
        raise _unusable(f"points to a server in {mode} mode, and the lessons need a single server")
    if role != "master":
        raise _unusable("points to a replica, and the lessons need a server that accepts writes")


def _unusable(reason: str) -> RuntimeError:
    return RuntimeError(
        f"REDIS_URL {reason}\nSet it to an address such as redis://localhost:6379, or unset it, "
        "and restart the kernel: without REDIS_URL the lessons start a server of their own."
    )


def _remove_our_keys(url: str) -> None:
    with (
        contextlib.suppress(redis.RedisError),
        plain_client(url) as client,
        client.pipeline(transaction=False) as pipeline,
    ):
        # A cache's keys begin with a brace, so match our name anywhere.
        for key in client.scan_iter(f"*{KERNEL_NAME}*", count=1000):
            pipeline.unlink(key)
        pipeline.execute()


def end_script() -> None:
    """End a Lua script that doesn't return, because it blocks every other client.

    A script that has already written can't be ended alone: if the server is ours, it starts again,
    without its data.
    """
    with plain_client(url()) as client:
        try:
            client.script_kill()
        except redis.ResponseError as error:
            if "UNKILLABLE" in str(error) and _own:
                print("A script that doesn't return had blocked Redis, so it was restarted, empty.")
                _own.restart()
        except redis.RedisError:
            return  # it's late, or gone: the next command shows that


def namespace(name: str) -> str:
    """Return the namespace for `name`: itself, or under this kernel's name if not on our server."""
    return name if is_ours() else f"{KERNEL_NAME}:{name}"


def client(namespace: str | None = None, **options: Any) -> Client:
    """Return a client for cells and checks.

    With a `namespace`, and always on a server that isn't ours, it reads and changes only keys of
    its own. `options` are redis-py's for connections, such as `decode_responses=True`. Raises
    ValueError if the namespace has other characters than letters, digits and . : _ -
    """
    if namespace is not None and not re.fullmatch(r"[\w.:-]+", namespace, re.ASCII):
        raise ValueError(f"namespace is {namespace!r}: use letters, digits and the signs . : _ -")
    parts = []
    if not is_ours():
        parts.append(KERNEL_NAME)
    if namespace is not None:
        parts.append(namespace)
    prefix = "".join(f"{part}:" for part in parts)
    return Client(url(), prefix, **options)


def new_client(name: str, **options: Any) -> Client:
    """Return a `client` in a namespace of its own, `name` and a number.

    A cell that runs again starts with no keys.
    """
    return client(f"{name}-{next(_client_numbers)}", **options)
