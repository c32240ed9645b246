"""The report card's traffic is the same for both sides, and its results are counted right."""

from collections import Counter

import pytest

from course_lib import api
from course_lib.lab import events, serve, session
from course_lib.lab.load_generator import TOO_MANY_REQUESTS, load
from course_lib.report_card import traffic

ROWS = 20_000
FIXES = {"indexes": True, "cache": True, "limits": traffic.LIMITS, "monitor": True}


@pytest.fixture(scope="module")
def off():
    with serve.start(events.copy(rows=ROWS)) as server:
        yield server


@pytest.fixture(scope="module")
def on():
    with serve.start(events.copy(rows=ROWS), **FIXES) as server:
        yield server


def requests_by_route(side):
    return Counter(side.names[answer.route] for answer in side.answers)


@pytest.mark.measures
def test_both_sides_get_the_same_requests_and_hits_are_told_from_misses(off, on):
    replay = traffic.replay(off, on)
    assert requests_by_route(replay.off) == requests_by_route(replay.on)
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


def test_every_route_of_the_mix_responds_with_its_status(off):
    sent = load(traffic.schedule(off), users=4, requests=300, seconds=60)
    assert requests_by_route(sent).keys() == traffic.SHARES.keys()
    by_route = {(sent.names[answer.route], answer.status) for answer in sent.answers}
    assert by_route == {
        (name, 201 if name == "POST /api/events" else 200) for name in traffic.SHARES
    }


def test_128_users_get_every_response_and_only_logins_are_rejected(on):
    stress = traffic.stress(on)
    assert (stress.users, stress.load.failures()) == (128, 0)
    routes = stress.load.names
    answers = stress.load.answers
    rejected = {routes[answer.route] for answer in answers if answer.status == TOO_MANY_REQUESTS}
    assert rejected <= {api.LOGIN}
    assert 0 < stress.bytes_before < 2 * stress.bytes_after
    assert "128 users at once" in repr(stress)


def test_the_limit_holds_back_the_attacker_and_no_honest_client(on):
    attack = traffic.attack(on)
    assert attack.honest_refused == 0
    assert traffic.ATTACK_LIMIT <= attack.admitted <= attack.most
    assert attack.sent(traffic.ATTACKER) > attack.most
    assert attack.sent(traffic.HONEST) + attack.sent(traffic.ATTACKER) == attack.load.requests


def test_without_limits_the_attacker_is_admitted_and_a_short_attack_is_marked(off):
    attack = traffic.attack(off)
    assert attack.admitted == attack.sent(traffic.ATTACKER) > attack.most
    assert attack.short


def test_only_a_test_is_shortened(monkeypatch):
    assert session.is_short()
    monkeypatch.delenv("COURSE_SHORT")
    assert not session.is_short()
    assert traffic._seconds(15, 4) == 15
