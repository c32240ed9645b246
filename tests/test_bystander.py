"""A bystander calls its function until the block ends, and keeps how long each call took."""

import time

import pytest

from course_lib.lab.bystander import Bystander


def test_the_longest_call_contains_a_wait():
    waits = iter([0, 0.2])
    with Bystander(lambda: time.sleep(next(waits, 0))) as caller:
        time.sleep(0.3)
    calls = len(caller.seconds)
    assert calls >= 2
    assert caller.longest == caller.seconds[1] >= 0.2
    time.sleep(0.05)
    assert len(caller.seconds) == calls


def test_an_error_of_a_call_is_raised_at_the_end_of_the_block():
    with pytest.raises(ZeroDivisionError), Bystander(lambda: 1 / 0):
        time.sleep(0.05)


def test_an_error_in_the_block_comes_first():
    with pytest.raises(KeyError), Bystander(lambda: 1 / 0):
        time.sleep(0.05)
        raise KeyError
