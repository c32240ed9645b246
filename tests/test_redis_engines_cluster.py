"""The cache and the limiter on a real Redis Cluster, also while a node or a slot is on the move."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis, RedisCluster
from redis_cluster import Cluster

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.limiter import Algorithm, Decision, RateLimiter
from course_lib.monitor import PerformanceMonitor
from course_lib.redis_client import CircuitBreaker
from tests import test_cache
from tests.test_limiter import ALGORITHMS

pytestmark = [pytest.mark.anyio, pytest.mark.timed]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    yield running
    running.stop()


@pytest.fixture
async def redis(cluster: Cluster) -> AsyncIterator[Redis]:
    client = redis_client.connect(cluster.url, retry_after=0.1)
    yield client
    await client.aclose()


async def load() -> int:
    return 42


async def test_everything_works_through_a_url(redis: Redis, cluster: Cluster) -> None:
    await redis_client.verify(redis)
    cache = Cache(redis, namespace="url")
    loads = [cache.get_or_set("key", load, user_id=1) for _ in range(20)]
    assert (await asyncio.gather(*loads), cache.loads) == ([42] * 20, 1)
    assert await cache.get("key") == 42
    assert await cache.invalidate_user_cache(1) == 1
    assert await cache.get("key") is None
    monitor = PerformanceMonitor(redis=redis, namespace="url-monitor")
    monitor.log_request("/", 0.1, 200)
    assert (await monitor.merged()).complete


async def test_a_cold_client_limits_a_burst_of_users_on_all_nodes(
    redis: Redis, cluster: Cluster
) -> None:
    limiter = RateLimiter(redis, algorithm="fixed_window", on_error="deny")
    checks = [limiter.check_rate_limit(user, "/", "2/hour") for user in range(30) for _ in range(3)]
    decisions = await asyncio.gather(*checks)
    assert sum(decision.allowed for decision in decisions) == 60
    assert all(node.client.dbsize() for node in cluster.nodes)


@pytest.mark.parametrize("most", [2, 10])
async def test_a_cold_client_never_needs_more_connections_than_it_has(
    cluster: Cluster, most: int
) -> None:
    redis = redis_client.connect(cluster.url, max_connections=most, time_limit=10)
    limiter = RateLimiter(redis, namespace=f"cold-{most}")

    def burst() -> list["asyncio.Task[Decision]"]:
        checks = [limiter.check_rate_limit(1, "/", "100/hour") for _ in range(100)]
        return [asyncio.create_task(check) for check in checks]

    first = burst()
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)  # now it knows the slots
    assert sum(map(bool, await asyncio.gather(*first, *burst()))) == 100
    assert not limiter.unavailable
    await redis.aclose()


async def test_any_clients_of_redis_py_will_do(cluster: Cluster) -> None:
    port = cluster.nodes[1].port
    client = RedisCluster(host="127.0.0.1", port=port, decode_responses=True, encoding="latin-1")
    cache = Cache(client, namespace="any")
    await cache.set("é", {"é": 1}, user_id="ü")
    assert await cache.get("é") == {"é": 1}
    assert await cache.invalidate_user_cache("ü") == 1
    limiter = RateLimiter(client)
    await limiter.check_rate_limit("é", "/é", "2/hour")
    assert list(await limiter.get_rate_limit_info("é")) == ["/é"]
    await client.aclose()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_clients_of_a_cluster_together_get_exactly_the_limit(
    cluster: Cluster, algorithm: Algorithm
) -> None:
    clients = [redis_client.connect(cluster.url, time_limit=60) for _ in range(2)]
    limiters = [RateLimiter(client, algorithm=algorithm, on_error="deny") for client in clients]
    users = [f"exact {number}" for number in range(3)]  # in several slots
    for user in users:
        callers = limiters * 15
        checks = [limiter.check_rate_limit(user, "/", "20/day; 50/hour") for limiter in callers]
        decisions = await asyncio.gather(*checks)
        assert sum(decision.allowed for decision in decisions) == 20
    for client in clients:
        await client.aclose()


async def test_no_reader_gets_an_invalidated_value_from_a_cluster(cluster: Cluster) -> None:
    clients: list[Redis] = []

    def make(*, time_limit: float, **options: Any) -> Cache:
        clients.append(redis_client.connect(cluster.url, time_limit=time_limit))
        return Cache(clients[-1], namespace="interleaved", **options)

    await test_cache.test_no_reader_gets_a_value_invalidated_before_its_call(make)
    for client in clients:
        await client.aclose()


def test_one_event_loop_after_another(cluster: Cluster) -> None:
    redis = redis_client.connect(cluster.url)
    limiter = RateLimiter(redis, algorithm="fixed_window", on_error="deny")

    async def is_allowed() -> bool:
        return (await limiter.check_rate_limit("loops", "/", "2/hour")).allowed

    assert [asyncio.run(is_allowed()) for _ in range(3)] == [True, True, False]


async def test_a_slot_is_moved_under_traffic(redis: Redis, cluster: Cluster) -> None:
    breaker = CircuitBreaker.of(redis)
    cache = Cache(redis, namespace="moved")
    slot = cluster.slot_of("{moved}")
    await asyncio.gather(*[cache.set(f"key {number}", "old") for number in range(20)])
    longest = 0.0
    version = 0

    async def write_and_read() -> None:
        """Write a new version, and check that no reader sees an old one from then on."""
        nonlocal longest, version
        version += 1
        start = time.monotonic()
        await cache.set("key 1", version)
        assert await cache.get("key 1") in (version, None)
        longest = max(longest, time.monotonic() - start)

    for _ in range(10):
        await write_and_read()
    source, target = await asyncio.to_thread(cluster.begin_move, slot)
    for _ in range(10):
        await write_and_read()
    moving = asyncio.create_task(asyncio.to_thread(cluster.end_move, slot, source, target))
    while not moving.done():
        await write_and_read()
    await moving
    await asyncio.sleep(breaker.retry_after)
    await write_and_read()
    await write_and_read()
    assert await cache.get("key 1") == version
    assert cluster.owner_of(slot) is target
    assert longest < 20 * breaker.time_limit


@pytest.mark.parametrize("broken", ["kill", "pause"])
async def test_a_node_that_fails_takes_only_its_own_keys_along(
    redis: Redis, cluster: Cluster, broken: str
) -> None:
    limiter = RateLimiter(redis, algorithm="fixed_window", namespace=broken)
    caches = [Cache(redis, namespace=f"{broken} {number}") for number in range(12)]
    node = cluster.nodes[2]
    longest = 0.0

    async def is_counted(user: int) -> bool:
        decision = await limiter.check_rate_limit(user, "/", "1000/hour")
        return decision.remaining < decision.limit

    async def is_hit(cache: Cache) -> bool:
        return await cache.get("key") == 1

    async def served() -> list[bool]:
        nonlocal longest
        start = time.monotonic()
        calls = [*(is_counted(user) for user in range(20)), *(is_hit(cache) for cache in caches)]
        results = await asyncio.gather(*calls)
        longest = max(longest, time.monotonic() - start)
        return results

    tags = [
        *(f"{{{broken}:{user}}}" for user in range(20)),
        *(f"{{{broken} {n}}}" for n in range(12)),
    ]
    owners = [cluster.owner_of(cluster.slot_of(tag)) for tag in tags]
    by_others = [owner is not node for owner in owners]
    assert set(by_others[:20]) == set(by_others[20:]) == {True, False}
    for cache in caches:
        await cache.set("key", 1)
    assert all(await served())
    getattr(node, broken)()
    deadline = time.monotonic() + 0.6  # so that some commands are trials
    while time.monotonic() < deadline:
        assert await served() == by_others
    await asyncio.to_thread(node.start if broken == "kill" else node.resume)
    await asyncio.to_thread(cluster.wait_until_ready)
    await asyncio.sleep(CircuitBreaker.of(redis).retry_after)
    await served()  # one call is the trial
    assert all((await served())[:20])
    assert longest < 2
