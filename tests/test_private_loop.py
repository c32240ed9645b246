"""Whatever an asynchronous answer does, it ends in time, and the kernel's loop goes on."""

import asyncio
import contextlib
import gc
import subprocess
import sys
import textwrap
import threading

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from course_lib.exercises import guard
from course_lib.exercises.private_loop import PrivateLoop
from tests import started  # noqa: F401  its audit hook must not keep an answer from ending
from tests.test_guard import make_timer_slow

LIMIT = 0.1


def in_private_loop(coroutine, limit=LIMIT):
    """Run a coroutine as a check does: in a loop of its own, while another one waits."""

    async def cell():
        with PrivateLoop() as loop:
            return loop.run(coroutine, limit)

    return asyncio.run(cell())


async def spins():
    while True:
        await asyncio.sleep(0)


async def spins_and_swallows():
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(0)


async def ignores_every_cancellation():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


async def blocks_the_loop():
    while True:
        pass


async def is_never_woken():
    await asyncio.get_running_loop().create_future()


async def starts_a_task_that_blocks():
    await asyncio.gather(blocks_the_loop(), asyncio.sleep(0))


async def calls_back_what_never_returns():
    asyncio.get_running_loop().call_soon(lambda: [None for _ in iter(int, 1)])
    await asyncio.sleep(60)


async def breeds():
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(0.005)
            for _ in range(2):
                asyncio.create_task(breeds())  # noqa: RUF006


async def retries():
    try:
        return await retries()
    except BaseException:
        return await retries()


ENDLESS = [
    spins,
    spins_and_swallows,
    ignores_every_cancellation,
    blocks_the_loop,
    is_never_woken,
    starts_a_task_that_blocks,
    calls_back_what_never_returns,
    breeds,
    retries,
]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("answer", ENDLESS)
def test_an_endless_answer_is_ended_without_a_word_and_the_next_one_passes(answer, capfd):
    with pytest.raises(guard.TimeUp):
        in_private_loop(answer())
    gc.collect()
    assert in_private_loop(asyncio.sleep(0, "next")) == "next"
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("answer", ENDLESS)
def test_an_endless_answer_is_ended_where_the_systems_timer_is_slow(answer, monkeypatch):
    make_timer_slow(monkeypatch)
    with pytest.raises(guard.TimeUp):
        in_private_loop(answer())
    assert in_private_loop(asyncio.sleep(0, "next")) == "next"


async def exits():
    sys.exit()


async def exits_in_a_task():
    await asyncio.create_task(exits())


async def exits_in_a_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(exits())


async def exits_in_a_callback():
    asyncio.get_running_loop().call_soon(sys.exit)
    await asyncio.sleep(60)


async def is_interrupted():
    raise KeyboardInterrupt


async def stops_the_loop():
    asyncio.get_running_loop().stop()
    await asyncio.sleep(60)


async def cancels_every_task():
    for task in asyncio.all_tasks():
        task.cancel()
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (exits, SystemExit),
        (exits_in_a_task, SystemExit),
        (exits_in_a_group, SystemExit),
        (exits_in_a_callback, SystemExit),
        (is_interrupted, KeyboardInterrupt),
        (stops_the_loop, asyncio.CancelledError),
        (cancels_every_task, asyncio.CancelledError),
    ],
)
def test_what_would_end_the_kernels_loop_is_an_error_of_the_answers(answer, error):
    async def cell():
        with PrivateLoop() as loop:
            with pytest.raises(error):
                loop.run(answer(), 5)
            return loop.run(asyncio.sleep(0, "next"), LIMIT)

    assert asyncio.run(cell()) == "next"


def test_tasks_that_an_answer_leaves_behind_are_cancelled_and_the_callers_go_on():
    left = []

    async def leaves_tasks():
        left.extend([asyncio.create_task(spins()), asyncio.create_task(is_never_woken())])
        return "done"

    async def cell():
        others = asyncio.create_task(asyncio.sleep(0.05, "others"))
        with PrivateLoop() as loop:
            assert loop.run(leaves_tasks(), LIMIT) == "done"
        assert all(task.cancelled() for task in left)
        return await others

    assert asyncio.run(cell()) == "others"


def test_a_loop_that_an_answer_breaks_is_replaced():
    async def breaks():
        asyncio.get_running_loop()._selector.close()

    with pytest.raises(ValueError, match="closed"):
        in_private_loop(breaks())
    assert in_private_loop(asyncio.sleep(0, "next")) == "next"


