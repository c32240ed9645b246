"""Whatever bytes a client sends, the Events API responds as documented and never echoes them."""

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from course_lib.api import create_app, parsing
from course_lib.lab import redis_server, serve
from tests.fuzzing import fuzz

SECRET = "correct-horse-battery"
GETS = ("/api/events", "/api/stats", "/health", "/metrics", "/dashboard/figures", "/openapi.json")
POSTS = ("/api/events", "/api/events/parse", "/api/auth/login")
LIMITS = {
    "GET /api/events": "1000001/hour",
    "POST /api/events": "1000002/hour",
    "GET /api/stats": "1000003/hour",
    "POST /api/events/parse": "1000004/hour",
    "POST /api/auth/login": "1000005/hour",
    "*": "2000000/hour",
}
OF_A_ROUTE = {limit.partition("/")[0] for route, limit in LIMITS.items() if route != "*"}
NO_ROUTE = {400, 404, 405, 413}  # no HTTP, no such path, another method, a body that's too large
SERVED = {200, 201, 401, 408, 422, 503}


@pytest.fixture(scope="module")
def app(table: Path, own_server: redis_server.RedisServer) -> Iterator[FastAPI]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing, "MODEL_SECONDS", 0)
        yield create_app(
            table,
            redis_url=own_server.url,
            cache=True,
            limits=LIMITS,
            monitor=True,
            namespace="fuzz",
        )


@pytest.fixture(scope="module")
def server(app: FastAPI) -> Iterator[serve.Server]:
    with serve.here(app) as server:
        yield server


class Lines(logging.Handler):
    """Keeps all log lines."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage() + str(record.exc_info or "")


@pytest.fixture(scope="module")
def log() -> Iterator[Lines]:
    lines = Lines()
    logging.getLogger().addHandler(lines)
    yield lines
    logging.getLogger().removeHandler(lines)


def send(server: serve.Server, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes as they are; return the status, the headers and the body of the response."""
    address = ("127.0.0.1", server.client.base_url.port or 0)
    with socket.create_connection(address, timeout=10) as client, client.makefile("rb") as reader:
        client.sendall(request)
        response = reader.read()
    head, _, body = response.partition(b"\r\n\r\n")
    first, *fields = head.decode("latin-1").split("\r\n")
    pairs = [field.partition(": ") for field in fields]
    headers = {name.lower(): value for name, _, value in pairs}
    return int(first.split(" ")[1]), headers, body


ADDED = ["{}", "{}/", "/{}", "{}%0A", "{}%00", "{}%20", "{};x=1", "{}#x", "{}?", "{}%2F", "{}."]
MOVED = ["/./{}", "/x/..{}", "{}%3Fuser_id=1", "http://evil.example{}", "{}%FF", "{}%C0%AE", "{}\\"]
SPELLINGS = st.sampled_from([*ADDED, *MOVED])


@st.composite
def paths(draw: st.DrawFn) -> str:
    """Return a path that reaches a route, or looks as if it might."""
    path = draw(st.sampled_from(GETS + POSTS))
    index = draw(st.integers(0, len(path) - 1))
    quoted = f"{path[:index]}%{ord(path[index]):02x}{path[index + 1 :]}"
    chosen = draw(st.sampled_from([path, path, quoted, path.upper(), path.replace("/", "//")]))
    return draw(SPELLINGS).format(chosen)


