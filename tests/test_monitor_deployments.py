"""The monitor counts each request once, however its app is started, mounted or routed."""

import asyncio
import json
import logging
import os
import re
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Host, Match, Mount, Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from course_lib import redis_client
from course_lib.lab import paths, redis_server, serve
from course_lib.monitor import (
    PerformanceMiddleware,
    PerformanceMonitor,
    background,
    dashboard,
    endpoint_of,
    figures,
    prometheus,
)
from course_lib.monitor import monitor as monitor_module
from course_lib.monitor.endpoints import UNKNOWN
from course_lib.monitor.lines import lines as lines_logger
from tests.conftest import PATIENT


@pytest.fixture
def monitor() -> PerformanceMonitor:
    return PerformanceMonitor()


def monitored(monitor: PerformanceMonitor, **options: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(PerformanceMiddleware, monitor=monitor, **options)
    app.get("/items/{number}")(lambda number: number)
    app.get("/metrics")(lambda: "figures")
    return app


async def get(app: ASGIApp, *paths: str, **headers: str) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return [await client.get(path, headers=headers) for path in paths]


def counted(monitor: PerformanceMonitor) -> dict[str, int]:
    metrics = monitor.get_performance_metrics()
    return {endpoint: figures.count for endpoint, figures in metrics.items()}


# --- processes --------------------------------------------------------------------------------


@pytest.fixture
def three_siblings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the monitor find three other workers."""
    for module in (monitor_module, dashboard):
        monkeypatch.setattr(module, "count_siblings", lambda: 3)


@pytest.mark.anyio
@pytest.mark.usefixtures("three_siblings")
async def test_workers_that_are_not_counted_are_reported(monitor: PerformanceMonitor) -> None:
    whole = await monitor.merged()
    assert "app_workers_uncounted 3\n" in prometheus(whole)
    assert "app_workers_uncounted 3\n" in prometheus(monitor)  # where `merged()` is forgotten
    assert figures(monitor)["uncounted_workers"] == 3


@pytest.mark.anyio
@pytest.mark.usefixtures("three_siblings")
async def test_workers_that_are_counted_through_redis_are_not_reported_as_missing(
    redis: Redis,
) -> None:
    whole = await PerformanceMonitor(redis=redis).merged()
    assert "app_workers_uncounted 0\n" in prometheus(whole)


def test_the_example_in_the_docs_shows_its_own_requests(
    any_server: redis_server.RedisServer,
) -> None:
    page = (paths.ROOT / "docs/monitoring.md").read_text()
    example = re.findall(r"```python\n(.+?)```", page, re.S)[0]
    names: dict[str, Any] = {}
    exec(example.replace("redis://localhost:6379", any_server.url), names)
    with TestClient(names["app"]) as client:
        client.get("/nowhere")
        text = client.get("/metrics").text
    assert 'http_requests_total{endpoint="(unknown path)",status="404"}' in text
    assert "GET /metrics" not in text


# --- without a lifespan -----------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("mounted", [False, True])
async def test_without_a_lifespan_the_first_request_starts_the_reports(
    redis: Redis, mounted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "REPORT_INTERVAL", 0.05)
    monitor = PerformanceMonitor(redis=redis)
    app = monitored(monitor)
    if mounted:
        outer = FastAPI()
        outer.mount("/v1", app)
        await get(outer, "/v1/items/1")
    else:
        await get(app, "/items/1")
    other = PerformanceMonitor(redis=redis)
    while not counted(await other.merged()):
        await asyncio.sleep(0.01)
    assert sum(counted(await other.merged()).values()) == 1
    await monitor.stop()


@pytest.mark.anyio
async def test_a_monitor_that_is_stopped_at_once_still_reports(redis: Redis) -> None:
    monitor = PerformanceMonitor(redis=redis)
    monitor.log_request("GET /x", 0.1)
    monitor.start()
    await monitor.stop()
    assert counted(await PerformanceMonitor(redis=redis).merged()) == {"GET /x": 1}


def test_a_monitor_started_outside_an_event_loop_starts_with_the_first_request(
    monitor: PerformanceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    monitor.start()
    assert "no event loop of asyncio is running" in caplog.text

    async def serve_and_stop() -> bool:
        await get(monitored(monitor), "/items/1")
        is_running = monitor.background.is_running
        await monitor.stop()
        return is_running

    assert asyncio.run(serve_and_stop())


def test_when_its_event_loop_ends_a_monitor_reports_and_starts_again_in_the_next(
    any_server: redis_server.RedisServer,
) -> None:
    namespace = f"loops-{os.urandom(4).hex()}"
    client = redis_client.connect(any_server.url, time_limit=PATIENT)
    monitor = PerformanceMonitor(redis=client, namespace=namespace)
    app = monitored(monitor)
    for requests in (1, 2):
        asyncio.run(get(app, "/items/1"))  # cancels the background task at its end
        assert not monitor.background.is_running
        patient = redis_client.connect(any_server.url, time_limit=PATIENT)
        other = PerformanceMonitor(redis=patient, namespace=namespace)
        assert counted(asyncio.run(other.merged())) == {"GET /items/{number}": requests}


# --- apps in apps -----------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_mounted_app_ignores_endpoints_by_its_own_path(monitor: PerformanceMonitor) -> None:
    inner, outer = monitored(monitor, ignore=["GET /metrics"]), FastAPI()
    outer.mount("/shops/{shop}", inner)
    await get(outer, "/shops/1/metrics", "/shops/2/items/3")
    assert counted(monitor) == {"GET /shops/{shop}/items/{number}": 1}


@pytest.mark.parametrize("mounts", [1, 2])
def test_a_mounted_app_counts_its_web_sockets_unless_it_ignores_them(
    monitor: PerformanceMonitor, mounts: int
) -> None:
    app: ASGIApp = monitored(monitor, ignore=["GET /metrics", "WEBSOCKET /ignored"])

    @app.websocket("/ignored")
    @app.websocket("/chat/{room}")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()

    for _ in range(mounts):
        app = Starlette(routes=[Mount("/v1", app)])
    path = "/v1" * mounts
    for name in ("chat/a", "chat/b", "ignored"):
        with TestClient(app).websocket_connect(f"{path}/{name}"):
            pass
    assert statuses(monitor) == {f"WEBSOCKET {path}/chat/{{room}}": {101: 2}}


class RouteForAddress(APIRoute):
    """Matches by a part of the scope that only a server sets."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        assert scope["client"]
        return super().matches(scope)


@pytest.mark.anyio
async def test_a_mounted_app_ignores_routes_that_match_by_any_part_of_the_scope(
    monitor: PerformanceMonitor,
) -> None:
    inner, outer = monitored(monitor, ignore=["GET /own"]), FastAPI()
    inner.router.routes.append(RouteForAddress("/own", lambda: 1))
    outer.mount("/v1", inner)
    await get(outer, "/v1/own", "/v1/items/1")
    assert counted(monitor) == {"GET /v1/items/{number}": 1}


@pytest.mark.anyio
async def test_a_request_through_two_middlewares_of_one_monitor_counts_once(
    monitor: PerformanceMonitor,
) -> None:
    outer = monitored(monitor)
    outer.mount("/v1", monitored(monitor, ignore=["GET /metrics"]))
    await get(outer, "/v1/items/5", "/items/6", "/v1/metrics")
    assert counted(monitor) == {"GET /v1/items/{number}": 1, "GET /items/{number}": 1}


@pytest.mark.anyio
async def test_each_of_several_nested_apps_may_ignore_endpoints(
    monitor: PerformanceMonitor,
) -> None:
    outer, between = monitored(monitor), monitored(monitor, ignore=["GET /shop/items/{number}"])
    between.mount("/shop", monitored(monitor, ignore=["GET /metrics"]))
    outer.mount("/v1", between)
    await get(outer, "/v1/shop/items/1", "/v1/shop/metrics", "/v1/items/2")
    assert counted(monitor) == {"GET /v1/items/{number}": 1}


@pytest.mark.anyio
async def test_an_app_behind_a_middleware_that_copies_the_scope_counts_by_route(
    monitor: PerformanceMonitor,
) -> None:
    app = FastAPI()
    app.get("/items/{number}")(lambda number: number)

    class Copying:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(dict(scope), receive, send)

    wrapped = PerformanceMiddleware(Copying(app), monitor=monitor)
    await get(wrapped, "/items/1", "/nowhere")
    assert counted(monitor) == {"GET /items/{number}": 1, UNKNOWN: 1}


def statuses(monitor: PerformanceMonitor) -> dict[str, dict[int, int]]:
    return {name: dict(entry[-1]) for name, entry in monitor.dump()["endpoints"]}


def test_a_disconnect_is_noticed_inside_a_middleware_that_wraps_receive(
    monitor: PerformanceMonitor,
) -> None:
    app = monitored(monitor)

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.2)
        return "too late"

    async def passing_on(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        return response

    app.add_middleware(BaseHTTPMiddleware, dispatch=passing_on)
    with serve.here(app) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
            time.sleep(0.05)
        deadline = time.monotonic() + 10
        while not statuses(monitor):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert statuses(monitor) == {"GET /slow": {499: 1}}


@pytest.mark.anyio
async def test_what_fails_after_the_response_is_counted_and_logged_beside_it(
    monitor: PerformanceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    app = monitored(monitor, ignore=["GET /ignored"])

    def fail() -> None:
        raise ValueError("hunter2")

    @app.get("/ignored")
    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(fail)
        return "done"

    (response, _) = await get(app, "/background", "/ignored")
    assert (response.status_code, statuses(monitor)) == (200, {"GET /background": {200: 1}})
    assert monitor.get_counts() == {"error_after_response": 1}
    (line,) = [json.loads(text) for text in caplog.messages if text.startswith("{")]
    assert (line["route"], line["error"], line["level"]) == (
        *("GET /background", "ValueError", "WARNING"),
    )
    assert "hunter2" not in str(line)


@pytest.mark.anyio
@pytest.mark.parametrize("depth", [0, 1, 3])
async def test_a_crash_in_a_mounted_app_is_one_error_with_its_cause_beside_it(
    monitor: PerformanceMonitor, caplog: pytest.LogCaptureFixture, depth: int
) -> None:
    app: ASGIApp = FastAPI()

    @app.get("/crash")
    async def crash() -> None:
        raise ValueError("hunter2")

    for _ in range(depth):
        app = Starlette(routes=[Mount("/v1", app)])
    path = "/v1" * depth + "/crash"
    await get(PerformanceMiddleware(app, monitor=monitor), path)
    assert (statuses(monitor), monitor.get_counts()) == ({f"GET {path}": {500: 1}}, {})
    response, cause = [json.loads(text) for text in caplog.messages if text.startswith("{")]
    assert response["request_id"] == cause["request_id"]
    assert (cause["error"], "in crash" in cause["at"]) == ("ValueError", True)
    assert "hunter2" not in str(cause)


@pytest.mark.anyio
async def test_a_task_factory_without_a_context_disturbs_no_response(
    monitor: PerformanceMonitor,
) -> None:
    def factory(loop: Any, running: Any) -> Any:
        return asyncio.Task(running, loop=loop)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)  # type: ignore[arg-type]
    try:
        (response,) = await get(monitored(monitor), "/items/5")
        assert (response.status_code, monitor.background.is_running) == (200, True)
    finally:
        loop.set_task_factory(None)
        await monitor.stop()


# --- routes -----------------------------------------------------------------------------------


def with_slashes() -> Starlette:
    inner = FastAPI()
    inner.get("/items/")(lambda: 1)
    inner.get("/list")(lambda: 1)
    return Starlette(
        routes=[
            Mount("/v1", GZipMiddleware(inner)),
            Host("api.test", Starlette(routes=[Route("/of-host", lambda _: Response())])),
            Mount("/", inner),
        ]
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "status", "endpoint"),
    [
        ("/items", 307, "GET /items/"),
        ("/list/", 307, "GET /list"),
        ("/v1/items", 307, "GET /v1/items/"),
        ("/v1/list", 200, "GET /v1/list"),
        ("/v1/other/", 404, UNKNOWN),
        ("http://api.test/of-host", 200, "GET /of-host"),
    ],
)
async def test_a_redirect_to_a_slash_counts_for_the_route_behind_it(
    monitor: PerformanceMonitor, path: str, status: int, endpoint: str
) -> None:
    app = with_slashes()
    app.add_middleware(PerformanceMiddleware, monitor=monitor)
    (response,) = await get(app, path)
    assert (response.status_code, counted(monitor)) == (status, {endpoint: 1})


