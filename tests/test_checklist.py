"""Each of the eight points is met where it should be, and red, with its remedy, where it should not."""

import pytest

from course_lib.lab import events, redis_server, serve
from course_lib.lab.load import Load, load
from course_lib.lab.sender import Answer
from course_lib.report_card import checklist, traffic

ROWS = 20_000
CURES = {"indexes": True, "cache": True, "limits": traffic.LIMITS, "monitor": True}
INDEXES, HITS, LIMITS, MONITOR, SLOW, REDIS, VACUUM, LOAD = range(8)


def made(statuses, names=(traffic.HONEST, traffic.ATTACKER)):
    """What a load was answered: pairs of a route's number and a status."""
    answers = [Answer(route, 0.001, status, "", "", 0, 0.0) for route, status in statuses]
    return Load(answers, 1.0, names, 0.001, True)


STRESS = traffic.Stress(made([(0, 200)]), 128, 1, 1, True)
ATTACK = traffic.Attack(made([(0, 200), (1, 200), (1, 429)]), 1, True)


@pytest.fixture(scope="module")
def safe():
    with redis_server.start(persistent=True) as server:
        yield server


@pytest.fixture(scope="module")
def cured(safe):
    with serve.start(events.copy(rows=ROWS), **CURES, redis_url=safe.url) as server:
        for _ in range(10):
            server.get("/api/stats")
        yield server


@pytest.fixture(scope="module")
def bare():
    with serve.start(events.copy(rows=ROWS)) as server:
        yield server


def red(points):
    return [number for number, point in enumerate(points.points) if not point.met]


def test_an_api_with_every_cure_meets_all_eight(cured):
    ready = checklist.check(cured, attack=ATTACK, stress=STRESS)
    assert red(ready) == [], repr(ready)
    assert (ready.met, len(ready.points)) == (8, 8)


def test_an_api_without_any_is_red_but_for_its_fresh_file_and_each_point_says_what_to_do(bare):
    ready = checklist.check(bare)
    assert red(ready) == [INDEXES, HITS, LIMITS, MONITOR, SLOW, REDIS, LOAD]
    for number in red(ready):
        assert ready.points[number].remedy in repr(ready)
    assert ready._repr_html_().count("not&nbsp;met") == 7
    assert "<code>indexes=True</code>" in ready._repr_html_()


def test_redis_without_a_file_is_red_and_only_that(cured):
    with serve.start(cured.db, **CURES) as api:
        for _ in range(10):
            api.get("/api/stats")
        assert red(checklist.check(api, attack=ATTACK, stress=STRESS)) == [REDIS]


def test_a_redis_that_has_ended_is_red_and_no_error(server_to_break, cured):
    with serve.start(cured.db, cache=True, redis_url=server_to_break.url) as api:
        server_to_break.kill()
        point = checklist.check(api).points[REDIS]
    assert not point.met
    assert "could not be looked at" in point.seen


def test_a_cache_that_seldom_hits_is_red(safe):
    with serve.start(events.copy(rows=ROWS), **CURES, redis_url=safe.url) as api:
        load(f"{api.url}/api/stats", requests=1)
        assert HITS in red(checklist.check(api))


@pytest.mark.parametrize("statuses", [[(0, 429), (1, 429)], [(0, 200), (1, 200)]], ids=["an honest one", "nobody"])
def test_limits_that_refuse_an_honest_client_or_nobody_are_red(cured, statuses):
    attack = traffic.Attack(made(statuses), 1, True)
    assert red(checklist.check(cured, attack=attack, stress=STRESS)) == [LIMITS]


def test_a_file_of_which_half_was_deleted_is_red_until_it_is_vacuumed(cured):
    with events.copy(rows=ROWS) as db, serve.start(db, **CURES) as api:
        db.connect().execute("DELETE FROM events WHERE id % 4")
        assert VACUUM in red(checklist.check(api))
        db.connect().execute("VACUUM")
        assert VACUUM not in red(checklist.check(api))


@pytest.mark.parametrize(("users", "status"), [(100, 200), (128, 500), (128, 0)])
def test_a_load_test_with_too_few_users_or_with_failures_is_red(cured, users, status):
    stress = traffic.Stress(made([(0, status)]), users, 1, 1, True)
    assert red(checklist.check(cured, attack=ATTACK, stress=stress)) == [LOAD]
