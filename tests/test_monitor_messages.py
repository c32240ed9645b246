"""The monitor counts an app's messages for what they are, and passes them on unchanged."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course_lib.monitor import PerformanceMiddleware, PerformanceMonitor, request
from course_lib.monitor.lines import lines

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []}
WEBSOCKET: Scope = {"type": "websocket", "path": "/", "root_path": "", "headers": []}
START: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"12345"}
BODY: Message = {"type": "http.request", "body": b"", "more_body": False}
DISCONNECT: Message = {"type": "http.disconnect"}
OWN_ID = (b"X-Request-ID", b"of-the-app")


@pytest.fixture
def monitor() -> PerformanceMonitor:
    return PerformanceMonitor()


def statuses(monitor: PerformanceMonitor) -> dict[int, int]:
    assert monitor.in_progress == monitor.open_websockets == 0
    ((_, entry),) = monitor.dump()["endpoints"]
    return dict(entry[-1])


def sends(*messages: Message) -> ASGIApp:
    """Return an app that sends the very same messages for each request."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def raises(error: BaseException) -> ASGIApp:
    async def app(_: Scope, __: Receive, ___: Send) -> None:
        raise error

    return app


def server_with(*messages: Message) -> Receive:
    """Return a server's `receive`, which never returns after the last message."""
    waiting = list(messages)

    async def receive() -> Message:
        if not waiting:
            await asyncio.get_running_loop().create_future()
        return waiting.pop(0)

    return receive


async def serve(
    monitor: PerformanceMonitor,
    app: ASGIApp,
    *,
    scope: Scope = SCOPE,
    receive: Receive | None = None,
    headers: Any = (),
) -> list[Message]:
    """Serve one request, and return what the app sent to the server."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    middleware = PerformanceMiddleware(app, monitor=monitor)
    await middleware({**scope, "headers": list(headers)}, receive or server_with(BODY), send)
    return sent


# --- request IDs ------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_app_that_sends_the_same_message_again_returns_each_caller_its_own_id(
    monitor: PerformanceMonitor,
) -> None:
    app = sends(START, END)
    for request_id in (b"first", b"second"):
        (start, _) = await serve(monitor, app, headers=[(b"x-request-id", request_id)])
        assert start["headers"] == [(b"x-request-id", request_id)]
    assert START["headers"] == []


@pytest.mark.anyio
async def test_a_stream_that_fails_is_logged_with_the_id_that_the_app_has_sent(
    monitor: PerformanceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({**START, "headers": [OWN_ID]})
        raise ValueError

    with pytest.raises(ValueError):
        await serve(monitor, app)
    (line,) = [json.loads(record.getMessage()) for record in caplog.records]
    assert (line["request_id"], line["status"]) == ("of-the-app", 500)


@pytest.mark.anyio
async def test_a_log_handler_that_raises_disturbs_no_response(
    monitor: PerformanceMonitor,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Broken(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise RuntimeError("a broken handler")

    monkeypatch.setattr(lines, "handlers", [Broken()])
    start, end = await serve(monitor, sends({**START, "status": 500}, END))
    assert (start["status"], end) == (500, END)
    assert statuses(monitor) == {500: 1}
    assert "a broken handler" in capsys.readouterr().err


# --- ends -------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SystemExit(), 500),
        (KeyboardInterrupt(), 500),
        (asyncio.CancelledError(), 499),
        (GeneratorExit(), 499),
    ],
)
@pytest.mark.parametrize("scope", [SCOPE, WEBSOCKET])
async def test_only_what_ends_a_request_from_outside_counts_as_a_disconnect(
    monitor: PerformanceMonitor, error: BaseException, status: int, scope: Scope
) -> None:
    with pytest.raises(type(error)):
        await serve(monitor, raises(error), scope=scope)
    assert statuses(monitor) == {status: 1}


@pytest.mark.anyio
async def test_a_response_lasts_until_its_body_ends_whatever_is_sent_before(
    monitor: PerformanceMonitor,
) -> None:
    push = {"type": "http.response.push", "path": "/style.css", "headers": []}
    in_progress = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sends(START, push)(scope, receive, send)
        in_progress.append(monitor.in_progress)
        await send(END)

    assert await serve(monitor, app) == [START, push, END]
    assert (in_progress, statuses(monitor)) == ([1], {200: 1})


@pytest.mark.anyio
async def test_a_file_that_the_server_sends_itself_counts_with_its_size(
    monitor: PerformanceMonitor, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000)
    await serve(monitor, sends(START, {"type": "http.response.pathsend", "path": str(path)}))
    (metrics,) = monitor.get_performance_metrics().values()
    assert (metrics.size, statuses(monitor)) == (1_000, {200: 1})


@pytest.mark.anyio
async def test_a_response_to_head_has_no_size_because_servers_drop_its_body(
    monitor: PerformanceMonitor,
) -> None:
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("x" * 1_000))])
    for method in ("GET", "HEAD"):
        await serve(monitor, app, scope={**SCOPE, "method": method, "path": "/"})
    sizes = {name: each.size for name, each in monitor.get_performance_metrics().items()}
    assert sizes == {"GET /": 1_000, "HEAD /": 0}


# --- disconnects ------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([DISCONNECT], 499),
        ([BODY, DISCONNECT], 499),  # from servers such as Hypercorn
        ([BODY], 200),
        ([BODY, BODY], 200),
        ([{**BODY, "more_body": True}, BODY], 200),
        ([], 200),
    ],
)
async def test_a_late_response_notices_a_disconnect_and_takes_no_message_from_the_app(
    monitor: PerformanceMonitor,
    monkeypatch: pytest.MonkeyPatch,
    messages: list[Message],
    status: int,
) -> None:
    monkeypatch.setattr(request, "DISCONNECT_CHECK_AFTER", 0)
    received = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(END)
        received.extend([await receive() for _ in messages])

    await serve(monitor, app, receive=server_with(*messages))
    assert (received, statuses(monitor)) == (messages, {status: 1})


@pytest.mark.anyio
async def test_a_client_that_leaves_before_its_web_socket_is_accepted_has_disconnected(
    monitor: PerformanceMonitor,
) -> None:
    async def closed(_: Message) -> None:
        raise OSError("closed")

    middleware = PerformanceMiddleware(sends({"type": "websocket.accept"}), monitor=monitor)
    with pytest.raises(OSError, match="closed"):
        await middleware(dict(WEBSOCKET), server_with(), closed)
    assert statuses(monitor) == {499: 1}
