"""Whatever an answer does, it ends in time, and leaves the process as it was."""

import asyncio
import contextlib
import gc
import logging
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from course_lib.exercises import guard

LIMIT = 0.1


def endless():
    while True:
        pass


def swallows_every_exception():
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(0.01)


def swallows_in_two_places():
    while True:
        with contextlib.suppress(BaseException):
            swallows_a_loop()


def swallows_a_loop():
    while True:
        try:
            endless()
        except:  # noqa: E722
            continue


def continues_after_the_first_alarm():
    with contextlib.suppress(BaseException):
        endless()
    endless()


def sleeps():
    time.sleep(60)


async def spins():
    while True:
        await asyncio.sleep(0)


async def spins_and_swallows():
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(0)


async def blocks_the_loop():
    endless()


async def is_never_woken():
    await asyncio.get_running_loop().create_future()


async def starts_a_task_that_blocks():
    await asyncio.gather(blocks_the_loop(), asyncio.sleep(0))


async def ignores_every_cancellation():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


async def ignores_the_first_cancellation():
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    await asyncio.sleep(60)


ENDLESS = [
    endless,
    swallows_every_exception,
    swallows_a_loop,
    swallows_in_two_places,
    continues_after_the_first_alarm,
    sleeps,
]
ENDLESS_ASYNC = [
    spins,
    spins_and_swallows,
    ignores_every_cancellation,
    blocks_the_loop,
    is_never_woken,
    starts_a_task_that_blocks,
    ignores_the_first_cancellation,
]


@pytest.mark.parametrize("answer", ENDLESS)
def test_an_endless_answer_is_ended(answer):
    with pytest.raises(guard.TimeUp):
        guard.run(answer, LIMIT)


@pytest.mark.parametrize("answer", ENDLESS_ASYNC)
def test_an_endless_asynchronous_answer_is_ended_and_the_loop_continues(answer):
    async def cell():
        with pytest.raises(guard.TimeUp):
            await guard.run_async(answer(), LIMIT)
        await asyncio.sleep(0.01)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(cell()) == set()


def test_an_endless_synchronous_answer_is_ended_inside_a_running_loop():
    async def cell():
        with pytest.raises(guard.TimeUp):
            guard.run(endless, LIMIT)
        return await asyncio.sleep(0, "the loop continues")

    assert asyncio.run(cell()) == "the loop continues"


def test_the_result_or_error_of_an_answer_is_passed_on():
    async def returns(value):
        return value

    async def fails():
        raise LookupError("own words")

    assert guard.run(lambda: 42, LIMIT) == 42
    assert asyncio.run(guard.run_async(returns(42), LIMIT)) == 42
    with pytest.raises(ZeroDivisionError):
        guard.run(lambda: 1 // 0, LIMIT)
    with pytest.raises(LookupError, match="own words"):
        asyncio.run(guard.run_async(fails(), LIMIT))


def test_tasks_that_an_answer_leaves_behind_are_cancelled_and_others_continue():
    left = []

    async def leaves_tasks():
        left.append(asyncio.create_task(spins()))
        left.append(asyncio.create_task(is_never_woken()))
        return "done"

    async def cell():
        others = asyncio.create_task(asyncio.sleep(0.2, "others"))
        assert await guard.run_async(leaves_tasks(), LIMIT) == "done"
        assert all(task.cancelled() for task in left)
        return await others

    assert asyncio.run(cell()) == "others"


async def leaves_a_failure():
    async def fails():
        raise LookupError

    asyncio.create_task(fails())  # noqa: RUF006
    await asyncio.sleep(0)


@pytest.mark.parametrize("answer", [leaves_a_failure, *ENDLESS_ASYNC])
def test_the_loop_reports_no_errors(answer):
    errors = []

    async def cell():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(context))
        with contextlib.suppress(guard.TimeUp):
            await guard.run_async(answer(), LIMIT)
        gc.collect()

    asyncio.run(cell())
    assert errors == []


def test_stop_during_an_asynchronous_answer_ends_the_answer_too():
    async def cell():
        checking = asyncio.create_task(guard.run_async(spins(), 60))
        await asyncio.sleep(0.01)
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await checking
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(cell()) == set()


