"""Whatever an answer changes in the process, the next check finds it as it was."""

import asyncio
import builtins
import contextlib
import cProfile
import gc
import itertools
import json
import logging
import os
import re
import reprlib
import resource
import signal
import socket
import sqlite3
import sys
import threading
import time
import traceback
import tracemalloc
import warnings

import httpx
import pytest
import redis.asyncio

from course_lib.exercises import guard, surroundings, verdict, welcome
from course_lib.lab.namespaced_client import Client

LIMIT = 1.0
SOCKETS = socket.socketpair()
for each in SOCKETS:
    each.setblocking(False)


def patches_builtins():
    builtins.isinstance = builtins.len = lambda *_: 1 / 0


def stops_the_clock():
    time.time = time.monotonic = time.perf_counter = lambda: 1 / 0


def patches_json_and_asyncio():
    json.loads = asyncio.sleep = None


def patches_clients():
    httpx.get = sqlite3.connect = redis.asyncio.Redis = None
    Client.get = httpx.Client.get = lambda *_: None
    Client.execute_command = None
    del Client.clear


def deletes_modules():
    for name in ("json", "warnings", "course_lib.lab.progress"):
        sys.modules.pop(name, None)


def takes_stdout_away():
    sys.stdout = sys.excepthook = None


def turns_warnings_into_errors():
    warnings.simplefilter("error")


def disables_logging():
    logging.disable()


def patches_what_checks_use():
    re.sub = reprlib.Repr.repr = traceback.extract_tb = None
    logging.Logger.info = json.JSONEncoder.default = contextlib.ExitStack.__exit__ = None
    verdict.Verdict.__repr__ = verdict.Verdict = None


def logs_everything():
    logging.basicConfig(level=logging.DEBUG, force=True)


def makes_threads_and_numbers_small():
    threading.stack_size(32_768)
    sys.set_int_max_str_digits(640)


def traces_memory():
    tracemalloc.start()


def disables_garbage_collection():
    gc.disable()
    gc.set_threshold(0)
    gc.set_debug(gc.DEBUG_UNCOLLECTABLE)
    gc.callbacks.append(print)


def clears_the_environment():
    os.environ.clear()
    os.environ["TZ"] = "Nowhere"


def leaves_for_another_folder():
    os.chdir("/")


def searches_no_folder_for_modules():
    sys.path.clear()
    sys.meta_path.clear()


def lets_sockets_time_out():
    socket.setdefaulttimeout(1e-9)


def creates_files_that_cannot_be_read():
    os.umask(0o777)


def lowers_the_limits():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, most))
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_AS, resource.RLIMIT_STACK):
        _, most = resource.getrlimit(limit)
        resource.setrlimit(limit, (0, most))


def traces():
    sys.set_coroutine_origin_tracking_depth(50)
    sys.settrace(lambda *_: None)
    sys.setprofile(lambda *_: None)


def ignores_termination():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.set_wakeup_fd(SOCKETS[0].fileno(), warn_on_full_buffer=False)


def state():
    limits = [resource.getrlimit(limit) for limit in surroundings.LIMITS]
    hooks = [sys.stdout, sys.excepthook, sys.gettrace(), sys.getprofile()]
    handlers = [signal.getsignal(number) for number in surroundings.SIGNALS]
    collection = [gc.isenabled(), gc.get_threshold(), gc.get_debug(), list(gc.callbacks)]
    modules = (
        *(builtins, time, json, asyncio, signal, httpx, sqlite3, redis.asyncio),
        *(re, traceback, verdict),
    )
    classes = (
        *(Client, httpx.Client, logging.Logger, json.JSONEncoder, contextlib.ExitStack),
        *(reprlib.Repr, verdict.Verdict),
    )
    names = [dict(vars(named)) for named in (*modules, *classes)]
    umask = os.umask(0)
    os.umask(umask)
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    return [
        limits,
        hooks,
        handlers,
        collection,
        names,
        dict(os.environ),
        dict(sys.modules),
        os.getcwd(),
        list(warnings.filters),
        list(sys.path),
        list(sys.meta_path),
        socket.getdefaulttimeout(),
        logging.root.manager.disable,
        [logging.root.level, list(logging.root.handlers)],
        [wakeup, sys.get_coroutine_origin_tracking_depth()],
        [threading.stack_size(), sys.get_int_max_str_digits(), tracemalloc.is_tracing()],
        umask,
    ]


