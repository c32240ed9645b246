"""Whatever an app or its client does, its requests count exactly, and its responses are its own."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course_lib.monitor import PerformanceMiddleware, PerformanceMonitor, prometheus, request


@pytest.fixture
def monitor() -> PerformanceMonitor:
    return PerformanceMonitor()


def statuses(monitor: PerformanceMonitor) -> dict[str, dict[int, int]]:
    return {name: dict(entry[-1]) for name, entry in monitor.dump()["endpoints"]}


async def get(app: ASGIApp, *paths: str, method: str = "GET", **headers: Any) -> list[Any]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return [await client.request(method, path, headers=headers) for path in paths]


async def respond(request: Request) -> Response:
    return Response("x" * 5, int(request.path_params.get("status", 200)))


def monitored(monitor: PerformanceMonitor, *routes: Any) -> Starlette:
    app = Starlette(routes=[*routes])
    app.add_middleware(PerformanceMiddleware, monitor=monitor)
    return app


# --- apps -------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_app_mounted_twice_counts_under_each_path(monitor: PerformanceMonitor) -> None:
    inner = monitored(monitor, Route("/x/{number}", respond))
    app = Starlette(routes=[Mount("/a", inner), Mount("/b/{c}", inner)])
    await get(app, "/a/x/1", "/b/2/x/3", "/b/4/x/5")
    assert statuses(monitor) == {"GET /a/x/{number}": {200: 1}, "GET /b/{c}/x/{number}": {200: 2}}


@pytest.mark.anyio
async def test_two_monitors_of_one_app_both_count_every_request(
    monitor: PerformanceMonitor,
) -> None:
    other = PerformanceMonitor()
    app = monitored(monitor, Route("/x", respond))
    app.add_middleware(PerformanceMiddleware, monitor=other)
    await get(app, "/x", "/x")
    assert statuses(monitor) == statuses(other) == {"GET /x": {200: 2}}


@pytest.mark.anyio
@pytest.mark.parametrize("status", [204, 205, 304, 418])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_responses_without_a_body_count_by_method_and_status(
    monitor: PerformanceMonitor, method: str, status: int
) -> None:
    await get(monitored(monitor, Route("/{status}", respond)), f"/{status}", method=method)
    assert statuses(monitor) == {f"{method} /{{status}}": {status: 1}}


@pytest.mark.anyio
async def test_names_with_quotes_and_line_breaks_keep_prometheus_readable(
    monitor: PerformanceMonitor,
) -> None:
    path = '/q"\\\n\r\u2028\u00e9/{number}'
    app = monitored(monitor)
    app.router.routes.append(Route(path, respond))
    scope = {**SCOPE, "path": path.replace("{number}", "1")}
    await app(scope, receive, ignore)
    name = f"GET {path}"
    assert statuses(monitor) == {name: {200: 1}}
    families = text_string_to_metric_families(prometheus(monitor))
    (requests,) = [family for family in families if family.name == "http_requests"]
    assert [sample.labels["endpoint"] for sample in requests.samples] == [name]


# --- messages ---------------------------------------------------------------------------------

SCOPE: Scope = {
    **{"type": "http", "method": "GET", "path": "/", "root_path": "", "query_string": b""},
    **{"headers": [], "http_version": "1.1", "scheme": "http", "server": ("test", 80)},
}
START: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"12345"}


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def ignore(_: Message) -> None:
    pass


async def send_through(monitor: PerformanceMonitor, *messages: Message, **scope: Any) -> list[Any]:
    """Return what a server receives of an app's messages."""
    sent: list[Any] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        for message in messages:
            await send(dict(message))

    async def server(message: Message) -> None:
        sent.append(message)

    await PerformanceMiddleware(app, monitor=monitor)({**SCOPE, **scope}, receive, server)
    return sent


