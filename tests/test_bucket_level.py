"""The level of a bucket is drawn by the learner's own function, refills and corners included."""

from course_lib.exercises import rate_limiting as ex
from course_lib.lab import bucket_level

BUCKET = ex.token_bucket.solution_answer


def test_the_level_falls_with_each_request_and_rises_until_the_bucket_is_full():
    points = bucket_level.levels(BUCKET, [10, 10, 100], per_minute=60, burst=2)
    assert points == [(0, 2), (10, 2), (10, 1), (10, 1), (10, 0), (12, 2), (100, 2), (100, 1)]


def test_a_rejected_request_takes_nothing():
    points = bucket_level.levels(BUCKET, [0, 0.5], per_minute=60, burst=1)
    assert points == [(0, 1), (0, 1), (0, 0), (0.5, 0.5), (0.5, 0.5)]


def test_the_picture_has_a_line_for_each_client():
    points = bucket_level.levels(BUCKET, [1, 2], per_minute=60, burst=10)
    drawn = bucket_level.picture({"visitor": points, "attacker": points}, "One message")
    assert drawn.alt == (
        "One message. tokens in the bucket: visitor from 10 to 9, attacker from 10 to 9."
    )
