"""The evidence of `mystery` shows, on a real Redis, each figure that a refusal of it speaks of; and leaves no key."""

import asyncio

import pytest

from course_lib.exercises.caching import mystery
from course_lib.lab import redis_server

UP, HITS, LOADS = "(1) does PING get a response?", "(2) hits", "loads"
FIRST, THEN = "(3) user 1's first key", "(3) user 1's second key"
STORES, TO_LIVE, KEPT = "stores that Redis confirmed", "TTL, just after the store", "keys left in Redis"


def seen(letter):
    """What is seen of the cache of this letter, and of the one that works."""
    shown = asyncio.run(mystery.evidence(letter))
    return shown[f"cache {letter}"], shown["a cache that works"]


@pytest.mark.parametrize("letter", "abc")
def test_no_cache_but_the_one_that_works_has_a_hit(letter):
    patient, healthy = seen(letter)
    assert (patient[HITS], patient[LOADS]) == (0, 30)
    assert (healthy[HITS], healthy[LOADS], healthy[STORES], healthy[KEPT]) == (25, 5, 5, 5)
    assert (healthy[UP], healthy[FIRST], healthy[TO_LIVE]) == ("yes", healthy[THEN], "300 s")


def test_where_the_key_differs_all_keys_are_left_with_minutes_to_live():
    patient, _ = seen("a")
    assert (patient[UP], patient[STORES], patient[KEPT], patient[TO_LIVE]) == ("yes", 30, 30, "300 s")
    assert patient[FIRST] != patient[THEN]


def test_where_the_lifetime_is_too_short_all_is_stored_under_the_same_keys_and_none_is_left():
    patient, _ = seen("b")
    assert (patient[UP], patient[STORES], patient[KEPT]) == ("yes", 30, 0)
    assert patient[TO_LIVE].endswith("ms") or patient[TO_LIVE] == "gone already"
    assert patient[FIRST] == patient[THEN]


def test_where_redis_is_down_nothing_is_stored():
    patient, _ = seen("c")
    assert (patient[UP], patient[STORES], patient[KEPT]) == ("no", 0, "unknown")


def test_each_cache_that_is_shown_has_the_fault_that_passes():
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
def test_a_cache_that_there_is_not_is_an_error_that_names_those_there_are(letter):
    with pytest.raises(ValueError, match="there are a, b, c"):
        asyncio.run(mystery.evidence(letter))
