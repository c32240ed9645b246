"""Restore what an answer may have changed for the whole process, and keep it from ending it.

    names of modules and classes (`time.time = ...`), see patched_names.py
    signals, tracing, garbage collection, warnings, the root logger
    the folder, the environment, the locale, the search path for modules
    resource limits, and limits for memory and open files

A learner changes these by accident, for example by patching the clock for a test. Later checks,
and the kernel itself, would then fail in ways that no refusal explains.
"""

import contextlib
import gc
import locale
import logging
import os
import resource
import signal
import socket
import sqlite3
import sys
import threading
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from course_lib.exercises import patched_names

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)
LIMITS = tuple(vars(resource)[name] for name in dir(resource) if name.startswith("RLIMIT_"))
MOST_MEMORY = 2**30  # bytes that an answer may take; beyond, Python raises MemoryError
# Files and connections that an answer may open. If it never closes them, enough are left for the
# kernel and for later checks.
MOST_FILES = 256
INSTRUCTIONS = 10_000  # of SQLite's virtual machine, between two chances for an alarm

_end_process = os._exit


def restored() -> contextlib.ExitStack:
    """Return a context that restores the process's state at its end.

    A process that the answer forked is ended there. Until then, calls by the main thread that would
    end the process or change the alarm raise RuntimeError, alarms reach SQL statements, and the
    process can take at most a gigabyte more of memory, and open `MOST_FILES` more files.
    """
    stack = contextlib.ExitStack()  # calls the last function first, and all of them
    _keep_signals(stack)
    _keep_process(stack)
    _keep_interpreter(stack)
    patched_names.keep(stack)
    stack.callback(_end_forked, os.getpid())
    _limit_memory()
    _limit_files()
    _refuse_to_end()
    _let_alarms_into_statements()
    return stack


def _keep_signals(stack: contextlib.ExitStack) -> None:
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if handler is not None:
            stack.callback(signal.signal, number, handler)
    wakeup = signal.set_wakeup_fd(-1)  # there's no other way to read it
    signal.set_wakeup_fd(wakeup)
    stack.callback(_set_wakeup, wakeup)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, mask)


def _keep_process(stack: contextlib.ExitStack) -> None:
    """Let the stack restore what the operating system and the C library know of the process."""
    for limit in LIMITS:
        stack.callback(_set_limit, limit, resource.getrlimit(limit))
    stack.callback(locale.setlocale, locale.LC_ALL, locale.setlocale(locale.LC_ALL))
    stack.callback(_set_environment, dict(os.environ))
    stack.callback(_set_folder, _folder())
    umask = os.umask(0o077)  # there's no other way to read it
    os.umask(umask)
    stack.callback(os.umask, umask)


def _keep_interpreter(stack: contextlib.ExitStack) -> None:
    """Let the stack restore Python's own settings."""
    stack.callback(_set_filters, warnings.filters, list(warnings.filters))
    stack.callback(logging.disable, logging.root.manager.disable)
    stack.callback(logging.root.setLevel, logging.root.level)
    stack.callback(_set_content, logging.root.handlers, list(logging.root.handlers))
    stack.callback(gc.enable if gc.isenabled() else gc.disable)
    stack.callback(gc.set_threshold, *gc.get_threshold())
    stack.callback(gc.set_debug, gc.get_debug())
    stack.callback(_set_content, gc.callbacks, list(gc.callbacks))
    if not tracemalloc.is_tracing():
        stack.callback(tracemalloc.stop)
    stack.callback(threading.stack_size, threading.stack_size())
    depth = sys.get_coroutine_origin_tracking_depth()
    stack.callback(sys.set_coroutine_origin_tracking_depth, depth)
    stack.callback(sys.set_int_max_str_digits, sys.get_int_max_str_digits())
    stack.callback(sys.setswitchinterval, sys.getswitchinterval())
    stack.callback(socket.setdefaulttimeout, socket.getdefaulttimeout())
    stack.callback(_set_hook, sys.gettrace, sys.settrace, sys.gettrace())
    stack.callback(_set_hook, sys.getprofile, sys.setprofile, sys.getprofile())
    for searched in (sys.path, sys.meta_path, sys.path_hooks):
        stack.callback(_set_content, searched, list(searched))
    stack.callback(sys.modules.update, dict(sys.modules))