def test_a_timer_that_an_answer_leaves_behind_does_not_reach_the_next_one():
    async def leaves_a_timer():
        asyncio.get_running_loop().call_later(0.02, sys.exit)

    in_private_loop(leaves_a_timer())
    in_private_loop(asyncio.sleep(0.04))


def test_settings_of_the_loop_that_an_answer_changes_do_not_reach_the_next_one():
    async def changes_the_loop():
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.set_exception_handler(lambda *_: sys.exit())
        loop.set_task_factory(lambda *_, **__: 1 / 0)

    in_private_loop(changes_the_loop())

    async def uses_the_loop():
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: 1 / 0)  # goes to the exception handler
        return await asyncio.gather(asyncio.sleep(0, loop.get_debug()))

    assert in_private_loop(uses_the_loop()) == [False]


def test_a_lock_of_the_learners_can_be_used_in_one_check_after_another():
    lock = asyncio.Lock()

    async def waits_for_the_lock():
        async with lock:
            await asyncio.sleep(0)

    async def contends():
        await asyncio.gather(waits_for_the_lock(), waits_for_the_lock())

    for _ in range(2):
        in_private_loop(contends())


def test_a_thread_of_an_answer_does_not_delay_the_verdict():
    until = threading.Event()

    async def leaves_a_thread():
        asyncio.get_running_loop().run_in_executor(None, until.wait)
        return "done"

    assert in_private_loop(leaves_a_thread()) == "done"
    until.set()


SWALLOWING = """
    import asyncio, gc
    from course_lib.exercises import guard
    from course_lib.exercises.private_loop import PrivateLoop

    async def swallows():
        while True:
            try:
                await asyncio.sleep(0.01)
            except: pass

    async def loses_a_task():
        task = asyncio.create_task(swallows())
        task.myself = task  # freed by a garbage collection only
        await asyncio.sleep(0)
        # As an alarm in the middle of asyncio's own code would.
        asyncio.tasks._unregister_task(task)
        for timer in asyncio.get_running_loop()._scheduled:
            timer.cancel()

    async def main(answer):
        with PrivateLoop() as loop:
            try:
                loop.run(answer(), 0.1)
            except guard.TimeUp:
                pass

    gc.disable()
    asyncio.run(main({answer}))
    gc.collect()
    print("goes on")
"""


@pytest.mark.parametrize("answer", ["swallows", "loses_a_task"])
def test_a_process_goes_on_and_can_end_after_an_answer_that_swallows_everything(answer):
    code = textwrap.dedent(SWALLOWING).replace("{answer}", answer)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert (done.stdout, done.stderr) == ("goes on\n", "")


EXERCISES_IN_A_KERNEL = """
import asyncio, os, signal, sys, threading
from course_lib.exercises import caching, welcome

async def exits_in_a_task(*_):
    async def exits():
        sys.exit()
    await asyncio.create_task(exits())

async def is_interrupted(*_):
    raise KeyboardInterrupt

def press_stop_soon():
    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()

async def swallows(*_):
    press_stop_soon()
    while True:
        try:
            await asyncio.sleep(0)
        except:
            pass

def retries(before, after):
    try:
        return retries(before, after)
    except:
        return retries(before, after)

def goes_on(before, after):
    press_stop_soon()
    while True:
        try:
            before += 1
        except:
            pass

def without_limit(exercise):
    exercise.limit = 60
    return exercise
"""
ATTACKS = {
    "(await caching.single_flight.check(exits_in_a_task)).misconception": "'raised'",
    "(await caching.single_flight.check(is_interrupted)).misconception": "'raised'",
    "welcome.times_faster.check(retries).misconception": "'endless'",
    "await without_limit(caching.single_flight).check(swallows)": "CancelledError",
    "without_limit(welcome.times_faster).check(goes_on)": "KeyboardInterrupt",
    "(await caching.single_flight.check(caching.single_flight.answer)).verdict": "'right'",
}


def test_in_a_real_kernel_attacks_get_a_verdict_and_the_next_right_answer_passes():
    cells = [new_code_cell(source) for source in [EXERCISES_IN_A_KERNEL, *ATTACKS]]
    client = NotebookClient(new_notebook(cells=cells), timeout=30, allow_errors=True)
    done = client.execute()
    outcomes = [outcome(cell) for cell in done.cells[1:]]
    assert outcomes == list(ATTACKS.values())


def outcome(cell):
    """Return the error that a cell raised, or the result that it shows."""
    last = cell.outputs[-1]
    return last.ename if last.output_type == "error" else last.data["text/plain"]
