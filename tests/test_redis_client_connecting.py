"""Connecting to a Redis that is far away, encrypted, demoted, or used from several event loops."""

import asyncio
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
import redis as sync_redis
from redis.asyncio import Redis
from redis_proxy import proxy

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.lab import redis_server
from course_lib.limiter import RateLimiter
from course_lib.redis_client import CircuitBreaker, RedisUnavailable

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for localhost, signed by itself."""
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    options = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(file), "-out", str(file)]
    subprocess.run([*command.split(), *options], check=True, capture_output=True)
    return file


@pytest.fixture
def encrypted(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def test_a_server_100_ms_away_with_tls_and_a_password_serves_a_cold_burst(
    server_to_break: redis_server.RedisServer, encrypted: ssl.SSLContext, certificate: Path
) -> None:
    admin = sync_redis.Redis.from_url(server_to_break.url)
    admin.config_set("requirepass", "secret")
    async with proxy(server_to_break.path, 0.05, ssl=encrypted) as far:
        url = f"rediss://:secret@localhost:{far.port}/1?ssl_ca_certs={certificate}"
        redis = redis_client.connect(url, connect_timeout=30)
        limiter = RateLimiter(redis, algorithm="fixed_window", on_error="deny")
        checks = [limiter.check_rate_limit("user", "/", "40/hour") for _ in range(50)]
        decisions = await asyncio.gather(*checks)
        assert sum(decision.allowed for decision in decisions) == 40
        assert await redis.dbsize() > 0  # in database 1
        await redis.aclose()


async def test_a_command_on_a_far_server_has_its_own_time_limit(
    server_to_break: redis_server.RedisServer,
) -> None:
    async with proxy(server_to_break.path, 0.02) as far:
        redis = redis_client.connect(f"redis://localhost:{far.port}", time_limit=0.1)
        breaker = CircuitBreaker.of(redis)
        await breaker.call(redis.ping)
        far.delay = 0.2
        with pytest.raises(RedisUnavailable) as caught:
            await breaker.call(redis.ping)
        assert caught.value.reason == "timeout"
        await redis.aclose()


async def test_a_server_that_never_completes_a_connection_is_left_after_the_connect_timeout() -> (
    None
):
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    redis = redis_client.connect(f"redis://127.0.0.1:{port}", connect_timeout=0.1, failures=2)
    breaker = CircuitBreaker.of(redis)
    reasons = []
    for _ in range(3):
        with pytest.raises(RedisUnavailable) as caught:
            await breaker.call(redis.ping)
        reasons.append((caught.value.reason, "no connection within" in str(caught.value)))
    assert reasons == [("connection", True), ("connection", True), ("open", False)]
    server.close()


async def test_commands_without_a_connection_are_rejected_when_the_breaker_opens(
    server_to_break: redis_server.RedisServer,
) -> None:
    redis = redis_client.connect(server_to_break.url, connect_timeout=60)
    breaker = CircuitBreaker.of(redis)
    await asyncio.gather(*[breaker.call(redis.ping) for _ in range(3)])
    server_to_break.pause()
    calls = [breaker.call(redis.get, "key") for _ in range(20)]
    async with asyncio.timeout(30):
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert {result.reason for result in results} == {"timeout", "open"}


async def test_a_certificate_that_is_not_trusted_is_raised(
    server_to_break: redis_server.RedisServer, encrypted: ssl.SSLContext
) -> None:
    async with proxy(server_to_break.path, ssl=encrypted) as server:
        redis = redis_client.connect(f"rediss://localhost:{server.port}")
        for _ in range(4):
            with pytest.raises(ssl.SSLCertVerificationError):
                await CircuitBreaker.of(redis).call(redis.ping)


async def test_all_connections_leave_a_demoted_primary(
    server_to_break: redis_server.RedisServer,
) -> None:
    with redis_server.start() as new_primary:
        async with proxy(server_to_break.path) as name:
            redis = redis_client.connect(f"redis://127.0.0.1:{name.port}", max_connections=10)
            cache = Cache(redis)
            await asyncio.gather(*[cache.set(f"key {number}", "old") for number in range(20)])
            name.path = new_primary.path
            old = sync_redis.Redis.from_url(server_to_break.url)
            old.execute_command("REPLICAOF", "127.0.0.1", "1")
            await cache.set("key 1", "new")  # rejected, and made up for later
            calls = [cache.get(f"key {number}") for number in range(20)]
            assert await asyncio.gather(*calls) == [None] * 20
            while await cache.get("key 1") != "newer":  # until the missed removal is made up for
                await cache.set("key 1", "newer")
            await redis.aclose()


def use_in_a_loop(cache: Cache, limiter: RateLimiter) -> bool:
    async def use() -> bool:
        values = [cache.get_or_set(f"key {number}", load) for number in range(8)]
        assert await asyncio.gather(*values) == [42] * 8
        return (await limiter.check_rate_limit("user", "/", "3/hour")).allowed

    async def load() -> int:
        return 42

    return asyncio.run(use())


@pytest.mark.parametrize("ours", [True, False])
def test_a_client_works_in_one_event_loop_after_another(
    server_to_break: redis_server.RedisServer, ours: bool
) -> None:
    connect = redis_client.connect if ours else Redis.from_url
    redis = connect(server_to_break.url)
    CircuitBreaker.of(redis).time_limit = 5  # no request may pass because the machine is busy
    cache, limiter = Cache(redis), RateLimiter(redis, algorithm="fixed_window")
    allowed = [use_in_a_loop(cache, limiter) for _ in range(4)]
    assert allowed == [True, True, True, False]


def test_commands_sent_directly_work_in_one_event_loop_after_another(
    server_to_break: redis_server.RedisServer,
) -> None:
    redis = redis_client.connect(server_to_break.url)
    limiter = RateLimiter(redis, on_error="deny")

    async def use() -> bool:
        pings = await asyncio.gather(*[redis.ping() for _ in range(3)])
        decision = await limiter.check_rate_limit("user", "/", "100/hour")
        return all(pings) and decision.allowed and await redis.ping()

    assert [asyncio.run(use()) for _ in range(3)] == [True] * 3


def test_options_set_outside_of_an_event_loop_hold_in_each(
    server_to_break: redis_server.RedisServer,
) -> None:
    redis = redis_client.connect(server_to_break.url, failures=7)
    CircuitBreaker.of(redis).time_limit = 5

    async def options() -> tuple[float, int]:
        breaker = CircuitBreaker.of(redis)
        await breaker.call(redis.ping)
        return breaker.time_limit, breaker.failures

    assert [asyncio.run(options()) for _ in range(2)] == [(5, 7)] * 2


def test_two_threads_use_one_client_at_the_same_time(
    server_to_break: redis_server.RedisServer,
) -> None:
    redis = redis_client.connect(server_to_break.url)
    limiter = RateLimiter(redis, algorithm="fixed_window", on_error="deny")
    admitted: list[bool] = []

    async def send_requests() -> None:
        for _ in range(20):
            checks = [limiter.check_rate_limit("user", "/", "500/hour") for _ in range(20)]
            admitted.extend(decision.allowed for decision in await asyncio.gather(*checks))

    threads = [threading.Thread(target=asyncio.run, args=[send_requests()]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(admitted), sum(admitted)) == (800, 500)


async def test_another_client_in_two_event_loops_is_an_error_that_says_what_to_do(
    server_to_break: redis_server.RedisServer,
) -> None:
    redis = Redis.from_url(server_to_break.url)
    await CircuitBreaker.of(redis).call(redis.ping)

    def elsewhere() -> None:
        asyncio.run(CircuitBreaker.of(redis).call(redis.ping))

    with pytest.raises(RuntimeError, match=r"redis_client\.connect\(\)"):
        await asyncio.to_thread(elsewhere)
    await redis.aclose()


def test_without_asyncio_a_call_says_what_it_needs() -> None:
    redis = redis_client.connect("redis://127.0.0.1:1")
    call = CircuitBreaker.of(redis).call(redis.ping)
    with pytest.raises(RuntimeError, match="run the app with asyncio, not with trio"):
        call.send(None)  # as another kind of event loop would


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://localhost", "redis+sentinel://"),
        ("redis+sentinel://localhost:26379", "name of the primary"),
        ("redis+cluster://localhost:7000/3", "only database 0"),
    ],
)
def test_a_url_that_cannot_work_is_an_error_that_says_what_to_do(url: str, part: str) -> None:
    with pytest.raises(ValueError, match=part.replace("+", r"\+")):
        redis_client.connect(url)


async def test_a_client_with_another_encoding_shares_entries_with_ours(
    server_to_break: redis_server.RedisServer,
) -> None:
    ours = redis_client.connect(server_to_break.url)
    other = Redis(unix_socket_path=server_to_break.path, encoding="latin-1", decode_responses=True)
    await Cache(other).set("é", "value", user_id="ü")
    assert await Cache(ours).get("é") == await Cache(other).get("é") == "value"
    assert await Cache(ours).invalidate_user_cache("ü") == 1
    await ours.aclose()
    await other.aclose()


async def test_a_busy_process_connects_again_after_an_outage(
    server_to_break: redis_server.RedisServer,
) -> None:
    redis = redis_client.connect(server_to_break.url, retry_after=0.05)
    breaker = CircuitBreaker.of(redis)
    await breaker.call(redis.ping)
    server_to_break.kill()
    for _ in range(3):
        with pytest.raises(RedisUnavailable):
            await breaker.call(redis.ping)
    server_to_break.restart()
    await asyncio.sleep(0.1)
    trial = asyncio.create_task(breaker.call(redis.ping))
    while not trial.done():
        time.sleep(0.1)  # longer than the time limit for a connection
        for _ in range(4):
            await asyncio.sleep(0)
    assert trial.result()
    await redis.aclose()
