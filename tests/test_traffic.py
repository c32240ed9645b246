"""The report card's traffic is the same for both sides, and its results are counted right."""

from collections import Counter

import pytest

from course_lib import api
from course_lib.lab import events, serve, session
from course_lib.lab.load_generator import TOO_MANY_REQUESTS, load
from course_lib.report_card import traffic, trial

ROWS = 20_000
LIMIT = "20 per 10 seconds"


@pytest.fixture(scope="module")
def off():
    with serve.start(events.copy(rows=ROWS)) as server:
        yield server


@pytest.fixture(scope="module")
def on():
    with trial.start(trial.OURS, events.copy(rows=ROWS)) as server:
        yield server


def requests_by_route(side):
    return Counter(side.names[answer.route] for answer in side.answers)


@pytest.mark.measures
def test_both_sides_get_the_same_requests(off, on):
    sides = [traffic.send_mix(server, "testing") for server in (off, on)]
    assert requests_by_route(sides[0]) == requests_by_route(sides[1])
    assert sides[0].requests == traffic.RATE * 3
    assert sides[1].hit_rate() > 0


def test_the_stats_are_requested_one_at_a_time(off):
    alone = traffic.send_alone(off, "testing")
    assert requests_by_route(alone) == {traffic.STATS: 3}
    assert alone.errors == 0


def test_every_route_of_the_mix_responds_with_its_status(off):
    sent = load(traffic.schedule(off.url), users=4, requests=300, seconds=60)
    assert requests_by_route(sent).keys() == traffic.SHARES.keys()
    by_route = {(sent.names[answer.route], answer.status) for answer in sent.answers}
    assert by_route == {
        (name, 201 if name == "POST /api/events" else 200) for name in traffic.SHARES
    }


def test_the_possible_hits_are_those_of_a_cache_in_which_nothing_expires():
    requests = 150
    with trial.start(trial.OURS, events.copy(rows=ROWS)) as server:
        sent = load(traffic.schedule(server.url), users=1, requests=requests, seconds=60)
    hits = [answer.cache_of_user for answer in sent.answers].count("hit")
    assert hits == traffic.possible_hits(requests) > 0


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
    attack = traffic.attack(on, LIMIT)
    assert attack.honest_rejected == 0
    assert 20 <= attack.admitted <= attack.most
    assert attack.sent(traffic.ATTACKER) > attack.most
    assert attack.sent(traffic.HONEST) + attack.sent(traffic.ATTACKER) == attack.load.requests


def test_without_limits_the_attacker_is_admitted_and_a_short_attack_is_marked(off):
    attack = traffic.attack(off)
    assert attack.admitted == attack.sent(traffic.ATTACKER) <= attack.most
    assert attack.short


def test_only_a_test_is_shortened(monkeypatch):
    assert session.is_short()
    monkeypatch.delenv("COURSE_SHORT")
    assert not session.is_short()
    assert traffic._seconds(15, 4) == 15


@pytest.mark.parametrize(
    ("limit", "start", "end", "most"),
    [
        ("20 per 10 seconds", 1, 9, 36),  # a bucket of 20, refilled with two a second
        ("20 per 10 seconds", 9, 11, 40),  # two windows begin
        ("100/minute", 1, 13, 120),
        ("5/second; 20/minute", 1, 10, 23),
        ("30/minute burst 12", 59, 61, 60),
    ],
)
def test_most_is_what_windows_or_a_bucket_let_through_at_most(limit, start, end, most):
    assert traffic._most(limit, start, end) == most
