"""The evidence of `mystery` has each figure that its refusals mention, and leaves no key."""

import asyncio

import pytest

from course_lib.exercises.caching import mystery
from course_lib.lab import redis_server

UP, HITS, LOADS = "(1) does PING get a response?", "(2) hits", "loads"
FIRST, THEN = "(3) user 1's first key", "(3) user 1's second key"
STORES, TTL, KEPT = "stores that Redis confirmed", "TTL, just after the store", "keys left in Redis"


def seen(letter):
    """Return what can be seen of the cache of this letter, and of the one that works."""
    evidence = asyncio.run(mystery.evidence(letter))
    return evidence[f"cache {letter}"], evidence["a cache that works"]


@pytest.mark.parametrize("letter", "abc")
def test_only_the_cache_that_works_has_hits(letter):
    faulty, healthy = seen(letter)
    assert (faulty[HITS], faulty[LOADS]) == (0, 30)
    assert (healthy[HITS], healthy[LOADS], healthy[STORES], healthy[KEPT]) == (25, 5, 5, 5)
    assert (healthy[UP], healthy[FIRST], healthy[TTL]) == ("yes", healthy[THEN], "300 s")


def test_if_the_key_differs_all_keys_are_left_with_minutes_to_live():
    faulty, _ = seen("a")
    assert (faulty[UP], faulty[STORES], faulty[KEPT], faulty[TTL]) == ("yes", 30, 30, "300 s")
    assert faulty[FIRST] != faulty[THEN]


def test_if_the_ttl_is_too_short_everything_is_stored_under_the_same_keys_and_nothing_is_left():
    faulty, _ = seen("b")
    assert (faulty[UP], faulty[STORES], faulty[KEPT]) == ("yes", 30, 0)
    assert faulty[TTL].endswith("ms") or faulty[TTL] == "gone already"
    assert faulty[FIRST] == faulty[THEN]


def test_if_redis_is_down_nothing_is_stored():
    faulty, _ = seen("c")
    assert (faulty[UP], faulty[STORES], faulty[KEPT]) == ("no", 0, "unknown")


def test_there_are_three_caches_with_different_faults():
    assert set(mystery.mystery) == set("abc")
    assert len(set(mystery.mystery.values())) == 3


def test_the_evidence_leaves_no_key():
    async def keys():
        async with redis_server.client() as client:
            return await client.keys("*mystery*")

    for letter in "abc":
        seen(letter)
    assert asyncio.run(keys()) == []


@pytest.mark.parametrize("letter", ["d", "A", "", None])
def test_an_unknown_cache_is_an_error_that_lists_the_caches(letter):
    with pytest.raises(ValueError, match="there are a, b, c"):
        asyncio.run(mystery.evidence(letter))
