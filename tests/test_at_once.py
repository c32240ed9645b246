"""Concurrent requests all begin before the first one ends."""

import asyncio

import pytest

from course_lib.lab.at_once import admitted

pytestmark = pytest.mark.anyio


async def test_it_counts_the_requests_that_are_allowed_and_all_of_them_run_at_once():
    running = most = 0

    async def decide():
        nonlocal running, most
        running += 1
        most = max(most, running)
        number = running
        await asyncio.sleep(0)
        running -= 1
        return number <= 10

    assert await admitted(decide, of=50) == 10
    assert most == 50