@pytest.mark.parametrize("answer", [lambda: 42, endless])
def test_the_signal_handler_and_the_timer_are_restored(answer):
    def alarm(*_):
        raise AssertionError("the owner's alarm went off early")

    before = signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        with contextlib.suppress(guard.TimeUp):
            guard.run(answer, LIMIT)
        assert signal.getsignal(signal.SIGALRM) is alarm
        assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("answer", [is_never_woken, lambda: asyncio.sleep(0)])
def test_the_loops_task_factory_is_restored(answer):
    def factory(loop, coroutine, **options):
        return asyncio.Task(coroutine, loop=loop, **options)

    async def cell():
        asyncio.get_running_loop().set_task_factory(factory)
        with contextlib.suppress(guard.TimeUp):
            await guard.run_async(answer(), LIMIT)
        return asyncio.get_running_loop().get_task_factory()

    assert asyncio.run(cell()) is factory


def test_a_check_in_another_thread_has_no_limit_and_no_error():
    results = []

    def answer():
        time.sleep(0.2)
        return "late"

    thread = threading.Thread(target=lambda: results.append(guard.run(answer, LIMIT)))
    thread.start()
    thread.join()
    assert results == ["late"]


def test_a_statement_on_a_limited_connection_is_interrupted():
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    connection = guard.limited(sqlite3.connect(":memory:"), LIMIT)
    with contextlib.closing(connection):
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            connection.execute(f"{numbers} SELECT count(*) FROM n").fetchall()


IN_A_KERNEL = """
from course_lib.exercises import guard
import asyncio

def endless():
    while True:
        pass

def swallows():
    while True:
        try:
            endless()
        except:
            pass

async def spins():
    while True:
        await asyncio.sleep(0)

async def blocks():
    endless()
"""
ENDED = "try:\n    {call}\nexcept guard.TimeUp:\n    print('ended')"


def test_in_a_real_kernel_the_next_cell_still_runs():
    calls = ["guard.run(endless, 0.2)", "guard.run(swallows, 0.2)"]
    calls += ["await guard.run_async(spins(), 0.2)", "await guard.run_async(blocks(), 0.2)"]
    sources = [IN_A_KERNEL, *(ENDED.format(call=call) for call in calls), "print('next')"]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    done = NotebookClient(notebook, timeout=20).execute()
    assert [printed(cell) for cell in done.cells] == ["", *["ended\n"] * 4, "next\n"]


def printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs)


def test_an_alarm_that_arrives_after_the_answer_has_ended_sets_no_other():
    # The next one would reach the restored handler, which by default ends the process.
    handlers = []
    guard.run(lambda: handlers.append(signal.getsignal(signal.SIGALRM)), 1.0)
    handlers[0](signal.SIGALRM, sys._getframe())
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_alarm_in_a_destructor_is_followed_by_another_and_not_reported():
    class Slow:
        def __del__(self):
            until = time.perf_counter() + 2 * LIMIT
            while time.perf_counter() < until:
                pass

    def answer():
        Slow()
        endless()

    reported, before = [], sys.unraisablehook
    sys.unraisablehook = reported.append
    try:
        with pytest.raises(guard.TimeUp):
            guard.run(answer, LIMIT)
        assert sys.unraisablehook == reported.append
    finally:
        sys.unraisablehook = before
    assert reported == []


def test_after_an_answer_that_logs_forever_other_threads_can_still_log():
    def logs_forever():
        while True:
            with contextlib.suppress(BaseException):
                while True:
                    logging.getLogger("answer")

    for _ in range(10):
        with pytest.raises(guard.TimeUp):
            guard.run(logs_forever, LIMIT)
        other = threading.Thread(target=logging.getLogger, args=["other"], daemon=True)
        other.start()
        other.join(timeout=10)
        assert not other.is_alive(), "the lock of the logging module was not released"


def test_an_error_in_an_answers_own_destructor_is_reported():
    class Broken:
        def __del__(self):
            raise ValueError("on purpose")

    reported, before = [], sys.unraisablehook
    sys.unraisablehook = reported.append
    try:
        guard.run(lambda: Broken() and None, LIMIT)
    finally:
        sys.unraisablehook = before
    assert [lost.exc_type for lost in reported] == [ValueError]


def test_a_process_can_end_after_an_answer_that_swallows_everything_was_stopped():
    code = """
import asyncio
from course_lib.exercises import guard

async def answer():
    while True:
        try:
            await asyncio.sleep(0.01)
        except: pass

async def main():
    try:
        await guard.run_async(answer(), 0.1)
    except guard.TimeUp:
        print("time is up")

asyncio.run(main())
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "time is up\n"
