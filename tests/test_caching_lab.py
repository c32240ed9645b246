"""Test the machinery behind the experiments of lessons 1 and 1b."""

import asyncio

from redis import Redis

from course_lib.cache import Cache
from course_lib.lab import (
    full_redis,
    half_hits,
    late_store,
    redis_server,
    sorted_requests,
    staleness,
)
from course_lib.lab.load_generator import Load
from course_lib.lab.namespaced_client import Client
from course_lib.lab.sender import Answer


def test_invalidation_leaves_no_stale_read_and_a_ttl_alone_does(monkeypatch):
    monkeypatch.setattr(staleness, "SECONDS", 0.2)
    ttl_alone = asyncio.run(staleness.run(5.0))
    invalidated = asyncio.run(staleness.run(5.0, invalidate=True))
    assert ttl_alone.stale > 30
    assert invalidated.stale == 0
    assert invalidated.hits < ttl_alone.hits


def test_the_curves_have_a_point_for_each_ttl(monkeypatch):
    monkeypatch.setattr(staleness, "SECONDS", 0.1)
    curves = asyncio.run(staleness.by_ttl((0.01, 1.0)))
    assert [len(points) for points in curves.values()] == [2] * 4
    assert list(curves)[1] == "stale reads, TTL alone"


def test_the_riddle_hits_half_of_the_time_with_a_key_for_each_user():
    async def serve():
        cache = half_hits.HalfHits(redis_server.new_client("half"))
        await cache.serve(1_000)
        return cache, await cache.redis.keys("*")

    cache, keys = asyncio.run(serve())
    assert (cache.hits, cache.misses, len(keys)) == (490, 510, 20)


def test_a_full_redis_rejects_writes_or_evicts_by_its_policy():
    with redis_server.start() as server, Redis.from_url(server.url) as redis:
        redis.config_set("maxmemory", "3mb")
        rejecting = full_redis.fill(redis, "noeviction")
        evicting = full_redis.fill(redis, "volatile-ttl")
    assert rejecting["first"] == 0
    assert rejecting["pages kept"] + rejecting["rejected"] == full_redis.PAGES
    assert evicting["rejected"] == 0
    assert evicting["last"] == full_redis.PAGES - 1


def test_meetings_leave_nothing_stale_with_a_lease():
    async def count_stale():
        cache = Cache(redis_server.new_client("leased"))
        truth, stale = late_store.Truth(), 0
        for _ in range(20):
            await truth.meet(lambda load: cache.get_or_set("a", load), lambda: cache.delete("a"))
            stale += await cache.get("a", truth.version) != truth.version
            await cache.delete("a")
        return truth.version, stale

    assert asyncio.run(count_stale()) == (20, 0)


def test_requests_are_plotted_from_the_fastest_to_the_slowest():
    answers = [Answer(0, latency, 200, "", "", 0, 0.0) for latency in (0.3, 0.1, 0.2)]
    load = Load(answers, 1.0, ["/"], float("nan"), True)
    picture = sorted_requests.picture({"TTL 1 s": load}, "Who waits?")
    assert "TTL 1 s from 100 ms to 300 ms" in picture.alt


def test_a_late_redis_is_no_miss_in_a_lesson():
    """Read a stored value from a server that responds 0.2 s late, as on a busy machine."""

    async def read(server):
        async with Client(server.url, "late:") as redis:
            cache = Cache(redis)
            await cache.set("a", 1)
            server.pause()
            asyncio.get_running_loop().call_later(0.2, server.resume)
            return await cache.get("a")

    with redis_server.start() as server:
        assert asyncio.run(read(server)) == 1
