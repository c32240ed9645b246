"""The report card's traffic: the same for both sides, and what users, a crowd and an attacker meet is counted right."""

from collections import Counter

import pytest

from course_lib import api
from course_lib.lab import events, serve, session
from course_lib.lab.load import TOO_MANY_REQUESTS, load
from course_lib.report_card import traffic

ROWS = 20_000
CURES = {"indexes": True, "cache": True, "limits": traffic.LIMITS, "monitor": True}


@pytest.fixture(scope="module")
def off():
    with serve.start(events.copy(rows=ROWS)) as server:
        yield server


@pytest.fixture(scope="module")
def on():
    with serve.start(events.copy(rows=ROWS), **CURES) as server:
        yield server


def asked(side):
    return Counter(side.names[answer.route] for answer in side.answers)


@pytest.mark.measures
def test_both_sides_are_asked_the_same_and_what_they_answer_is_told_apart(off, on):
    replay = traffic.replay(off, on)
    assert asked(replay.off) == asked(replay.on)
    assert replay.off.requests == 2 * round(replay.rate * 3.5)
    assert replay.rate == replay.capacity / 2
    assert replay.off.failures() == replay.on.failures() == 0
    assert replay.off.hit_rate() != replay.off.hit_rate()  # nan: it has no cache
    assert replay.cold.hit_rate() < 1
    stats = replay.on.latencies(traffic.STATS)
    parts = [traffic.outcome_latencies(replay.on, hit=hit) for hit in (True, False)]
    assert sorted(stats) == sorted(parts[0] + parts[1])
    assert list(replay.table().index) == ["off, all", "on, all", "off, stats", "on, stats"]
    assert replay.short


def test_every_route_of_the_mix_is_answered_as_it_should_be(off):
    sent = load(traffic.schedule(off), users=4, requests=300, seconds=60)
    assert asked(sent).keys() == traffic.SHARES.keys()
    by_route = {(sent.names[answer.route], answer.status) for answer in sent.answers}
    assert by_route == {(name, 201 if name == "POST /api/events" else 200) for name in traffic.SHARES}


def test_a_crowd_of_128_gets_an_answer_each_time_and_only_logins_from_one_address_are_refused(on):
    stress = traffic.stress(on)
    assert (stress.users, stress.load.failures()) == (128, 0)
    refused = {sent.names[a.route] for sent in [stress.load] for a in sent.answers if a.status == TOO_MANY_REQUESTS}
    assert refused <= {api.LOGIN}
    assert 0 < stress.bytes_before < 2 * stress.bytes_after
    assert "128 users at once" in repr(stress)


def test_an_attacker_gets_what_the_limit_allows_and_nobody_else_is_refused(on):
    attack = traffic.attack(on)
    assert attack.honest_refused == 0
    assert traffic.ATTACK_LIMIT <= attack.admitted <= attack.most
    assert attack.sent(traffic.ATTACKER) > attack.most
    assert attack.sent(traffic.HONEST) + attack.sent(traffic.ATTACKER) == attack.load.requests


def test_without_limits_the_attacker_gets_everything_and_a_brief_attack_is_marked(off):
    attack = traffic.attack(off)
    assert attack.admitted == attack.sent(traffic.ATTACKER) > attack.most
    assert attack.short


def test_only_a_test_is_brief(monkeypatch):
    assert session.is_short()
    monkeypatch.delenv("COURSE_SHORT")
    assert not session.is_short()
    assert traffic._seconds(15, 4) == 15