def _set_wakeup(file: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # the answer closed the file
        signal.set_wakeup_fd(file)


def _set_limit(limit: int, values: tuple[int, int]) -> None:
    try:
        resource.setrlimit(limit, values)
    except ValueError:  # the answer lowered the hard limit, which can't be raised again
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (hard, hard))


def _set_environment(variables: dict[str, str]) -> None:
    if dict(os.environ) == variables:
        return
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _set_folder(folder: str) -> None:
    with contextlib.suppress(OSError):
        os.chdir(folder)


def _set_content(sequence: list[Any], content: list[Any]) -> None:
    sequence[:] = content


def _set_filters(filters: Any, content: list[Any]) -> None:
    if list(filters) != content:
        filters[:] = content
        warnings._filters_mutated()  # type: ignore[attr-defined]


def _set_hook(get: Callable[[], Any], set_to: Callable[[Any], None], hook: Any) -> None:
    # cProfile's own hook is an object that can't be set again, so leave it alone.
    if get() is not hook:
        set_to(hook if callable(hook) else None)


def _end_forked(parent: int) -> None:
    if os.getpid() != parent:
        _end_process(0)


def _limit_memory() -> None:
    """Allow the process `MOST_MEMORY` more; do nothing if its size is unknown, as on macOS."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return
    _, _, rest = status.partition("VmData:")
    used = int(rest.split()[0]) * 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = used + MOST_MEMORY
    if soft == resource.RLIM_INFINITY or soft > most:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _limit_files() -> None:
    """Allow the process to open `MOST_FILES` more; do nothing if it can't open one now."""
    try:
        opened = max(map(int, os.listdir("/dev/fd")))
    except OSError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = opened + MOST_FILES
    if soft == resource.RLIM_INFINITY or soft > most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _let_alarms_into_statements() -> None:
    """Let SQLite call a Python function now and then, because only Python handles signals."""
    module: Any = sqlite3
    real_connect = module.connect

    def connect(*arguments: Any, **options: Any) -> Any:
        connection = real_connect(*arguments, **options)
        connection.set_progress_handler(lambda: False, INSTRUCTIONS)
        return connection

    module.connect = connect


def _refuse_to_end() -> None:
    """Replace the calls that would end the process, or the alarm of a check's time limit."""

    def is_ours(arguments: tuple[Any, ...]) -> bool:
        # Not above 0 are whole groups of processes, and the parent may be the Jupyter server.
        process, number = arguments
        return (process <= 0 or process in (os.getpid(), os.getppid())) and number != signal.SIGINT

    def is_our_group(arguments: tuple[Any, ...]) -> bool:
        return arguments[0] in (0, os.getpgrp())

    def would_end(arguments: tuple[Any, ...]) -> bool:
        return bool(arguments[-1] != signal.SIGINT)

    def has_alarm(arguments: tuple[Any, ...]) -> bool:
        return signal.SIGALRM in (arguments[0], *_signals(arguments[-1]))

    for name in ("_exit", "abort", "execv", "execve", "system"):  # no alarm ends the last
        _refuse(os, name)
    _refuse(os, "kill", is_ours)
    _refuse(os, "killpg", is_our_group)
    for name in ("raise_signal", "pthread_kill"):
        _refuse(signal, name, would_end)
    for name in ("setitimer", "alarm"):
        _refuse(signal, name)
    for name in ("signal", "pthread_sigmask"):
        _refuse(signal, name, has_alarm)


def _signals(argument: Any) -> tuple[Any, ...]:
    return tuple(argument) if isinstance(argument, list | tuple | set | frozenset) else ()


def _refuse(
    module: Any, name: str, condition: Callable[[tuple[Any, ...]], bool] = lambda _: True
) -> None:
    real, process = getattr(module, name), os.getpid()

    def refused(*arguments: Any) -> Any:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and os.getpid() == process and condition(arguments):
            raise RuntimeError(
                f"{module.__name__}.{name}() isn't called: it would end the kernel, or the time "
                "limit of this check"
            )
        return real(*arguments)

    setattr(module, name, refused)
