"""A call is timed until it returns, fails or is cancelled."""

import asyncio

import pytest

from course_lib.lab.time_limit import time_of

pytestmark = pytest.mark.anyio


async def fail():
    raise ConnectionError


async def test_a_call_that_never_returns_is_cancelled():
    never = asyncio.ensure_future(asyncio.Event().wait())
    assert await time_of(never, at_most=0.05) >= 0.05
    assert never.cancelled()


async def test_an_error_ends_the_call():
    assert await time_of(fail(), at_most=60) < 30
