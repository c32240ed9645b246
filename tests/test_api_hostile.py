"""The Events API bounds what a client that breaks the rules of HTTP can do."""

import socket

import pytest

from course_lib.api import bodies
from course_lib.lab import serve

POST = b"POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def connect(server: serve.Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.client.base_url.port or 0), timeout=10)


def status_of(server: serve.Server, request: bytes) -> int:
    """Send bytes as they are, and return the status of the first response."""
    with connect(server) as client:
        client.sendall(request)
        return int(client.recv(4096).split(b" ", 2)[1])


@pytest.mark.parametrize("lengths", [b"", b"Content-Length: 0\r\n", b"Content-Length: 5\r\n"])
@pytest.mark.parametrize("is_first", [False, True])
def test_a_false_length_does_not_get_a_chunked_body_past_the_limit(
    plain_api: serve.Server, lengths: bytes, is_first: bool
) -> None:
    headers = lengths + CHUNKED if is_first else CHUNKED + lengths
    body = b"x" * (bodies.LARGEST_BODY + 1)
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert status_of(plain_api, POST + headers + b"\r\n" + chunks) == 413


def test_no_redirect_repeats_the_host_that_a_client_sent(plain_api: serve.Server) -> None:
    answer = plain_api.client.get("/api/events/", headers={"Host": "evil.example"})
    assert answer.status_code == 404
    assert "evil" not in str(answer.headers)