@pytest.mark.anyio
async def test_a_route_whose_matching_fails_disturbs_no_other_request(
    monitor: PerformanceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    class Fragile(APIRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            if "path_params" in scope:  # only when the monitor searches
                raise KeyError("hunter2")
            return super().matches(scope)

    app = FastAPI()
    app.router.routes.append(Fragile("/fragile", lambda: 1))
    app.mount("/v1", monitored(PerformanceMonitor()))
    app.add_middleware(PerformanceMiddleware, monitor=monitor)
    responses = await get(app, "/v1/items/1", "/fragile")
    assert [response.status_code for response in responses] == [200, 200]
    assert counted(monitor) == {"GET /v1/items/{number}": 1, "GET /fragile": 1}
    assert "Fragile.matches raised KeyError" in caplog.text
    assert "hunter2" not in caplog.text


class RouteWithoutPath(BaseRoute):
    """Matches every path, as a route that proxies to another service does."""

    endpoint = None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return Match.FULL, {"route": self, "endpoint": None}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Response("proxied")(scope, receive, send)
        raise ValueError("the app's own")


@pytest.mark.anyio
async def test_a_route_without_a_path_counts_and_its_errors_are_its_own(
    monitor: PerformanceMonitor,
) -> None:
    app = Starlette(routes=[RouteWithoutPath()])
    app.add_middleware(PerformanceMiddleware, monitor=monitor)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(ValueError, match="the app's own"):
            await client.get("/anything")
    assert statuses(monitor) == {UNKNOWN: {200: 1}}
    assert monitor.get_counts() == {"error_after_response": 1}


def test_an_endpoint_is_known_inside_a_request() -> None:
    app, router = FastAPI(), APIRouter(prefix="/v2")

    @router.get("/{number}")
    def name(request: Request) -> str:
        return endpoint_of(request.scope)

    app.include_router(router)
    assert TestClient(app).get("/v2/7").json() == "GET /v2/{number}"


# --- request IDs ------------------------------------------------------------------------------

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-ID": "proxy-1.2:3/4=+@~_"}, "proxy-1.2:3/4=+@~_"),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
        ({"X-Request-ID": "mine", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, "mine"),
        ({"X-Request-ID": 'two words"'}, None),
        ({"X-Request-ID": "x" * 129}, None),
        ({"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"}, None),
    ],
)
async def test_the_id_of_the_caller_is_kept_logged_and_returned_once(
    monitor: PerformanceMonitor,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
    expected: str | None,
) -> None:
    caplog.set_level(logging.INFO, logger=lines_logger.name)
    (response,) = await get(monitored(monitor), "/items/1", **headers)
    (line,) = [json.loads(record.getMessage()) for record in caplog.records]
    (returned,) = response.headers.get_list("X-Request-ID")
    assert returned == line["request_id"]
    if expected:
        assert returned == expected
    else:
        assert returned not in headers.values()


@pytest.mark.anyio
async def test_the_id_of_the_caller_is_returned_even_if_nothing_is_logged(
    monitor: PerformanceMonitor,
) -> None:
    app = monitored(monitor)
    (with_id,) = await get(app, "/items/1", **{"X-Request-ID": "mine"})
    (without,) = await get(app, "/items/1")
    assert with_id.headers.get_list("X-Request-ID") == ["mine"]
    assert "X-Request-ID" not in without.headers


@pytest.mark.anyio
async def test_an_id_that_the_app_sets_is_the_one_in_the_log(
    monitor: PerformanceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=lines_logger.name)
    app = monitored(monitor)
    app.get("/own")(lambda: Response(headers={"X-Request-ID": "of-the-app"}))
    (response,) = await get(app, "/own", **{"X-Request-ID": "of-the-proxy"})
    assert response.headers.get_list("X-Request-ID") == ["of-the-app"]
    assert '"of-the-app"' in caplog.text


# --- what else is measured --------------------------------------------------------------------


@pytest.mark.anyio
async def test_first_byte_and_size_of_a_stream_and_the_requests_in_progress(
    monitor: PerformanceMonitor,
) -> None:
    app = monitored(monitor)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def content() -> AsyncIterator[bytes]:
            yield b"x" * 1_000
            await asyncio.sleep(0.05)
            yield str(monitor.dump()["gauges"]["in_progress"]).encode()

        return StreamingResponse(content())

    (response,) = await get(app, "/stream")
    assert response.text[1_000:] == "1"
    metrics = monitor.get_performance_metrics()["GET /stream"]
    assert metrics.size == 1_001
    assert 0 < metrics.first_byte <= metrics.mean - 0.05
    assert monitor.dump()["gauges"]["in_progress"] == 0


def test_web_sockets_count_by_route_with_the_outcome_of_their_handshake(
    monitor: PerformanceMonitor,
) -> None:
    app = monitored(monitor)

    @app.websocket("/chat/{room}")
    async def chat(socket: WebSocket, room: str) -> None:
        if room == "secret":
            await socket.close()
            return
        await socket.accept()
        await socket.receive_text()
        await socket.send_json(monitor.open_websockets)
        if room == "broken":
            raise ValueError("after accepting")

    client = TestClient(app)
    with client.websocket_connect("/chat/a") as connection:
        connection.send_text("")
        assert connection.receive_json() == 1
    with pytest.raises(Exception):  # noqa: B017
        with client.websocket_connect("/chat/secret"):
            pass
    with pytest.raises(ValueError, match="after accepting"):
        with client.websocket_connect("/chat/broken") as connection:
            connection.send_text("")
            connection.receive_json()
    ((name, entry),) = monitor.dump()["endpoints"]
    assert (name, dict(entry[-1])) == ("WEBSOCKET /chat/{room}", {101: 2, 403: 1})
    assert (monitor.open_websockets, monitor.in_progress) == (0, 0)
    assert monitor.get_counts() == {"websocket_error": 1}