@pytest.mark.parametrize(
    "answer",
    [
        patches_builtins,
        stops_the_clock,
        patches_json_and_asyncio,
        patches_clients,
        deletes_modules,
        takes_stdout_away,
        turns_warnings_into_errors,
        disables_logging,
        logs_everything,
        patches_what_checks_use,
        makes_threads_and_numbers_small,
        traces_memory,
        disables_garbage_collection,
        clears_the_environment,
        leaves_for_another_folder,
        searches_no_folder_for_modules,
        lets_sockets_time_out,
        creates_files_that_cannot_be_read,
        lowers_the_limits,
        traces,
        ignores_termination,
    ],
)
def test_what_an_answer_changes_in_the_process_is_restored(answer):
    before = state()
    guard.run(answer, LIMIT)
    assert state() == before


def test_an_answer_can_be_checked_under_a_profiler():
    with cProfile.Profile():
        profiler = sys.getprofile()
        assert guard.run(lambda: 1, LIMIT) == 1
        assert sys.getprofile() is profiler


@pytest.mark.parametrize(
    "call",
    [
        lambda: os._exit(1),
        lambda: os.system("true"),
        lambda: os.abort(),  # noqa: PLW0108  the name that is there when it runs
        lambda: os.execv(sys.executable, [sys.executable, "--version"]),
        lambda: os.kill(os.getpid(), signal.SIGKILL),
        lambda: os.kill(os.getppid(), 0),
        lambda: os.kill(-1, 0),
        lambda: os.killpg(os.getpgrp(), 0),
        lambda: signal.raise_signal(signal.SIGTERM),
        lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM),
        lambda: signal.setitimer(signal.ITIMER_REAL, 0),
        lambda: signal.signal(signal.SIGALRM, signal.SIG_DFL),
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]),
    ],
)
def test_an_answer_cannot_end_the_process_or_its_own_time_limit(call):
    with pytest.raises(RuntimeError, match="isn't called"):
        guard.run(call, LIMIT)


def test_an_endless_statement_on_a_connection_of_the_answers_own_is_ended():
    query = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"

    def runs_it_again_and_again():
        while True:
            with contextlib.suppress(sqlite3.Error):
                sqlite3.connect(":memory:").execute(query).fetchall()

    with pytest.raises(guard.TimeUp):
        guard.run(runs_it_again_and_again, 0.1)


def test_an_answer_that_stops_the_clock_is_ended_all_the_same():
    def spins():
        stops_the_clock()
        time.process_time = time.time
        while True:
            pass

    with pytest.raises(guard.TimeUp):
        guard.run(spins, 0.1)


def test_a_process_that_an_answer_forks_ends_with_the_answer():
    children = []
    guard.run(lambda: children.append(os.fork()), LIMIT)
    _, status = os.waitpid(children[0], 0)
    assert status == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the process's size comes from /proc")
def test_an_answer_that_takes_all_memory_is_ended_by_a_memory_error(monkeypatch):
    monkeypatch.setattr(surroundings, "MOST_MEMORY", 2**26)
    with pytest.raises(MemoryError):
        guard.run(lambda: list(itertools.count()), LIMIT)


def test_an_answer_that_keeps_every_file_leaves_some_for_later_checks(monkeypatch):
    monkeypatch.setattr(surroundings, "MOST_FILES", 20)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/dev/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 40, limits[1]))
    files = []

    def opens_files(before, after):
        while True:
            files.append(open(os.devnull))  # noqa: SIM115

    try:
        verdict = welcome.times_faster.check(opens_files)
        assert verdict.misconception == "too_many_files"
        files.append(open(os.devnull))  # noqa: SIM115
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for file in files:
            file.close()


def test_other_threads_are_not_kept_from_ending_the_process():
    # ipykernel ends the kernel in a thread when JupyterLab is gone.
    outcomes = []
    alive = threading.Thread(target=lambda: outcomes.append(os.kill(os.getpid(), 0)))

    def starts_a_thread():
        alive.start()
        alive.join()

    guard.run(starts_a_thread, LIMIT)
    assert outcomes == [None]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_an_answer_leaves_running_is_ended():
    threads, other = [], threading.Event()

    def spins():
        while True:
            time.sleep(0.001)

    def starts_a_thread(before, after):
        thread = threading.Thread(target=spins, daemon=True)
        threads.append(thread)
        thread.start()
        return before / after

    waiting = threading.Thread(target=other.wait)
    waiting.start()  # before the check, so it isn't the answer's
    assert welcome.times_faster.check(starts_a_thread).verdict == "right"
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert waiting.is_alive()
    other.set()
