"""`verify` finds at start-up what would fail later, and docs/redis.md lists the rights we need."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis as sync_redis
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.lab import paths, redis_server
from course_lib.limiter import RateLimiter
from course_lib.limiter.scripts import SCRIPTS
from course_lib.monitor import PerformanceMonitor
from course_lib.redis_client import RedisUnavailable, verification
from tests.redis_cluster import Node

pytestmark = pytest.mark.anyio

DOCUMENTED = re.search(
    r"```\n(ACL SETUSER.+?)```", (paths.ROOT / "docs/redis.md").read_text(), re.S
)
PACKAGES = [paths.ROOT / "course_lib" / name for name in ("cache", "limiter", "monitor")]


@pytest.fixture
def admin(server_to_break: redis_server.RedisServer) -> Iterator[sync_redis.Redis]:
    with sync_redis.Redis.from_url(server_to_break.url) as client:
        yield client


@pytest.fixture
async def app_user(
    server_to_break: redis_server.RedisServer, admin: sync_redis.Redis
) -> AsyncIterator[Redis]:
    """A client with exactly the rights in docs/redis.md."""
    admin.execute_command(*DOCUMENTED[1].split())
    url = f"{server_to_break.url}?username=app&password=password"
    client = redis_client.connect(url)
    yield client
    await client.aclose()


async def load() -> int:
    return 42


async def test_the_documented_rights_are_enough_for_everything(app_user: Redis) -> None:
    await redis_client.verify(app_user)
    cache = Cache(app_user)
    assert await cache.get_or_set("key", load, user_id=1) == 42
    await cache.set("other", 1, user_id=1)
    assert await cache.delete("other")
    assert await cache.invalidate_user_cache(1) == 1
    for algorithm in SCRIPTS:
        limiter = RateLimiter(app_user, algorithm=algorithm)
        decisions = [await limiter.check_rate_limit(1, "/", "2/hour") for _ in range(3)]
        assert [decision.allowed for decision in decisions] == [True, True, False]
        assert list(await limiter.get_rate_limit_info(1)) == ["/"]
    monitor = PerformanceMonitor(redis=app_user)
    monitor.log_request("/", 0.1, 200)
    assert (await monitor.merged()).complete


async def test_verify_names_each_missing_right(app_user: Redis, admin: sync_redis.Redis) -> None:
    admin.execute_command("ACL", "SETUSER", "app", "-mget", "-zpopmin")
    with pytest.raises(RuntimeError, match=r"\+mget \+zpopmin"):
        await redis_client.verify(app_user)


async def test_verify_names_a_key_that_this_user_may_not_use(app_user: Redis) -> None:
    await redis_client.verify(app_user, keys=["{limit:shop}:verify"])
    with pytest.raises(RuntimeError, match=r"~\{shop\}:\*"):
        await redis_client.verify(app_user, keys=["{shop}:verify"])


@pytest.mark.parametrize(
    ("renamed", "remedy"),
    [(["TIME", "ZCARD"], r"\+time \+zcard"), (["EVAL"], "don't rename EVAL"), (["INFO"], None)],
)
async def test_verify_names_commands_that_were_renamed(
    tmp_path: Path, renamed: list[str], remedy: str | None
) -> None:
    options = [word for command in renamed for word in ("--rename-command", command, "")]
    node = Node(tmp_path, *options)
    try:
        redis = redis_client.connect(f"redis://127.0.0.1:{node.port}")
        with pytest.raises(RuntimeError, match=remedy) if remedy else contextlib.nullcontext():
            await redis_client.verify(redis)
        await redis.aclose()
    finally:
        node.kill()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_verify_leaves_no_key_behind(
    server_to_break: redis_server.RedisServer, admin: sync_redis.Redis, protocol: int
) -> None:
    redis = redis_client.connect(f"{server_to_break.url}?protocol={protocol}")
    await redis_client.verify(redis)
    assert admin.keys() == []
    await redis.aclose()


@pytest.mark.parametrize(
    ("policy", "levels"),
    [
        ("allkeys-lru", ["WARNING"]),
        ("volatile-lru", ["WARNING"]),
        ("volatile-ttl", ["INFO"]),
        ("noeviction", []),
    ],
)
async def test_verify_warns_of_a_policy_that_may_evict_an_index(
    server_to_break: redis_server.RedisServer,
    admin: sync_redis.Redis,
    policy: str,
    levels: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    admin.config_set("maxmemory-policy", policy)
    redis = redis_client.connect(server_to_break.url)
    await redis_client.verify(redis)
    lines = [record for record in caplog.records if f"policy is {policy}" in record.message]
    assert [line.levelname for line in lines] == levels
    await redis.aclose()


async def test_verify_raises_what_is_wrong_with_the_server(
    server_to_break: redis_server.RedisServer, admin: sync_redis.Redis
) -> None:
    redis = redis_client.connect(server_to_break.url)
    admin.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(RuntimeError, match="replica"):
        await redis_client.verify(redis)
    server_to_break.kill()
    with pytest.raises(RedisUnavailable):
        await redis_client.verify(redis)


async def test_verify_raises_a_wrong_password_as_such(
    server_to_break: redis_server.RedisServer,
) -> None:
    redis = redis_client.connect(f"{server_to_break.url}?username=app&password=wrong")
    with pytest.raises(AuthenticationError):
        await redis_client.verify(redis)


@pytest.mark.parametrize(
    ("version", "mode", "role", "remedy"),
    [
        (b"6.0.16", b"standalone", b"master", "6.2"),
        (b"7.0.15", b"cluster", b"master", r"redis\+cluster://"),
        (b"7.0.15", b"sentinel", b"", r"redis\+sentinel://"),
    ],
)
async def test_verify_says_what_to_do_about_another_kind_of_server(
    version: bytes, mode: bytes, role: bytes, remedy: str
) -> None:
    words = [b"version", version, b"mode", mode, b"role", role]
    reply = b"*6\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"HELLO\r\n")
        writer.write(reply)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    redis = Redis(port=port, protocol=2, driver_info=None)
    with pytest.raises(RuntimeError, match=remedy):
        await redis_client.verify(redis)
    await redis.aclose()
    server.close()


def test_verify_and_the_page_know_every_command_that_we_use() -> None:
    scripts = "".join(path.read_text() for package in PACKAGES for path in package.rglob("*.lua"))
    modules = "".join(path.read_text() for package in PACKAGES for path in package.rglob("*.py"))
    used = set(re.findall(r'redis\.p?call\("([A-Z]+)"', scripts))
    used |= set(re.findall(r'command, "([A-Z]+)"', modules))
    verified = set(re.findall(r'^  \{"([A-Z]+)"', verification.VERIFY.text, re.M))
    documented = {right.upper() for right in re.findall(r"\+(\w+)", DOCUMENTED[1])}
    assert used <= verified
    assert documented == verified | {"EVAL", "EVALSHA"}
