"""Clients that send or read nothing cost a server few connections and few log lines."""

import asyncio
import logging
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from course_lib.lab import http_protocol, serve
from course_lib.lab.repeated_lines import OUT_OF_FILES, RepeatedLines

FILES = 300
CLIENTS = 600


@pytest.fixture(scope="module")
def server() -> Iterator[serve.Server]:
    app = FastAPI()

    @app.get("/large", response_class=PlainTextResponse)
    async def large() -> str:
        return "x" * 2**23

    with serve.here(app) as server:
        yield server


def connect(server: serve.Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.client.base_url.port or 0), timeout=10)


SERVER = """
import sys
import time
from fastapi import FastAPI
from course_lib.lab import serve
server = serve.here(FastAPI())
print(server.client.base_url.port, flush=True)
sys.stdin.read()
"""


def test_hundreds_of_idle_connections_cost_one_log_line_and_are_survived() -> None:
    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))

    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=few_files,  # noqa: PLW1509
    ) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(CLIENTS)]
        clients[-1].settimeout(10)
        assert clients[-1].recv(1) == b""  # closed
        clients[0].sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert clients[0].recv(100).startswith(b"HTTP/1.1 404")
        for client in clients:
            client.close()
        _, log = process.communicate("")
    assert log.splitlines() == ["over 100 connections are open: closing new ones at once"]


def test_a_client_that_reads_nothing_of_its_response_is_disconnected(
    server: serve.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "READ_SECONDS", 0.2)
    with connect(server) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(1)
        deadline = time.monotonic() + 10
        while is_open_at_the_server(client):
            assert time.monotonic() < deadline, "the server waits for the client"
            time.sleep(0.02)
    assert server.get("/large").status_code == 200


def is_open_at_the_server(client: socket.socket) -> bool:
    connections = psutil.Process().net_connections("tcp")
    return any(connection.raddr == client.getsockname() for connection in connections)


class Echo(asyncio.Protocol):
    """Takes the place of a WebSocket's protocol, and sends back what it receives."""

    def __init__(self, **settings: object) -> None:
        pass

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def test_a_websocket_stays_open_for_longer_than_a_request_head_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)
    config = uvicorn.Config(
        FastAPI(), http=http_protocol.BoundedConnection, ws=Echo, log_config=None
    )
    server = http_protocol.BoundedServer(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with socket.create_connection(listener.getsockname(), timeout=10) as client:
        client.sendall(request)
        assert client.recv(1000).startswith(b"GET /")  # the protocol gets the request again
        time.sleep(0.5)
        client.sendall(b"still open")
        assert client.recv(1000) == b"still open"
    server.should_exit = True
    thread.join()


def test_what_clients_can_cause_at_will_is_logged_once_with_a_count(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = RepeatedLines()
    monkeypatch.setattr("course_lib.lab.repeated_lines.time.monotonic", lambda: now)
    logger = logging.getLogger("test.repeated")
    logger.addFilter(lines)
    now = 0.0
    for _ in range(3):
        logger.warning("over %d", 1)
    logger.error("failed")
    logger.error("failed")
    logger.error(f"{OUT_OF_FILES}\nsocket: a")
    logger.error(f"{OUT_OF_FILES}\nsocket: b")
    now = 11.0
    logger.warning("over %d", 2)
    assert [record.getMessage() for record in caplog.records] == [
        *("over 1", "failed", "failed", f"{OUT_OF_FILES}\nsocket: a"),
        "over 2 (2 more since the last such line)",
    ]


def test_requests_that_are_not_http_write_one_line(
    server: serve.Server, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        with connect(server) as client:
            client.sendall(b"\x16\x03\x01 is no HTTP\r\n\r\n")
            assert b"400" in client.recv(100)
    assert len(caplog.records) <= 1