NUMBERS = st.integers() | st.floats() | st.just(10**4000)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters()) | st.just(SECRET),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=5,
)
FIELDS = st.sampled_from(["type", "title", "duration_ms", "starts_at", "text", "account"])
BODIES = (
    st.binary(max_size=200)
    | st.dictionaries(FIELDS | st.just(SECRET), JSON_VALUES).map(json.dumps).map(str.encode)
    | st.sampled_from([b"", b"[" * 30_000, b"\xef\xbb\xbf{}", f'{{"{SECRET}":'.encode()])
)
USERS = st.sampled_from(["", "user_id=1", "user_id=0", f"user_id={SECRET}", "limit=101", "limit=5"])
QUERIES = USERS | st.text(max_size=20).map(quote).map("user_id={}".format)
OURS = ["X-API-Key", "X-Forwarded-For", "Forwarded", "X-Request-ID", "traceparent", "Content-Type"]
OTHERS = ["Content-Encoding", "Cookie", "Origin", "Range", "Accept", "If-None-Match", "Upgrade"]
NAMES = st.sampled_from([*OURS, *OTHERS])
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30)
CONTENTS = PRINTABLE | st.sampled_from(
    ["pro-7", "pro-" + "9" * 30, SECRET, "application/json", "text/html", "1,", "websocket", "gzip"]
)
HEADERS = st.lists(st.tuples(NAMES, CONTENTS), max_size=5)


def request_of(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close"]
    lines += [f"{name}: {content}" for name, content in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


@fuzz(80)
@given(
    method=st.sampled_from(["GET", "POST", "POST", "PUT", "HEAD", "OPTIONS", "PRI"]),
    target=st.tuples(paths(), QUERIES),
    headers=HEADERS,
    body=BODIES,
)
def test_no_request_crashes_is_echoed_or_logged(
    server: serve.Server,
    log: Lines,
    *,
    method: str,
    target: tuple[str, str],
    headers: list[tuple[str, str]],
    body: bytes,
) -> None:
    path, query = target
    status, answered, content = send(server, request_of(method, f"{path}?{query}", headers, body))
    assert status in NO_ROUTE | SERVED
    if status >= 400:
        assert SECRET.encode() not in content and len(content) < 2000
    assert SECRET not in log.text
    assert "evil.example" not in str(answered)


@fuzz(80)
@given(method=st.sampled_from(["GET", "POST"]), path=paths())
def test_each_spelling_of_a_path_that_reaches_a_route_has_its_limit(
    server: serve.Server, method: str, path: str
) -> None:
    status, headers, _ = send(server, request_of(method, path, [], b""))
    if status in SERVED and "/api/" in unquote(path):
        assert headers["x-ratelimit-limit"] in OF_A_ROUTE
    else:
        assert headers.get("x-ratelimit-limit") in (None, "2000000")


@fuzz(80)
@given(request=st.lists(st.binary(max_size=50) | st.sampled_from([
    b"POST /api/events HTTP/1.1\r\n", b"Host: x\r\n", b"\r\n", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"5\r\nabcde\r\n", b"0\r\n\r\n", b"ffffffffff\r\n",
    b"Content-Length: 99999999999\r\n", b"Expect: 100-continue\r\n", b"GET /health HTTP/1.1\r\n",
]), max_size=8).map(b"".join))  # fmt: skip
def test_a_connection_with_broken_http_is_answered_or_closed(
    server: serve.Server, log: Lines, request: bytes
) -> None:
    address = ("127.0.0.1", server.client.base_url.port or 0)
    with socket.create_connection(address, timeout=10) as client, client.makefile("rb") as reader:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        response = reader.read()
    assert b" 500 " not in response
    assert "Traceback" not in log.text


@fuzz(60)
@given(data=st.data())
def test_each_valid_request_has_a_documented_status(
    app: FastAPI, server: serve.Server, data: st.DataObject
) -> None:
    documented = app.openapi()["paths"]
    path = data.draw(st.sampled_from(sorted(documented)))
    method = data.draw(st.sampled_from(sorted(documented[path])))
    responses = documented[path][method]["responses"]
    headers: list[tuple[str, Any]] = [("Content-Type", "application/json")]
    if key := data.draw(st.sampled_from(["", "pro-7", "pro-0", "free-x"])):
        headers.append(("X-API-Key", key))
    body = data.draw(BODIES) if method == "post" else b""
    target = f"{path}?{data.draw(QUERIES)}"
    status, _, _ = send(server, request_of(method.upper(), target, headers, body))
    assert str(status) in responses
