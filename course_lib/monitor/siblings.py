"""Find other processes that serve the same requests, but count them on their own.

A server with several workers gives all of them the same listening socket. So the siblings of this
process (the children of its parent) that have one of its listening sockets open are workers too:

    gunicorn or uvicorn --+-- this worker   socket:[4711]
                          +-- worker        socket:[4711]   counted
                          +-- a tracker     no socket       not counted

This reads Linux's /proc. On other systems, or if workers have sockets of their own (SO_REUSEPORT),
it finds none.
"""

import logging
import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

PROC = Path("/proc")

log = logging.getLogger(__package__)


def count_siblings() -> int:
    """Return the number of other processes that accept connections from this process's sockets."""
    parent = os.getppid()
    try:
        children = (PROC / f"{parent}/task/{parent}/children").read_text().split()
    except OSError:
        return 0
    listening = {name for name, file in _sockets(os.getpid()) if _is_listening(file)}
    siblings = [int(child) for child in children if int(child) != os.getpid()]
    names_of_siblings = [{name for name, _ in _sockets(sibling)} for sibling in siblings]
    count = sum([bool(listening & names) for names in names_of_siblings])
    if count:
        _warn()
    return count


@cache  # once in a process
def _warn() -> None:
    log.warning(
        "This server has several workers, and each counts its own requests only, so the figures "
        "are too low: pass redis= to PerformanceMonitor to add them up"
    )


def _sockets(process: int) -> list[tuple[str, int]]:
    """Return the sockets of a process as the system names them, with their file numbers."""
    found = []
    with suppress(OSError):  # it has ended, or belongs to another user
        for file in (PROC / f"{process}/fd").iterdir():
            with suppress(OSError):
                name = os.readlink(file)
                if name.startswith("socket:"):
                    found.append((name, int(file.name)))
    return found


def _is_listening(file: int) -> bool:
    with suppress(OSError):
        opened = socket.socket(fileno=file)
        try:
            return bool(opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        finally:
            opened.detach()  # it isn't ours to close
    return False
