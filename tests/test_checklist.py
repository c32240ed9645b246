"""Each of the eight points is met when it should be, and otherwise not met, with its remedy."""

import pytest

from course_lib.lab import events, redis_server, serve
from course_lib.lab.load_generator import Load, load
from course_lib.lab.sender import Answer
from course_lib.report_card import checklist, traffic

ROWS = 20_000
FIXES = {"indexes": True, "cache": True, "limits": True, "monitor": True}
INDEXES, HITS, LIMITS, MONITOR, SLOW, REDIS, VACUUM, LOAD = range(8)


def load_of(statuses, names=(traffic.HONEST, traffic.ATTACKER)):
    """Return a load with these answers, each a route's number and a status."""
    answers = [Answer(route, 0.001, status, "", "", 0, 0.0) for route, status in statuses]
    return Load(answers, 1.0, names, 0.001, True)


STRESS = traffic.Stress(load_of([(0, 200)]), 128, 1, 1, True)
ATTACK = traffic.Attack(load_of([(0, 200), (1, 200), (1, 429)]), 1, True)


@pytest.fixture(scope="module")
def persistent_redis():
    with redis_server.start(persistent=True) as server:
        yield server


@pytest.fixture(scope="module")
def fixed(persistent_redis):
    with serve.start(events.copy(rows=ROWS), **FIXES, redis_url=persistent_redis.url) as server:
        for _ in range(10):
            server.get("/api/stats")
        yield server


@pytest.fixture(scope="module")
def bare():
    with serve.start(events.copy(rows=ROWS)) as server:
        yield server


def not_met(points):
    return [number for number, point in enumerate(points.points) if not point.met]


def test_an_api_with_every_fix_meets_all_eight_points(fixed):
    ready = checklist.check(fixed, attack=ATTACK, stress=STRESS)
    assert not_met(ready) == [], repr(ready)
    assert (ready.met, len(ready.points)) == (8, 8)


def test_a_bare_api_meets_only_the_vacuum_point_and_every_other_has_a_remedy(bare):
    ready = checklist.check(bare)
    assert not_met(ready) == [INDEXES, HITS, LIMITS, MONITOR, SLOW, REDIS, LOAD]
    for number in not_met(ready):
        assert ready.points[number].remedy in repr(ready)
    assert ready._repr_html_().count("not&nbsp;met") == 7
    assert "<code>indexes=True</code>" in ready._repr_html_()


def test_what_the_monitor_counts_is_not_met_without_it_for_that_reason():
    with serve.start(events.copy(rows=ROWS), cache=True) as api:
        points = checklist.check(api).points
    for point in (points[HITS], points[SLOW]):
        assert not point.met
        assert "the monitor is off" in point.seen
        assert "`monitor=True`" in point.remedy


def test_redis_without_an_append_only_file_fails_only_its_own_point(fixed):
    with serve.start(fixed.db, **FIXES) as api:
        for _ in range(10):
            api.get("/api/stats")
        assert not_met(checklist.check(api, attack=ATTACK, stress=STRESS)) == [REDIS]


def test_a_redis_that_has_ended_is_a_point_not_met_and_no_error(server_to_break, fixed):
    with serve.start(fixed.db, cache=True, redis_url=server_to_break.url) as api:
        server_to_break.kill()
        point = checklist.check(api).points[REDIS]
    assert not point.met
    assert "could not be checked" in point.seen


def test_a_cache_with_a_low_hit_rate_is_not_met(persistent_redis):
    with serve.start(events.copy(rows=ROWS), **FIXES, redis_url=persistent_redis.url) as api:
        load(f"{api.url}/api/stats", requests=1)
        assert HITS in not_met(checklist.check(api))


def test_lookups_that_wait_for_a_running_load_are_not_in_the_hit_rate(fixed, monkeypatch):
    counts = {"cache_hit": 8, "cache_miss": 12, "cache_wait": 10}
    figures = {"counts": counts, "endpoints": [], "slow": 0.5}
    monkeypatch.setattr(checklist, "_figures", lambda _: figures)
    point = checklist.check(fixed).points[HITS]
    assert point.met
    assert "80% of 10 lookups" in point.seen
    assert "10 others" in point.seen


@pytest.mark.parametrize(
    "statuses", [[(0, 429), (1, 429)], [(0, 200), (1, 200)]], ids=["an honest client", "none"]
)
def test_limits_that_reject_an_honest_client_or_none_are_not_met(fixed, statuses):
    attack = traffic.Attack(load_of(statuses), 1, True)
    assert not_met(checklist.check(fixed, attack=attack, stress=STRESS)) == [LIMITS]


def test_a_half_empty_file_is_not_met_until_it_is_vacuumed(fixed):
    with events.copy(rows=ROWS) as db, serve.start(db, **FIXES) as api:
        db.connect().execute("DELETE FROM events WHERE id % 4")
        assert VACUUM in not_met(checklist.check(api))
        db.connect().execute("VACUUM")
        assert VACUUM not in not_met(checklist.check(api))


@pytest.mark.parametrize(("users", "status"), [(100, 200), (128, 500), (128, 0)])
def test_a_load_test_with_too_few_users_or_with_failures_is_not_met(fixed, users, status):
    stress = traffic.Stress(load_of([(0, status)]), users, 1, 1, True)
    assert not_met(checklist.check(fixed, attack=ATTACK, stress=stress)) == [LOAD]
