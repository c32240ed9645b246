"""The Events API rejects bodies that are too large, too slow, invalid or hostile."""

import logging
import socket
from pathlib import Path

import pytest

from course_lib.api import bodies, create_app
from course_lib.lab import serve

JSON = {"Content-Type": "application/json"}
POSTS = ("/api/events", "/api/events/parse", "/api/auth/login")
SECRET = "correct horse battery"


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_beyond_the_limit_is_rejected_with_413(
    plain_api: serve.Server, is_chunked: bool
) -> None:
    largest = b'{"title": "' + b"x" * (bodies.LARGEST_BODY - 13) + b'"}'
    for body, status in ((largest, 422), (largest + b" ", 413)):
        content = iter([body[:100], body[100:]]) if is_chunked else body
        answer = plain_api.client.post("/api/events", content=content, headers=JSON)
        assert (answer.status_code, len(answer.content) < 500) == (status, True)
    assert plain_api.get("/health").status_code == 200


def test_a_body_that_does_not_arrive_is_rejected_with_408(
    plain_api: serve.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.1)
    head = "POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", plain_api.client.base_url.port or 0)) as client:
        client.sendall(f"{head}Content-Length: 10\r\n\r\n{{".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "body",
    [
        rb'{"type": "\ud800", "title": "\ud800", "text": "\ud800", "account": "\ud800"}',
        b'{"type": NaN, "title": "t", "text": NaN, "account": NaN}',
        b'{"type": 1e400, "title": "t", "text": 1e400, "account": 1e400}',
        b'{"text": ' + b"[" * 20_000,
        b'{"text": ' + b"1" * 5000 + b"}",
        b"\xff\xfe",
        b"",
        b'"' + SECRET.encode() + b'"',
    ],
    ids=["surrogate", "nan", "infinity", "nested", "digits", "no-utf8", "empty", "string"],
)
@pytest.mark.parametrize("headers", [JSON, {}], ids=["json", "untyped"])
def test_a_body_that_is_not_valid_is_a_clients_error_and_never_echoed(
    plain_api: serve.Server, path: str, body: bytes, headers: dict[str, str]
) -> None:
    answer = plain_api.client.post(path, content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert SECRET not in answer.text
    assert len(answer.content) < 1000


def test_nothing_that_a_client_sent_is_logged(
    plain_api: serve.Server, caplog: pytest.LogCaptureFixture
) -> None:
    body = f'{{"email": "a@b", "password": "{SECRET}", "remember": NaN}}'
    with caplog.at_level(logging.INFO):
        plain_api.client.post("/api/auth/login", content=body, headers=JSON)
        plain_api.client.post(f"/api/{SECRET}", content=body, headers={"X-API-Key": SECRET, **JSON})
    assert SECRET not in caplog.text


def test_an_unknown_type_of_event_is_rejected_with_the_list(
    plain_api: serve.Server,
) -> None:
    answer = plain_api.client.post("/api/events", json={"type": "mine", "title": "t"})
    assert answer.status_code == 422
    assert "'refund'" in answer.json()["detail"][0]["msg"]


def test_the_openapi_document_lists_the_failures_of_each_route(table: Path) -> None:
    paths = create_app(table, monitor=True).openapi()["paths"]
    assert {"400", "401", "413", "422", "503"} < set(paths["/api/events"]["post"]["responses"])
    assert {"401", "413", "429", "503"} < set(paths["/api/auth/login"]["post"]["responses"])
    assert list(paths["/metrics"]["get"]["responses"]["200"]["content"]) == ["text/plain"]
