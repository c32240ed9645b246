"""Test that "not now" from Redis is RedisUnavailable with a reason, and an error is raised."""

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator

import pytest
import redis as sync_redis
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    MovedError,
    NoPermissionError,
    RedisClusterException,
    ResponseError,
)

from course_lib import redis_client
from course_lib.lab import redis_server
from course_lib.redis_client import CircuitBreaker, RedisUnavailable, refusals

pytestmark = pytest.mark.anyio


@pytest.fixture
async def redis(server_to_break: redis_server.RedisServer) -> AsyncIterator[Redis]:
    client = redis_client.connect(server_to_break.url, max_connections=4)
    yield client
    await client.aclose()


@pytest.fixture
def admin(server_to_break: redis_server.RedisServer) -> sync_redis.Redis:
    return sync_redis.Redis.from_url(server_to_break.url, socket_timeout=5)


@contextlib.contextmanager
def busy(admin: sync_redis.Redis):
    """Keep the server in a script that doesn't end, until the test is over."""
    admin.config_set("busy-reply-threshold", 1)
    connection = admin.connection_pool.get_connection()
    connection.send_command("EVAL", "while true do end", 0)
    connection.disconnect()
    yield
    admin.script_kill()


def disk_is_full(admin: sync_redis.Redis) -> None:
    admin.config_set("save", "3600 1")
    admin.set("something", 1)
    shutil.rmtree(admin.config_get("dir")["dir"])
    admin.bgsave()
    while admin.info("persistence")["rdb_last_bgsave_status"] == "ok":
        pass


def demoted(admin: sync_redis.Redis) -> None:
    admin.execute_command("REPLICAOF", "127.0.0.1", "1")


def demoted_without_data(admin: sync_redis.Redis) -> None:
    admin.config_set("replica-serve-stale-data", "no")
    demoted(admin)


STATES = {
    "oom": lambda admin: admin.config_set("maxmemory", 1),
    "noreplicas": lambda admin: admin.config_set("min-replicas-to-write", 1),
    "misconf": disk_is_full,
    "readonly": demoted,
    "masterdown": demoted_without_data,
    "busy": busy,
}


@pytest.mark.parametrize("reason", STATES)
async def test_a_reply_that_means_not_now_opens_the_breaker_and_names_the_reason(
    redis: Redis, admin: sync_redis.Redis, reason: str
) -> None:
    breaker = CircuitBreaker.of(redis)
    await breaker.call(redis.set, "key", "value")
    with contextlib.ExitStack() as stack:
        state = STATES[reason](admin)
        if hasattr(state, "__exit__"):
            stack.enter_context(state)
        for expected in [reason] * 3 + ["open"]:
            with pytest.raises(RedisUnavailable) as caught:
                if reason == "masterdown":
                    await breaker.call(redis.get, "key")
                await breaker.call(redis.set, "key", "value")
            assert caught.value.reason == expected


# What redis-py makes of replies that are hard to provoke: the text after "-" in the protocol.
REPLIES = {
    "LOADING Redis is loading the dataset in memory": "loading",
    "CLUSTERDOWN The cluster is down": "clusterdown",
    "TRYAGAIN Multiple keys request during rehashing of slot": "tryagain",
    "UNBLOCKED client unblocked via CLIENT UNBLOCK": "unblocked",
    "ERR max number of clients reached": "connection",
    "ERR max number of clients + cluster connections reached": "connection",
    "ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -OOM command not "
    "allowed when used memory > 'maxmemory'.": "oom",
    "ERR Script attempted to access a non local key in a cluster node script: 1": "tryagain",
    "WRONGPASS invalid username-password pair or user is disabled.": None,
    "NOAUTH Authentication required.": None,
    "NOPERM this user has no permissions to run the 'get' command": None,
    "ERR unknown command 'GETDEL'": None,
    "ERR syntax error": None,
    "ERR This instance has cluster support disabled": None,
    "WRONGTYPE Operation against a key holding the wrong kind of value": None,
    "BUSYKEY Target key name already exists.": None,
}


@pytest.mark.parametrize("reply", REPLIES)
async def test_each_reply_is_either_not_now_or_the_callers_error(reply: str) -> None:
    replies = [f"-{reply}\r\n".encode()]
    async with answering(replies) as port:
        redis = Redis(port=port, protocol=2, driver_info=None)
        with pytest.raises((RedisUnavailable, ResponseError, ConnectionError)) as caught:
            await CircuitBreaker.of(redis).call(redis.get, "key")
        assert getattr(caught.value, "reason", None) == REPLIES[reply]
        await redis.aclose()