@pytest.mark.anyio
@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.response.debug", "info": {}}, START, END],
        [{"type": "http.response.early_hint", "links": []}, START, END],
        [{**START, "trailers": True}, END, {"type": "http.response.trailers", "headers": []}],
        [{"type": "http.response.start", "status": 200}, END],  # headers are optional
        [START, {"type": "http.response.pathsend", "path": "/x"}],
        [{**START, "headers": [(b"content-length", b"-1")]}, END],
        [{**START, "headers": [(b"content-length", b"nan")]}, END],
    ],
)
async def test_any_messages_reach_the_server_and_count_once(
    monitor: PerformanceMonitor, messages: list[Message]
) -> None:
    assert await send_through(monitor, *messages) == messages
    assert statuses(monitor) == {"(unknown path)": {200: 1}}
    assert monitor.in_progress == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-request-id", b"\xff\xfe")],
        [(b"x-request-id", b"x" * 10**6)],
        [(b"x-request-id", b"a\r\nset-cookie: b")],
        [(b"traceparent", b"00-\xff-01")],
        [(b"traceparent", b"")],
        [(b"x-request-id", b""), (b"x-request-id", b"second")],
    ],
)
async def test_no_header_of_a_client_disturbs_a_response(
    monitor: PerformanceMonitor, headers: list[tuple[bytes, bytes]]
) -> None:
    (start, _) = await send_through(monitor, {**START, "status": 500}, END, headers=headers)
    (request_id,) = [value for name, value in start["headers"] if name == b"x-request-id"]
    assert 0 < len(request_id) <= 128 and request_id.isascii()


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/\u00e9\U0001f600", "/\ud800", "//", "", "/" + "x" * 10**5])
async def test_any_path_counts(monitor: PerformanceMonitor, path: str) -> None:
    app = monitored(monitor, Mount("/m", Starlette(routes=[Route("/x", respond)])))
    await app({**SCOPE, "path": path}, receive, ignore)
    assert statuses(monitor) == {"(unknown path)": {404: 1}}


# --- times ------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("step", [-5.0, 0.0, 90_000.0, 1e12])
async def test_a_clock_that_jumps_loses_no_request(
    monitor: PerformanceMonitor, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.perf_counter()
    times = iter([now + step * number for number in range(10)])
    monkeypatch.setattr(request, "_now", lambda: next(times))
    await send_through(monitor, START, END)
    (figures,) = monitor.get_performance_metrics().values()
    assert figures.count == 1
    assert math.isfinite(figures.total) and figures.total >= 0 <= figures.first_byte
    prometheus(monitor)


# --- ends -------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_cancelled_stream_counts_once_as_disconnected(monitor: PerformanceMonitor) -> None:
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            started.set()
            await asyncio.sleep(0.01)

    async def stream(_: Request) -> Response:
        return StreamingResponse(endless())

    async def never_receive() -> Message:
        return await asyncio.get_running_loop().create_future()

    app = monitored(monitor, Route("/", stream))
    task = asyncio.ensure_future(app(dict(SCOPE), never_receive, ignore))
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (statuses(monitor), monitor.in_progress) == ({"GET /": {499: 1}}, 0)


@pytest.mark.anyio
async def test_what_a_middleware_outside_raises_is_not_the_response_that_counted(
    monitor: PerformanceMonitor,
) -> None:
    inner = monitored(monitor, Route("/", respond))

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)
        raise ValueError("outside")

    (response,) = await get(outer, "/")
    assert (response.status_code, statuses(monitor)) == (200, {"GET /": {200: 1}})


@pytest.mark.anyio
async def test_a_server_that_fails_to_send_is_not_hidden(monitor: PerformanceMonitor) -> None:
    async def closed(_: Message) -> None:
        raise OSError("closed")

    with pytest.raises(OSError, match="closed"):
        await monitored(monitor, Route("/", respond))(dict(SCOPE), receive, closed)
    assert (len(statuses(monitor)), monitor.in_progress) == (1, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("event", ["startup", "shutdown"])
async def test_a_lifespan_that_fails_stops_the_background_task(
    monitor: PerformanceMonitor, event: str
) -> None:
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        while (await receive())["type"] != f"lifespan.{event}":
            pass
        raise ValueError(event)

    async def receive() -> Message:
        return next(messages)

    with pytest.raises(ValueError, match=event):
        await PerformanceMiddleware(app, monitor=monitor)({"type": "lifespan"}, receive, ignore)
    assert not monitor.background.is_running


@pytest.mark.parametrize("late_after", [60, -1])
def test_without_asyncio_requests_count_and_one_warning_says_what_is_missing(
    monitor: PerformanceMonitor,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    late_after: float,
) -> None:
    monkeypatch.setattr(request, "DISCONNECT_CHECK_AFTER", late_after)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def nothing(*_: Any) -> dict[str, Any]:
        return {}

    middleware = PerformanceMiddleware(app, monitor=monitor)
    for _ in range(3):
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        with pytest.raises(StopIteration):  # it has returned
            middleware(scope, nothing, nothing).send(None)
    (metrics,) = monitor.get_performance_metrics().values()
    assert (metrics.count, metrics.errors) == (3, 0)
    assert [record.message.count("needs asyncio") for record in caplog.records] == [1]
