"""Find other processes that serve the same requests, but count them on their own.

A server with several workers gives all of them the same listening socket. So the siblings of this
process (the children of its parent) that have one of its listening sockets open are workers too:

    gunicorn or uvicorn --+-- this worker   socket:[4711]
                          +-- worker        socket:[4711]   counted
                          +-- a tracker     no socket       not counted

With SO_REUSEPORT, each worker has a socket of its own with the same address:

    gunicorn --reuse-port --+-- this worker   127.0.0.1:8000   socket:[4711]
                            +-- worker        127.0.0.1:8000   socket:[4712]   counted

Linux hides the files of a worker that has changed its user (gunicorn --user). Then a sibling counts
if it has the command line and the user of this process.

This reads Linux's /proc. On other systems it finds no workers.
"""

import logging
import os
import socket
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path

PROC = Path("/proc")
ADDRESS, STATE, INODE = 1, 3, 9  # columns of /proc/net/tcp
LISTENING = "0A"  # a state

log = logging.getLogger(__package__)


def count_siblings() -> int:
    """Return the number of other processes that accept connections to this process's addresses."""
    sockets = _sockets(os.getpid()) or []
    listening = {name: file for name, file in sockets if _is_listening(file)}
    if not listening:
        return 0
    count = _count_sharing(set(listening))
    if any([_option(file, socket.SO_REUSEPORT) for file in listening.values()]):
        count = max(count, _count_with_same_address(set(listening)))
    if count:
        _warn()
    return count


def _count_sharing(listening: set[str]) -> int:
    """Return the number of siblings that have one of these sockets open."""
    parent = os.getppid()
    children: set[int] = set()
    for thread in (PROC / f"{parent}/task").glob("*/children"):  # each has those that it forked
        with suppress(OSError):
            children |= set(map(int, thread.read_text().split()))
    siblings = children - {os.getpid()}
    return sum([_shares(sibling, listening) for sibling in siblings])


def _shares(process: int, listening: set[str]) -> bool:
    sockets = _sockets(process)
    if sockets is None:
        return _description(process) == _description(os.getpid())
    return any([name in listening for name, _ in sockets])


def _description(process: int) -> list[bytes]:
    """Return the command line and the user of a process, or nothing if it has ended."""
    with suppress(OSError):
        command = (PROC / f"{process}/cmdline").read_bytes()
        status = (PROC / f"{process}/status").read_bytes().splitlines()
        return [command, *[line for line in status if line.startswith(b"Uid:")]]
    return []


def _count_with_same_address(listening: set[str]) -> int:
    """Return the number of other listening sockets with the address of one of these.

    The table of sockets has a line for each connection too, so read it only if it's needed.
    """
    sockets: Counter[str] = Counter()  # a worker may have one for each of several addresses
    for table in ("net/tcp", "net/tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in (PROC / table).read_text().splitlines()]
            open_rows = [row for row in rows if row[STATE] == LISTENING]
            addresses = {f"socket:[{row[INODE]}]": row[ADDRESS] for row in open_rows}
            own = {addresses[name] for name in listening & set(addresses)}
            others = set(addresses) - listening
            sockets.update([addresses[name] for name in others if addresses[name] in own])
    return max(sockets.values(), default=0)


@cache  # once in a process
def _warn() -> None:
    log.warning(
        "This server has several workers, and each counts its own requests only, so the figures "
        "are too low: pass redis= to PerformanceMonitor, and show what its merged() returns"
    )


def _sockets(process: int) -> list[tuple[str, int]] | None:
    """Return the sockets of a process as the system names them, with their file numbers.

    Returns None if the system hides them.
    """
    try:
        files = list((PROC / f"{process}/fd").iterdir())
    except PermissionError:
        return None
    except OSError:  # it has ended, or this process can open no more files
        return []
    sockets = []
    for file in files:
        with suppress(OSError):
            name = os.readlink(file)
            if name.startswith("socket:"):
                sockets.append((name, int(file.name)))
    return sockets


def _is_listening(file: int) -> bool:
    return _option(file, socket.SO_ACCEPTCONN)


def _option(file: int, option: int) -> bool:
    """Return an option of a socket; False if the file is closed, or isn't a socket."""
    with suppress(OSError):
        opened = socket.socket(fileno=file)
        try:
            return bool(opened.getsockopt(socket.SOL_SOCKET, option))
        finally:
            opened.detach()  # it isn't ours to close
    return False