async def test_a_garbled_reply_is_not_now_and_its_connection_is_not_used_again() -> None:
    async with answering([b"?garbled\r\n", b"$5\r\nvalue\r\n"]) as port:
        redis = Redis(port=port, protocol=2, driver_info=None)
        breaker = CircuitBreaker.of(redis)
        with pytest.raises(RedisUnavailable) as caught:
            await breaker.call(redis.get, "key")
        assert caught.value.reason == "protocol"
        assert await breaker.call(redis.get, "key") == b"value"
        await redis.aclose()


@contextlib.asynccontextmanager
async def answering(replies: list[bytes]) -> AsyncIterator[int]:
    """Answer the first command of each connection with the next of `replies`."""
    remaining = iter(replies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"key\r\n")
        writer.write(next(remaining))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_a_wrong_password_is_raised_by_every_call(
    server_to_break: redis_server.RedisServer, admin: sync_redis.Redis, password: str
) -> None:
    admin.config_set("requirepass", "right")
    redis = redis_client.connect(f"{server_to_break.url}?password={password}")
    breaker = CircuitBreaker.of(redis)
    for _ in range(5):
        with pytest.raises(AuthenticationError):
            await breaker.call(redis.get, "key")
    assert not breaker.is_open
    await redis.aclose()


async def test_a_missing_right_is_raised_by_every_call(
    server_to_break: redis_server.RedisServer, admin: sync_redis.Redis
) -> None:
    admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+get")
    redis = redis_client.connect(f"{server_to_break.url}?username=app&password=secret")
    breaker = CircuitBreaker.of(redis)
    for _ in range(5):
        with pytest.raises(NoPermissionError, match="set"):
            await breaker.call(redis.set, "key", 1)
    assert not breaker.is_open
    await redis.aclose()


async def test_a_clusters_client_for_a_server_that_is_no_cluster_is_the_callers_error() -> None:
    replies = [b"-ERR This instance has cluster support disabled\r\n"] * 5

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"SLOTS\r\n")
        writer.write(replies[0])
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    cluster = RedisCluster(host="127.0.0.1", port=port, protocol=2, driver_info=None)
    with pytest.raises((RedisClusterException, ResponseError), match=r"(?i)cluster"):
        await CircuitBreaker.of(cluster).call(cluster.get, "key")
    await cluster.aclose()
    server.close()


def test_a_cluster_that_no_plain_client_can_use_is_the_callers_error() -> None:
    assert refusals.reason(MovedError("12182 127.0.0.1:7001")) is None


def test_a_unix_socket_that_this_user_may_not_open_is_the_callers_error() -> None:
    error = ConnectionError("Error 13 connecting to /run/redis.sock. Permission denied.")
    error.__context__ = PermissionError(13, "Permission denied")
    assert refusals.reason(refusals.unwrap(error)) is None


def test_errors_of_tls_are_loud_if_a_certificate_or_a_setting_is_wrong() -> None:
    wrong = ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate")
    assert refusals.reason(wrong) is None
    assert refusals.reason(ssl.SSLEOFError(8, "EOF occurred in violation of protocol"))


async def test_an_error_that_the_caller_is_handling_is_not_taken_for_the_cause(
    redis: Redis, server_to_break: redis_server.RedisServer
) -> None:
    server_to_break.kill()
    try:
        raise AuthenticationError("from another server")
    except AuthenticationError:
        with pytest.raises(RedisUnavailable):
            await CircuitBreaker.of(redis).call(redis.get, "key")


async def test_a_server_that_rejects_only_writes_is_logged_once(
    server_to_break: redis_server.RedisServer,
    admin: sync_redis.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    redis = redis_client.connect(server_to_break.url, retry_after=0.01)
    breaker = CircuitBreaker.of(redis)
    admin.config_set("maxmemory", 1)
    for _ in range(5):
        for _ in range(breaker.failures):
            with pytest.raises(RedisUnavailable):
                await breaker.call(redis.set, "key", 1)
        assert breaker.is_open
        await asyncio.sleep(0.02)
        assert await breaker.call(redis.get, "key") is None
    assert len(caplog.records) == 1
    await redis.aclose()
