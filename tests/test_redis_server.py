"""A Redis server is private and ends with its owner; one that we didn't start is left alone."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import ConnectionError, TimeoutError

from course_lib.cache import Cache
from course_lib.lab import redis_process, redis_server

OWNER = """
import signal
from course_lib.lab import redis_server
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
print(redis_server.url(), flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize(("persistent", "kept"), [(True, b"1"), (False, None)])
def test_only_a_persistent_server_keeps_its_data_over_a_crash(
    persistent: bool, kept: bytes | None
) -> None:
    with redis_server.start(persistent=persistent) as server, Redis.from_url(server.url) as client:
        client.set("key", 1)
        server.kill()
        server.restart()
        assert client.get("key") == kept


def test_a_temporary_folder_that_cannot_hold_a_socket_is_an_error_with_the_remedy(
    tmp_path: Path,
) -> None:
    long = tmp_path / ("long" * 25)
    long.mkdir()
    code = "from course_lib.lab import redis_server; redis_server.start()"
    environment = {**os.environ, "TMPDIR": str(long)}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "set TMPDIR to another folder, such as /tmp" in result.stderr


@pytest.fixture
def owners(tmp_path: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    """Two processes in their own groups, as kernels are, each with its private server."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("REDIS_URL", None)
    command = [sys.executable, "-c", OWNER]
    started = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        for _ in range(2)
    ]
    yield started
    for process in started:
        process.kill()
        process.communicate()


def url_of(owner: "subprocess.Popen[str]") -> str:
    assert owner.stdout
    return owner.stdout.readline().strip()


def servers(folder: Path) -> list[psutil.Process]:
    """Return the servers whose socket is under a folder."""
    programs = ("redis-server", "valkey-server")
    processes = []
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
        except psutil.Error:  # it has just ended, or it's another user's
            continue
        is_server = bool(arguments) and arguments[0].endswith(programs)
        if is_server and "--unixsocket" in arguments and str(folder) in " ".join(arguments):
            processes.append(process)
    return processes


def wait_until_nothing_is_left(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while servers(folder) or list(folder.iterdir()):
        assert time.monotonic() < deadline, (servers(folder), list(folder.iterdir()))
        time.sleep(0.05)


def test_two_owners_share_nothing_and_sigkill_leaves_no_process_socket_or_folder(
    owners: list["subprocess.Popen[str]"], tmp_path: Path
) -> None:
    one, other = (Redis.from_url(url_of(owner)) for owner in owners)
    one.set("key", "one")
    assert other.get("key") is None
    for owner in owners:
        owner.kill()
    wait_until_nothing_is_left(tmp_path)


def test_the_stop_button_leaves_the_server_alive(owners: list["subprocess.Popen[str]"]) -> None:
    client = Redis.from_url(url_of(owners[0]))
    client.set("key", "value")
    os.killpg(owners[0].pid, signal.SIGINT)  # Jupyter interrupts the whole group
    assert owners[0].stdout
    assert owners[0].stdout.readline() == "interrupted\n"
    assert client.get("key") == b"value"


def test_a_paused_server_ends_with_its_owner_too(
    owners: list["subprocess.Popen[str]"], tmp_path: Path
) -> None:
    for owner in owners:
        url_of(owner)
    for server in servers(tmp_path):
        server.suspend()
    for owner in owners:
        owner.kill()
    wait_until_nothing_is_left(tmp_path)


def test_url_returns_the_same_server_until_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setattr(redis_server, "_own", None)
    url = redis_server.url()
    assert redis_server.url() == url
    server = redis_server._own
    assert server
    server.kill()
    assert redis_server.url() != url
    assert Redis.from_url(redis_server.url()).ping()


def test_a_server_is_private_and_keeps_nothing_on_disk(
    any_server: redis_server.RedisServer,
) -> None:
    socket = Path(any_server.url.removeprefix("unix://"))
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    client = Redis.from_url(any_server.url)
    assert client.config_get("port", "save", "appendonly") == {
        "port": "0",
        "save": "",
        "appendonly": "no",
    }


def test_a_server_can_be_paused_resumed_killed_and_restarted(
    server_to_break: redis_server.RedisServer,
) -> None:
    client = Redis.from_url(server_to_break.url, socket_timeout=0.2)
    client.set("key", "value")
    server_to_break.pause()
    with pytest.raises(TimeoutError):
        client.get("key")
    server_to_break.resume()
    assert client.get("key") == b"value"
    server_to_break.kill()
    assert not server_to_break.alive()
    with pytest.raises(ConnectionError):
        client.get("key")
    server_to_break.restart()
    assert client.get("key") is None
    server_to_break.stop()
    server_to_break.stop()
    assert "ended" in repr(server_to_break)


def test_if_no_server_can_be_started_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_process.shutil, "which", lambda _: None)
    monkeypatch.setattr(redis_process.metadata, "files", lambda _: None)
    with pytest.raises(RuntimeError, match="there is no Redis server to start: install one"):
        redis_server.start()
    monkeypatch.setattr(redis_process, "find_binary", lambda: "/bin/false")
    with pytest.raises(RuntimeError, match="the Redis server did not start"):
        redis_server.start()


# --- a server that we didn't start ----------------------------------------------------------------

VISITOR = """
import asyncio
from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.lab import redis_server

async def main():
    client = redis_server.client("lesson")
    await client.set("key", "ours")
    async with client.pipeline() as pipeline:
        await pipeline.set("piped", 1).sadd("members", "a").execute()
    assert sorted(await client.keys("*")) == [b"key", b"members", b"piped"]
    cache = Cache(redis_client.connect(redis_server.url()), namespace=redis_server.namespace("api"))
    await cache.set("key", "cached", user_id=1)

assert not redis_server.is_ours()
asyncio.run(main())
print(redis_server.version())
"""


def test_on_a_foreign_server_other_keys_are_untouched_and_ours_are_removed(
    any_server: redis_server.RedisServer, tmp_path: Path
) -> None:
    theirs = Redis.from_url(any_server.url)
    theirs.flushall()
    theirs.mset({"key": "theirs", "course": "theirs"})
    before = set(psutil.Process().children(recursive=True))
    environment = {**os.environ, "REDIS_URL": any_server.url, "TMPDIR": str(tmp_path)}
    with theirs.monitor() as monitor:
        result = subprocess.run(
            [sys.executable, "-c", VISITOR],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        theirs.echo("the end")
        sent = []
        for command in monitor.listen():
            if command["command"].startswith("ECHO"):
                break
            sent.append(command["command"])
    assert " at REDIS_URL (not ours: keys only under course-" in result.stdout
    assert list(tmp_path.iterdir()) == [], "no server and no folder for it"
    assert set(psutil.Process().children(recursive=True)) <= before
    for command in sent:
        name = command.split()[0].upper()
        assert name in HARMLESS or (name in WITH_KEYS and "course-" in command), command
    assert theirs.mget("key", "course") == [b"theirs", b"theirs"]
    assert theirs.dbsize() == 2


HARMLESS = {"PING", "INFO", "CLIENT", "HELLO", "MULTI", "EXEC", "TIME"}
WITH_KEYS = {
    "GET",
    "MGET",
    "EXISTS",
    "SET",
    "SADD",
    "SCAN",
    "KEYS",
    "UNLINK",
    "EVAL",
    "EVALSHA",
    "ZADD",
    "ZRANGEBYSCORE",
    "ZRANGE",
    "PEXPIRE",
    "PEXPIREAT",
    "PTTL",
}


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1", "unix:///no/such/socket", "http://localhost"]
)
def test_an_unreachable_redis_url_raises_an_error_that_says_what_to_do(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(RuntimeError, match="or unset it, and restart the kernel"):
        redis_server.url()


@pytest.mark.parametrize(
    ("commands", "option", "words"),
    [
        (["CONFIG SET maxmemory 1"], "", "OOM|used memory"),
        (["CONFIG SET min-replicas-to-write 1"], "", "NOREPLICAS|Not enough good replicas"),
        (["REPLICAOF 127.0.0.1 1"], "", "points to a replica"),
        (["CONFIG SET requirepass secret"], "", "[Aa]uthenticat"),
        ([], "?x=y", "unknown option, x: remove it"),
    ],
    ids=["full", "no replicas", "replica", "no password", "unknown option"],
)
def test_a_redis_url_to_a_server_that_refuses_writes_is_named_in_the_first_cell(
    server_to_break: redis_server.RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    commands: list[str],
    option: str,
    words: str,
) -> None:
    with Redis.from_url(server_to_break.url) as admin:
        for command in commands:
            admin.execute_command(command)
    monkeypatch.setenv("REDIS_URL", server_to_break.url + option)
    with pytest.raises(RuntimeError, match=f"(?s)({words}).*or unset it, and restart the kernel"):
        redis_server.url()


def test_a_redis_url_to_a_node_of_a_cluster_is_named_in_the_first_cell() -> None:
    info = {"redis_version": "7.0.0", "redis_mode": "cluster"}
    with pytest.raises(RuntimeError, match="a server in cluster mode, and the lessons need"):
        redis_server._check_server(info)


# --- the client of lessons and checks -------------------------------------------------------------


@pytest.fixture
def make_client(any_server: redis_server.RedisServer, monkeypatch: pytest.MonkeyPatch):
    Redis.from_url(any_server.url).flushall()
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setattr(redis_server, "_own", any_server)
    return redis_server.client


@pytest.mark.anyio
async def test_a_client_with_a_namespace_sees_its_own_keys_only(make_client) -> None:
    one, other, bare = make_client("one"), make_client("other"), make_client()
    await one.set("key", 1, ex=100)
    await other.set("key", 2)
    assert [await client.get("key") for client in (one, other, bare)] == [b"1", b"2", None]
    assert sorted(await bare.keys("*")) == [b"one:key", b"other:key"]
    assert await one.keys("k*") == [b"key"]
    assert await one.eval("return redis.call('GET', KEYS[1])", 1, "key") == b"1"
    assert await one.memory_usage("key") > 0
    await one.clear()
    assert await bare.keys("*") == [b"other:key"]
    assert ("SET", "key") in one.commands
    with pytest.raises(ValueError, match="has none: pass a namespace"):
        await bare.clear()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "command", ["FLUSHALL", "FLUSHDB", "CONFIG", "SHUTDOWN", "DEBUG", "MIGRATE", "SORT"]
)
async def test_a_client_with_a_namespace_rejects_commands_that_reach_outside(
    make_client, command: str
) -> None:
    with pytest.raises(
        ValueError, match=f"{command} is not sent: this client keeps to the keys under 'one:'"
    ):
        await make_client("one").execute_command(command, "*", "*")


def test_a_client_works_in_several_event_loops(make_client) -> None:
    client = make_client("one")
    asyncio.run(client.set("key", 1))
    assert asyncio.run(client.get("key")) == b"1"
    cache = Cache(client)
    asyncio.run(cache.set("key", 2, user_id=1))
    assert asyncio.run(cache.get("key")) == 2


def test_a_pool_is_dropped_with_its_event_loop(make_client) -> None:
    client = make_client()
    for _ in range(5):
        asyncio.run(client.set("key", 1))
    assert len(client._pools) == 1


@pytest.mark.anyio
async def test_keys_of_any_kind_go_under_the_namespace_and_come_back_without_it(
    make_client,
) -> None:
    client, bare = make_client("one"), make_client()
    await client.mset({"text": 1, b"\xff": 2})
    assert sorted(await bare.keys()) == [b"one:text", b"one:\xff"]
    assert await client.mget("text", b"\xff") == [b"1", b"2"]
    assert {key async for key in client.scan_iter()} == {b"text", b"\xff"}
    assert [key async for key in client.scan_iter("te*", _type="string")] == [b"text"]
    reply = await client.pipeline().keys("t*").scan(match="t*", count=100).get("text").execute()
    assert reply == [[b"text"], (0, [b"text"]), b"1"]
    assert client.commands[-3:] == [("KEYS",), ("SCAN",), ("GET", "text")]
    assert await client.clear() == 2
    assert await bare.keys() == []


@pytest.mark.anyio
async def test_a_transaction_and_a_lock_stay_in_the_namespace(make_client) -> None:
    client, bare = make_client("one"), make_client()

    async def count(pipeline):
        before = int(await pipeline.get("count") or 0)
        pipeline.multi()
        pipeline.set("count", before + 1)

    assert await client.transaction(count, "count") == [True]
    async with client.lock("lock", timeout=5):
        assert sorted(await bare.keys()) == [b"one:count", b"one:lock"]


@pytest.mark.anyio
async def test_without_a_namespace_no_command_is_rejected_or_changed(make_client) -> None:
    client = make_client(decode_responses=True)
    await client.config_set("maxmemory-policy", "noeviction")
    await client.set("key", "value")
    assert await client.keys() == ["key"]
    assert await client.get("key") == "value"
    async with client.pubsub() as channel:
        await channel.subscribe("news")


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["monitor", "pubsub"])
async def test_monitor_and_pubsub_are_rejected_in_a_namespace(make_client, way: str) -> None:
    with pytest.raises(ValueError, match="is not sent"):
        getattr(make_client("one"), way)()


def test_a_namespace_cannot_be_a_pattern(make_client) -> None:
    with pytest.raises(ValueError, match="use letters, digits and the signs"):
        make_client("a*")


def test_a_paused_server_can_be_restarted_and_an_ended_one_raises_an_error(
    server_to_break: redis_server.RedisServer,
) -> None:
    url = server_to_break.url
    server_to_break.pause()
    server_to_break.restart()
    assert server_to_break.url == url
    assert Redis.from_url(url).ping()
    server_to_break.kill()
    with pytest.raises(RuntimeError, match=r"has ended: start it again with \.restart\(\)"):
        server_to_break.pause()
    server_to_break.stop()
    with pytest.raises(RuntimeError, match="stopped for good"):
        server_to_break.restart()


def test_the_last_reference_ends_a_restarted_server() -> None:
    server = redis_server.start()
    server.restart()
    (child,) = server._children
    del server
    assert not child.alive()


def test_a_password_in_redis_url_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.1:1")
    with pytest.raises(RuntimeError) as error:
        redis_server.url()
    assert "secret" not in str(error.value)


def test_a_server_too_old_for_the_lessons_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "redis-server"
    old.write_text(
        "#!/bin/sh\necho 'Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64'\n"
    )
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_process.find_binary() != str(old)


def test_a_foreign_server_that_ended_before_us_causes_no_error(
    server_to_break: redis_server.RedisServer,
) -> None:
    code = "from course_lib.lab import redis_server; print(redis_server.url(), flush=True); input()"
    environment = {**os.environ, "REDIS_URL": server_to_break.url}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdin=-1, stdout=-1, stderr=-1, text=True, env=environment
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == f"{server_to_break.url}\n"
        server_to_break.kill()
        assert process.communicate("go on\n") == ("", "")


def test_a_temporary_folder_may_have_any_name() -> None:
    folder = Path(tempfile.mkdtemp(prefix="a %41 "))
    code = "from course_lib.lab import redis_server; print(redis_server.version())"
    environment = {key: value for key, value in os.environ.items() if key != "REDIS_URL"} | {
        "TMPDIR": str(folder)
    }
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.endswith("(private to this notebook)\n")
    finally:
        folder.rmdir()
