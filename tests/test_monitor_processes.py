"""Workers that are forked, or share a socket, count what they serve and find one another."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from course_lib import redis_client
from course_lib.lab import redis_server
from course_lib.monitor import PerformanceMonitor
from course_lib.monitor.turns import Turns
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


def test_forked_workers_add_up_without_what_watched_counters_had_before_the_fork(
    any_server: redis_server.RedisServer,
) -> None:
    client = redis_client.connect(any_server.url, time_limit=PATIENT)
    monitor = PerformanceMonitor(redis=client, namespace=f"watched-{os.getpid()}-{id(client)}")
    unavailable = Counter(timeout=5)
    monitor.watch("cache", unavailable)
    assert monitor.get_counts() == {"cache:timeout": 5}
    for number in range(3):
        child = os.fork()
        if not child:
            signal.alarm(20)  # ends a child that waits
            unavailable["timeout"] += number
            unavailable["refused"] += 1
            asyncio.run(monitor.merged())
            unavailable.clear()
            unavailable["timeout"] += 1
            asyncio.run(monitor.merged())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    counts = asyncio.run(monitor.merged()).get_counts()
    assert counts == {"cache:timeout": 5 + 0 + 1 + 2 + 3 * 1, "cache:refused": 3}


def test_a_fork_while_a_watched_counter_is_read_leaves_no_child_waiting(
    monitor: PerformanceMonitor,
) -> None:
    monitor.watch("mine", Counter(a=1))
    with monitor._watched._counters[0]._lock:  # which another thread holds at the fork
        child = os.fork()
        if not child:
            signal.alarm(5)  # ends a child that waits
            os._exit(monitor.get_counts() != {"mine:a": 0})
    assert os.waitpid(child, 0)[1] == 0
    assert monitor.get_counts() == {"mine:a": 1}


def test_a_fork_reaches_all_monitors_that_threads_made_while_others_were_deleted() -> None:
    with ThreadPoolExecutor(4) as threads:
        pairs = threads.map(lambda _: (PerformanceMonitor(), PerformanceMonitor()), range(100))
        kept = [first for first, _ in pairs]
    for monitor in kept:
        monitor.count("parent")
    child = os.fork()
    if not child:
        os._exit(any([monitor.get_counts() for monitor in kept]))
    assert os.waitpid(child, 0)[1] == 0


def test_the_monitor_can_be_imported_on_a_system_without_forks() -> None:
    script = "import os; del os.fork, os.register_at_fork; import course_lib.monitor"
    subprocess.run([sys.executable, "-c", script], check=True)


# --- threads ----------------------------------------------------------------------------------


def test_threads_that_report_in_event_loops_of_their_own_lose_no_count(
    any_server: redis_server.RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = redis_client.connect(any_server.url, time_limit=PATIENT)
    monitor = PerformanceMonitor(redis=client, namespace=f"loops-{os.getpid()}-{id(client)}")

    def merge(number: int) -> bool:
        monitor.log_request("GET /x", 0.1)
        return asyncio.run(monitor.merged()).complete

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(merge, range(200)))
    assert counted(asyncio.run(monitor.merged())) == {"GET /x": 200}
    assert caplog.text == ""


def test_a_report_whose_event_loop_was_closed_in_it_holds_up_no_other() -> None:
    turns = Turns()

    async def take() -> None:
        async with asyncio.timeout(20), turns.take():
            pass

    unfinished = turns.take()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(unfinished.__aenter__())
    loop.close()
    asyncio.run(take())
    asyncio.run(unfinished.__aexit__(None, None, None))
    asyncio.run(take())


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


HIDDEN = """
import ctypes, os
import course_lib.monitor.siblings
os.getuid() or os.setuid(65534)  # as gunicorn --user does, if root runs it
ctypes.CDLL(None).prctl(4, 0)  # PR_SET_DUMPABLE: what the system does at a change of the user
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_whose_files_the_system_hides_find_one_another() -> None:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with socket.create_server(("127.0.0.1", 0)) as shared:
        start = partial(subprocess.Popen, pass_fds=[shared.fileno()], **pipes)
        workers = [start([sys.executable, "-c", HIDDEN + SIBLINGS]) for _ in range(2)]
        other_program = start([sys.executable, "-c", HIDDEN + SIBLINGS, "another"])
        children = [*workers, other_program]
        assert [read(child) for child in children] == ["started"] * 3
        found = [ask(child) for child in workers]
        for child in children:
            child.communicate("\n\n")
    assert found == ["1", "1"]


NO_MORE_FILES = """
import contextlib, os, resource, socket
own = socket.create_server(("127.0.0.1", 0))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
with contextlib.suppress(OSError):
    while True:
        os.dup(0)
"""


def test_a_process_that_can_open_no_more_files_finds_no_workers_and_goes_on() -> None:
    script = "from course_lib.monitor.siblings import count_siblings\n" + NO_MORE_FILES
    command = [sys.executable, "-c", script + "print(count_siblings())"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "0\n"


OWN_SOCKETS = """
import socket, sys
own = [socket.create_server(("127.0.0.1", int(port)), reuse_port=True) for port in sys.argv[1:]]
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_with_sockets_of_their_own_at_the_same_address_find_one_another() -> None:
    with socket.socket() as reserved, socket.socket() as second:  # bound, but they don't listen
        for each in (reserved, second):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            each.bind(("127.0.0.1", 0))
        ports = [str(each.getsockname()[1]) for each in (reserved, second)]
        command = [sys.executable, "-c", OWN_SOCKETS + SIBLINGS, *ports]
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
