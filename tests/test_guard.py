"""Whatever an answer does, it ends in time, and leaves the process as it was."""

import asyncio
import contextlib
import logging
import signal
import sqlite3
import sys
import threading
import time

import pytest

from course_lib.exercises import guard

LIMIT = 0.1  # seconds, for answers that never end
ENOUGH = 10  # for those that end by themselves, on a busy machine too


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


def retries_at_the_recursion_limit():
    try:
        return retries_at_the_recursion_limit()
    except RecursionError:
        return retries_at_the_recursion_limit()


def retries_whatever_it_was():
    try:
        return retries_whatever_it_was()
    except:  # noqa: E722
        return retries_whatever_it_was()


def raises_the_recursion_limit():
    sys.setrecursionlimit(10**8)
    return retries_at_the_recursion_limit()


ENDLESS = [
    endless,
    swallows_every_exception,
    swallows_a_loop,
    swallows_in_two_places,
    continues_after_the_first_alarm,
    sleeps,
    retries_at_the_recursion_limit,
    retries_whatever_it_was,
    raises_the_recursion_limit,
]


@pytest.mark.parametrize("answer", ENDLESS)
def test_an_endless_answer_is_ended(answer):
    recursion_limit = sys.getrecursionlimit()
    with pytest.raises(guard.TimeUp):
        guard.run(answer, LIMIT)
    assert sys.getrecursionlimit() == recursion_limit


def make_timer_slow(monkeypatch):
    """Make alarms rare and setting one slow, as in some virtual machines."""

    def set_slowly(*timer):
        before = set_timer(*timer)
        until = time.perf_counter() + 0.0001
        while time.perf_counter() < until:
            pass
        return before

    set_timer = signal.setitimer
    monkeypatch.setattr(guard, "_set_timer", set_slowly)
    monkeypatch.setattr(guard, "REPEAT", 0.01)


@pytest.mark.parametrize("answer", ENDLESS)
def test_an_endless_answer_is_ended_where_the_systems_timer_is_slow(answer, monkeypatch):
    make_timer_slow(monkeypatch)
    with pytest.raises(guard.TimeUp):
        guard.run(answer, LIMIT)


def presses_stop_and_goes_on():
    signal.raise_signal(signal.SIGINT)
    swallows_every_exception()


def test_stop_ends_an_answer_that_swallows_every_exception():
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(guard.Stopped):
        guard.run(presses_stop_and_goes_on, 60)
    assert signal.getsignal(signal.SIGINT) is handler


def test_megabytes_printed_are_cut_and_later_output_is_not(capsys):
    guard.run(lambda: print("x" * 1_000_000), ENOUGH)
    guard.run(lambda: [print("y" * 1_000) for _ in range(1_000)], ENOUGH)
    printed = capsys.readouterr().out
    assert len(printed) < 3 * guard.MOST_PRINTED
    assert printed.count("The rest isn't shown") == 2
    guard.run(lambda: print("as usual"), ENOUGH)
    assert capsys.readouterr().out == "as usual\n"


def test_an_endless_synchronous_answer_is_ended_inside_a_running_loop():
    async def cell():
        with pytest.raises(guard.TimeUp):
            guard.run(endless, LIMIT)
        return await asyncio.sleep(0, "the loop continues")

    assert asyncio.run(cell()) == "the loop continues"


def test_the_result_or_error_of_an_answer_is_passed_on():
    assert guard.run(lambda: 42, ENOUGH) == 42
    with pytest.raises(ZeroDivisionError):
        guard.run(lambda: 1 // 0, ENOUGH)


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


def test_a_statement_that_gets_no_processor_has_more_time_than_its_limit():
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.create_function("wait", 0, lambda: time.sleep(2 * LIMIT))
        guard.limited(connection, LIMIT)
        query = f"{numbers} SELECT count(*) FROM n WHERE i > 1 OR wait() IS NULL"
        assert connection.execute(query).fetchone() == (9_999,)


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

    for _ in range(5):
        with pytest.raises(guard.TimeUp):
            guard.run(logs_forever, LIMIT)
        other = threading.Thread(target=logging.getLogger, args=["other"], daemon=True)
        other.start()
        other.join(timeout=10)
        assert not other.is_alive(), "the lock of the logging module was not released"


def test_an_answer_that_keeps_the_lock_of_the_logging_module_loses_it():
    guard.run(logging._lock.acquire, ENOUGH)
    other = threading.Thread(target=logging.getLogger, args=["other"], daemon=True)
    other.start()
    other.join(timeout=10)
    assert not other.is_alive()


def test_a_destructor_that_loops_ends_with_the_answer_that_left_its_object():
    class Left:
        def __del__(self):
            while True:
                pass

    def leaves_a_cycle():
        left = Left()
        left.itself = left
        return "a result"

    def fails():
        raise LookupError(leaves_a_cycle())

    assert guard.run(leaves_a_cycle, 0.5) == "a result"
    with pytest.raises(guard.TimeUp):
        guard.run(fails, 0.1)


def test_an_answer_that_closes_its_output_closes_no_one_elses(capsys):
    def closes():
        sys.stdout.close()
        sys.stderr.close()

    guard.run(closes, ENOUGH)
    print("still open")
    assert capsys.readouterr().out == "still open\n"


def test_an_error_in_an_answers_own_destructor_is_reported():
    class Broken:
        def __del__(self):
            raise ValueError("on purpose")

    reported, before = [], sys.unraisablehook
    sys.unraisablehook = reported.append
    try:
        guard.run(lambda: Broken() and None, ENOUGH)
    finally:
        sys.unraisablehook = before
    assert [lost.exc_type for lost in reported] == [ValueError]


def works_a_sixth_of_the_time():
    """Take longer than a second; on a machine that's ten times as slow, less than four."""
    for _ in range(9):
        time.sleep(0.12)
        started = time.process_time()
        while time.process_time() - started < 0.025:
            pass
    return "done"


def test_an_answer_that_gets_no_processor_has_more_time_than_its_limit():
    assert guard.run(works_a_sixth_of_the_time, 1.0) == "done"
