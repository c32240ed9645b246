"""Workers that are forked, or share a socket, count what they serve and find one another."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from course_lib import redis_client
from course_lib.lab import redis_server
from course_lib.monitor import PerformanceMonitor
from tests.conftest import PATIENT


@pytest.fixture
def monitor() -> PerformanceMonitor:
    return PerformanceMonitor()


def counted(monitor: PerformanceMonitor) -> dict[str, int]:
    metrics = monitor.get_performance_metrics()
    return {endpoint: figures.count for endpoint, figures in metrics.items()}


# --- forks ------------------------------------------------------------------------------------


def test_forked_workers_add_up_without_what_was_counted_before_the_fork(
    any_server: redis_server.RedisServer,
) -> None:
    client = redis_client.connect(any_server.url, time_limit=PATIENT)
    monitor = PerformanceMonitor(redis=client, namespace=f"forked-{os.getpid()}-{id(client)}")
    monitor.log_request("GET /x", 0.1)  # a request that warms up the app
    children = []
    for number in range(3):
        child = os.fork()
        if not child:
            for _ in range(number + 1):
                monitor.log_request("GET /x", 0.1)
            asyncio.run(monitor.merged())
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    whole = asyncio.run(monitor.merged())
    assert (counted(whole), whole.workers) == ({"GET /x": 1 + 1 + 2 + 3}, 4)


def test_a_forked_worker_without_redis_starts_at_zero_and_never_waits_for_a_lock(
    monitor: PerformanceMonitor,
) -> None:
    monitor.log_request("GET /x", 0.1)
    with monitor._lock:  # which another thread holds at the fork
        child = os.fork()
        if not child:
            signal.alarm(5)  # ends a child that waits
            monitor.log_request("GET /y", 0.1)
            os._exit(counted(monitor) != {"GET /y": 1})
    assert os.waitpid(child, 0)[1] == 0
    assert counted(monitor) == {"GET /x": 1}


# --- siblings ---------------------------------------------------------------------------------


SIBLINGS = """
import sys
from course_lib.monitor.siblings import count_siblings
print("started", flush=True)
sys.stdin.readline()
print(count_siblings(), flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_with_the_same_socket_find_one_another() -> None:
    command = [sys.executable, "-c", SIBLINGS]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with socket.create_server(("127.0.0.1", 0)) as shared, ThreadPoolExecutor(1) as thread:
        start = partial(subprocess.Popen, command, pass_fds=[shared.fileno()], **pipes)
        workers = [start(), thread.submit(start).result()]
        other_child = subprocess.Popen(command, **pipes)
        children = [*workers, other_child]
        started = [read(child) for child in children]
        assert started == ["started"] * 3
        found = [ask(child) for child in children]
        for child in children:
            child.communicate("\n")
    assert found == ["1", "1", "0"]


OWN_SOCKET = """
import socket, sys
own = socket.create_server(("127.0.0.1", int(sys.argv[1])), reuse_port=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_with_sockets_of_their_own_at_the_same_address_find_one_another() -> None:
    with socket.socket() as reserved:  # bound, but it doesn't listen
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        command = [sys.executable, "-c", OWN_SOCKET + SIBLINGS, str(reserved.getsockname()[1])]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        workers = [subprocess.Popen(command, **pipes) for _ in range(3)]
        assert [read(worker) for worker in workers] == ["started"] * 3
        found = [ask(worker) for worker in workers]
        for worker in workers:
            worker.communicate("\n")
    assert found == ["2"] * 3


def read(child: "subprocess.Popen[str]") -> str:
    assert child.stdout
    return child.stdout.readline().strip()


def ask(child: "subprocess.Popen[str]") -> str:
    assert child.stdin
    child.stdin.write("\n")
    child.stdin.flush()
    return read(child)
