"""Whatever REDIS_URL is set to, the first cell works, or says in a sentence what to do."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import pytest

from course_lib.lab import redis_server

REMEDY = "or unset it, and restart the kernel"


@pytest.fixture
def first_cell(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that runs the first cell with a REDIS_URL."""

    def run(url: str) -> str:
        monkeypatch.setenv("REDIS_URL", url)
        return redis_server.version()

    return run


@pytest.mark.parametrize(
    "url",
    [
        " ",
        "redis",
        "localhost:6379",
        "http://localhost",
        "tcp://localhost:6379",
        "valkey://localhost",
        "redis:/localhost",
        "redis//localhost",
        "'redis://localhost'",
        "REDIS://127.0.0.1:1",
        "redis+cluster://127.0.0.1:1",
        "redis+sentinel://127.0.0.1:1/name",
        "redis://127.0.0.1:1",
        "rediss://127.0.0.1:1",
        "redis://127.0.0.1:1,127.0.0.1:2",
        "redis://127.0.0.1:port",
        "redis://127.0.0.1:99999",
        "redis://127.0.0.1:-1",
        "redis://[::1",
        "redis://[::1]:1",
        "redis://no-such-host.invalid",
        "redis://user:with space@127.0.0.1:1/nine",
        "unix://",
        "unix:///",
        "unix:///no/such/socket",
    ],
)
def test_an_url_that_leads_to_no_redis_is_named_with_its_remedy(
    first_cell: Callable[[str], str], url: str
) -> None:
    with pytest.raises(RuntimeError, match=REMEDY):
        first_cell(url)


@pytest.mark.parametrize(
    "option",
    [
        "x=y",
        "retry_on_timeout=true",
        "db=99",
        "db=x",
        "protocol=9",
        "socket_timeout=never",
        "max_connections=x",
        "health_check_interval=x",
        "client_name=a b",
        "ssl_cert_reqs=none",
        "username=nobody&password=wrong",
    ],
)
def test_an_option_that_redis_or_its_client_rejects_is_named_with_its_remedy(
    first_cell: Callable[[str], str], own_server: redis_server.RedisServer, option: str
) -> None:
    with pytest.raises(RuntimeError, match=REMEDY):
        first_cell(f"{own_server.url}?{option}")


@pytest.mark.parametrize(
    "option",
    [
        "db=3",
        "protocol=3",
        "decode_responses=True",
        "decode_responses=false",
        "timeout=5",
        "lib_name=app&lib_version=1",
        "client_name=app",
        "socket_read_size=1000",
        "retry_on_timeout=false",
    ],
)
def test_an_option_that_both_accept_is_no_obstacle(
    first_cell: Callable[[str], str], own_server: redis_server.RedisServer, option: str
) -> None:
    assert " at REDIS_URL (not ours" in first_cell(f"{own_server.url}?{option}")


def other_server(reply: bytes) -> AbstractContextManager[str]:
    """Yield an address whose server sends `reply` to whatever it receives."""

    def respond(connection: socket.socket) -> None:
        connection.recv(1000)
        if reply:
            connection.sendall(reply)
        else:
            connection.recv(1000)  # until the client gives up

    return server_that(respond)


@contextmanager
def server_that(respond: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield an address whose server calls `respond` with each connection, and then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, suppress(ConnectionError):
                    respond(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"-LOADING Redis is loading the dataset in memory\r\n" * 9,
        b"-MASTERDOWN Link with MASTER is down\r\n" * 9,
        b"+OK\r\n" * 9,
        b"$3\r\nabc\r\n" * 9,
        b"*0\r\n" * 9,
        b"\xff\x00" * 50,
    ],
    ids=["HTTP", "loading", "masterdown", "OK to all", "no info", "empty", "noise"],
)
def test_a_server_that_is_no_redis_is_named_with_its_remedy(
    first_cell: Callable[[str], str], scheme: str, reply: bytes
) -> None:
    with other_server(reply) as address, pytest.raises(RuntimeError, match=REMEDY):
        first_cell(f"{scheme}://{address}")


def test_a_server_that_never_replies_is_named_with_its_remedy(
    first_cell: Callable[[str], str],
) -> None:
    with other_server(b"") as address, pytest.raises(RuntimeError, match=REMEDY):
        first_cell(f"redis://{address}")


@pytest.mark.parametrize("chunk", [b"+", b"+" * 1000], ids=["dribbled", "endless"])
def test_a_server_that_never_ends_its_reply_is_named_with_its_remedy(
    first_cell: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, chunk: bytes
) -> None:
    monkeypatch.setattr(redis_server, "CHECK_SECONDS", 0.3)

    def dribble(connection: socket.socket) -> None:
        while True:
            connection.sendall(chunk)
            time.sleep(0.01)

    with (
        server_that(dribble) as address,
        pytest.raises(RuntimeError, match="longer than") as caught,
    ):
        first_cell(f"redis://{address}")
    assert REMEDY in str(caught.value)
