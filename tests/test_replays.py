"""A replay sets the clock and nothing else: the limiter decides, and no key is left behind."""

import pytest
from redis import Redis

from course_lib.lab import redis_server
from course_lib.lab.replays import (
    ALGORITHMS,
    Admissions,
    most,
    page_visits,
    picture,
    replay,
    rush_and_patience,
)
from course_lib.limiter import Limit

pytestmark = pytest.mark.anyio


@pytest.fixture
def keys():
    with Redis.from_url(redis_server.url()) as client:
        yield client.keys


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_the_limiter_decides_an_hour_of_requests_and_no_key_is_left(algorithm, keys):
    before = set(keys())
    result = await replay([0, 0, 0, 3_600, 3_600.5], algorithm, "2/minute")
    assert list(result.passed) == [True, True, False, True, True]
    assert (result.rejected, result.rejected_share) == (1, 0.2)
    assert repr(result) == "4 of 5 passed"
    assert set(keys()) <= before


async def test_windows_begin_at_zero_and_requests_are_sorted_by_time(keys):
    result = await replay([60, 59.9, 60, 59.9], "fixed_window", Limit(1, 60))
    assert list(result.times) == [59.9, 59.9, 60, 60]
    assert list(result.passed) == [True, False, True, False]
    assert result.most(60) == 2


@pytest.mark.parametrize(
    ("times", "seconds", "largest"),
    [
        ([], 60, 0),
        ([5], 60, 1),
        ([0, 60], 60, 1),  # a whole minute apart is no longer within one
        ([0, 59.9, 60], 60, 2),
        ([60, 0, 59.9, 120], 60, 2),
        ([1, 1, 1, 100, 101], 2, 3),
    ],
)
def test_most_counts_the_fullest_stretch_wherever_it_begins(times, seconds, largest):
    assert most(times, seconds) == largest


@pytest.mark.parametrize("seed", range(20))
def test_a_visitor_opens_three_pages_at_most_and_averages_18_requests_a_minute(seed):
    times = page_visits(60, seed=seed)
    assert times == page_visits(60, seed=seed) == sorted(times)
    assert len(times) % 12 == 0
    assert len(times) / 60 == pytest.approx(18, rel=0.1)
    assert most(times, 1) == 12
    assert most(times, 20) == 36


def test_a_picture_shows_the_most_in_a_minute_and_in_a_second():
    admissions = Admissions([0.0, 0.5, 30.0, 90.0], [True, True, True, False])
    drawn = picture({"log": admissions}, "One message")
    assert drawn.alt == "One message. Admitted: log 3 of 4."
    assert "3 in a minute,\n2 in a second" in [
        text.get_text() for text in drawn.figure.axes[0].texts
    ]


def test_the_rush_is_200_requests_around_the_full_minute():
    times = rush_and_patience()
    assert times == sorted(times)
    assert most(times, 1) == 200
    assert sum(59 < time < 61 for time in times) == 200
