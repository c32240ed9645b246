"""The monitor counts every request once, by its route; percentiles are accurate; counts merge."""

import asyncio
import json
import logging
import math
import random
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.crc import key_slot
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from course_lib import redis_client
from course_lib.lab import bench, lifeline, redis_server, serve
from course_lib.lab.load_generator import Route as Sent
from course_lib.lab.load_generator import Schedule, load
from course_lib.monitor import (
    Histogram,
    Metrics,
    PerformanceMiddleware,
    PerformanceMonitor,
    workers,
)
from course_lib.monitor.endpoints import UNKNOWN
from course_lib.monitor.entries import MAX_ENTRIES, OTHERS
from course_lib.monitor.lines import lines as lines_logger
from tests.conftest import PATIENT

DURATIONS = st.lists(st.floats(1e-6, 86_400.0), min_size=1, max_size=300)
PERCENTS = [1, 10, 50, 90, 99, 99.9, 100]
SHAPES: dict[str, Callable[[np.random.Generator], Any]] = {
    "lognormal": lambda rng: rng.lognormal(-4, 1.5, 20_000),
    "exponential": lambda rng: rng.exponential(0.05, 20_000),
    "uniform": lambda rng: rng.uniform(0.001, 0.002, 20_000),
    "heavy tail": lambda rng: 0.001 * (1 + rng.pareto(1, 20_000)),
    "hits and misses": lambda rng: np.where(rng.random(20_000) < 0.88, 0.004, 0.48),
    "always the same": lambda rng: np.full(20_000, 0.25),
    "from a microsecond to a day": lambda rng: 10 ** rng.uniform(-6, math.log10(86_400), 20_000),
}


# --- percentiles ------------------------------------------------------------------------------


def filled(durations: Any, relative_error: float = 0.01) -> Histogram:
    histogram = Histogram(relative_error)
    for duration in durations:
        histogram.add(float(duration))
    return histogram


@given(DURATIONS, st.sampled_from([0.001, 0.01, 0.1]), st.sampled_from(PERCENTS))
def test_a_percentile_is_within_the_stated_error_of_the_nearest_rank(
    durations: list[float], error: float, percent: float
) -> None:
    exact = bench.percentile(durations, percent)
    assert abs(filled(durations, error).percentiles(percent)[0] - exact) <= exact * error * (
        1 + 1e-9
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_percentiles_of_any_distribution_are_within_the_stated_error(
    shape: str,
) -> None:
    durations = np.clip(SHAPES[shape](np.random.default_rng(1)), 1e-6, 86_400)
    percentiles = filled(durations).percentiles(*PERCENTS)
    for percent, percentile in zip(PERCENTS, percentiles, strict=True):
        exact = bench.percentile(list(durations), percent)
        assert abs(percentile - exact) <= exact * 0.01 * (1 + 1e-9), percent


@given(st.lists(DURATIONS, min_size=1, max_size=4))
def test_merged_histograms_equal_the_histogram_of_all_values(parts: list[list[float]]) -> None:
    merged = Histogram()
    for part in parts:
        merged.merge(filled(part))
    assert merged.dump() == filled(duration for part in parts for duration in part).dump()


def test_histograms_with_different_buckets_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match=r"0\.01 and 0\.02 can.t be merged"):
        Histogram(0.01).merge(Histogram(0.02))
    with pytest.raises(ValueError, match=r"0\.01 and 0\.02 can.t be merged"):
        PerformanceMonitor().merge(PerformanceMonitor(relative_error=0.02))


def test_durations_outside_a_microsecond_to_a_day_are_clamped_and_counted() -> None:
    monitor = PerformanceMonitor()
    for duration in (0.0, 1e-9, 1.0, 1e6):
        monitor.log_request("GET /", duration)
    metrics = monitor.get_performance_metrics()["GET /"]
    assert (metrics.count, metrics.clamped) == (4, 3)
    assert metrics.max == 86_400
    assert filled([1e-9]).percentiles(50) == [1e-6]


@pytest.mark.parametrize("duration", [-1e-9, math.nan, math.inf, -math.inf])
def test_an_invalid_duration_raises_and_is_not_counted(duration: float) -> None:
    monitor = PerformanceMonitor()
    with pytest.raises(ValueError, match="pass seconds, 0 or more"):
        monitor.log_request("GET /", duration)
    monitor.log_request("GET /", 1.0)
    assert monitor.get_performance_metrics()["GET /"].count == 1


@pytest.mark.parametrize("error", [0, 0.0001, 0.6, -1, math.nan])
def test_an_invalid_relative_error_raises(error: float) -> None:
    with pytest.raises(ValueError, match="pass a share from"):
        PerformanceMonitor(relative_error=error)


@pytest.mark.parametrize(
    "make", [Histogram, lambda share: PerformanceMonitor(relative_error=share)]
)
def test_a_relative_error_that_is_no_number_raises(make: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="relative_error is '1%': pass a share"):
        make("1%")


def test_a_middleware_without_a_monitor_raises() -> None:
    with pytest.raises(TypeError, match="monitor is None: pass a PerformanceMonitor"):
        PerformanceMiddleware(FastAPI(), monitor=None)  # type: ignore[arg-type]


# --- metrics ----------------------------------------------------------------------------------


def test_counts_means_and_maxima_are_exact_and_the_most_expensive_endpoint_comes_first() -> None:
    monitor = PerformanceMonitor()
    for duration, status in ((0.1, 200), (0.2, 500), (0.3, 429), (0.6, 499)):
        monitor.log_request("GET /a", duration, status=status)
    monitor.log_request("GET /b", 1.0)
    monitor.log_request("GET /c", 2.0, status=404)
    metrics = monitor.get_performance_metrics()
    assert list(metrics) == ["GET /c", "GET /a", "GET /b"]
    a = metrics["GET /a"]
    assert (a.count, a.errors, a.rejected, a.disconnected, a.total, a.max) == (4, 1, 1, 1, 1.2, 0.6)
    assert (a.mean, a.p50, a.p90) == pytest.approx((0.3, 0.2, 0.6), rel=0.01)
    assert metrics["GET /c"].errors == 0


def test_statements_are_sorted_by_total_or_p99_and_name_the_endpoint_that_ran_them() -> None:
    monitor = PerformanceMonitor()
    for _ in range(100):
        monitor.log_query("SELECT often", 0.01, endpoint="GET /often")
    monitor.log_query("SELECT slow", 0.4, endpoint="GET /slow")
    assert [query.sql for query in monitor.get_slow_queries()] == ["SELECT often", "SELECT slow"]
    slowest = monitor.get_slow_queries(1, by="p99")
    assert [(query.sql, query.endpoint, query.count, query.max) for query in slowest] == [
        ("SELECT slow", "GET /slow", 1, 0.4)
    ]
    with pytest.raises(ValueError, match="by 'total' or by 'p99'"):
        monitor.get_slow_queries(by="mean")


def test_memory_stays_bounded_after_many_distinct_paths_statements_and_names() -> None:
    monitor, distinct = PerformanceMonitor(), 30_000  # an entry for each would take 300 MB
    before = psutil.Process().memory_info().rss
    for number in range(distinct):
        monitor.log_request(f"GET /{number}", 0.001)
        monitor.log_query(f"SELECT {number}", 0.001, endpoint="GET /")
        monitor.count(f"name {number}")
    assert psutil.Process().memory_info().rss - before < 20_000_000
    metrics = monitor.get_performance_metrics()
    assert len(metrics) == MAX_ENTRIES + 1
    assert metrics[OTHERS].count == distinct - MAX_ENTRIES
    assert sum(query.count for query in monitor.get_slow_queries(1_000)) == distinct
    counts = monitor.get_counts()
    assert (len(counts), sum(counts.values())) == (MAX_ENTRIES + 1, distinct)
    monitor.log_request("GET /" + "x" * 10**7, 0.001)
    monitor.merge(monitor)
    assert monitor.get_performance_metrics()[OTHERS].count == 2 * (distinct + 1 - MAX_ENTRIES)


def test_concurrent_threads_lose_no_counts() -> None:
    monitor, whole = PerformanceMonitor(), PerformanceMonitor()
    durations = [random.Random(1).uniform(0.001, 1) for _ in range(5_000)]

    def log(own: PerformanceMonitor) -> None:
        for duration in durations:
            own.log_request("GET /", duration)
            own.log_query("SELECT 1", duration, endpoint="GET /")
            own.count("name")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=log, args=(monitor,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    for _ in range(8):
        log(whole)
    assert monitor.dump() == whole.dump()


# --- routes -----------------------------------------------------------------------------------


def respond(_: Request) -> PlainTextResponse:
    return PlainTextResponse("x")


def nested_app(monitor: PerformanceMonitor, folder: Path) -> FastAPI:
    """Return an app with routers in routers, and FastAPI and Starlette apps mounted in it."""
    app = FastAPI()
    mounted = FastAPI()
    users = APIRouter(prefix="/users/{user}")
    events = APIRouter(prefix="/events")
    inner = APIRouter(prefix="/deep")
    for router in (events, inner, mounted):
        router.get("/{number}")(lambda number: number)
        router.post("/{number}")(lambda number: number)
    users.include_router(events)
    app.include_router(users)
    app.include_router(events, prefix="/v2")
    mounted.include_router(inner)
    app.mount("/shops/{shop}", mounted)
    app.mount("/again", mounted)
    app.mount("/files", StaticFiles(directory=folder))
    app.add_route("/word/{word}", respond)
    other = Starlette(routes=[Route("/{word}", respond)])
    app.mount("/plain", Starlette(routes=[Mount("/a/{b}", other), Route("/a", respond)]))
    app.add_middleware(PerformanceMiddleware, monitor=monitor)
    return app


async def call(app: ASGIApp, *requests: tuple[str, str], **options: Any) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return [await client.request(method, path, **options) for method, path in requests]


def counted(monitor: PerformanceMonitor) -> dict[str, int]:
    metrics = monitor.get_performance_metrics()
    return {endpoint: figures.count for endpoint, figures in metrics.items()}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("GET", "/users/7/events/8", "GET /users/{user}/events/{number}"),
        ("POST", "/users/7/events/8", "POST /users/{user}/events/{number}"),
        ("DELETE", "/users/7/events/8", "DELETE /users/{user}/events/{number}"),
        ("GET", "/v2/events/8", "GET /v2/events/{number}"),
        ("GET", "/shops/9/8", "GET /shops/{shop}/{number}"),
        ("GET", "/again/8", "GET /again/{number}"),
        ("GET", "/shops/9/deep/8", "GET /shops/{shop}/deep/{number}"),
        ("GET", "/shops/9/docs", "GET /shops/{shop}/docs"),
        ("GET", "/shops/9/deep/8/9", UNKNOWN),
        ("GET", "/plain/a/1/2", "GET /plain/a/{b}/{word}"),
        ("GET", "/plain/a", "GET /plain/a"),
        ("GET", "/plain/b", UNKNOWN),
        ("GET", "/word/x", "GET /word/{word}"),
        ("GET", "/docs", "GET /docs"),
        ("GET", "/files/x", "GET /files/{path}"),
        ("GET", "/nowhere", UNKNOWN),
        ("BREW", "/v2/events/8", "OTHER /v2/events/{number}"),
    ],
)
async def test_a_request_is_counted_by_the_whole_template_of_its_route(
    method: str, path: str, endpoint: str, tmp_path: Path
) -> None:
    monitor = PerformanceMonitor()
    await call(nested_app(monitor, tmp_path), (method, path), (method, path))
    assert counted(monitor) == {endpoint: 2}


@pytest.mark.anyio
async def test_a_response_from_a_middleware_before_the_router_counts_for_its_route(
    tmp_path: Path,
) -> None:
    class RejectEverything:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await PlainTextResponse("later", 429)(scope, receive, send)

    monitor = PerformanceMonitor()
    app = nested_app(monitor, tmp_path)
    app.user_middleware.append(app.user_middleware[0].__class__(RejectEverything))
    await call(app, ("GET", "/v2/events/8"), ("GET", "/shops/9/8"), ("GET", "/nowhere"))
    endpoints = monitor.get_performance_metrics().items()
    assert {endpoint: metrics.rejected for endpoint, metrics in endpoints} == {
        "GET /v2/events/{number}": 1,
        "GET /shops/{shop}/{number}": 1,
        UNKNOWN: 1,
    }


@pytest.mark.anyio
async def test_starlette_alone_is_counted_and_ignored_endpoints_are_not() -> None:
    monitor = PerformanceMonitor()
    routes = [Route(path, respond) for path in ("/item/{number}", "/metrics")]
    app = Starlette(routes=routes)
    app.add_middleware(PerformanceMiddleware, monitor=monitor, ignore=["GET /metrics"])
    await call(
        app, ("GET", "/item/1"), ("GET", "/item/2"), ("GET", "/metrics"), ("HEAD", "/item/3")
    )
    assert counted(monitor) == {"GET /item/{number}": 2, "HEAD /item/{number}": 1}


# --- outcomes of requests ---------------------------------------------------------------------

STREAM_SECONDS = 0.2


@pytest.fixture
def monitor() -> PerformanceMonitor:
    return PerformanceMonitor()


@pytest.fixture
def server(monitor: PerformanceMonitor) -> Iterator[serve.Server]:
    app = FastAPI()

    @app.get("/wait")
    async def wait(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "waited"

    @app.get("/stream")
    async def stream(seconds: float = STREAM_SECONDS, fail: bool = False) -> StreamingResponse:
        async def content() -> AsyncIterator[bytes]:
            yield b"first"
            await asyncio.sleep(seconds)
            if fail:
                raise ValueError("in mid-stream")
            yield b"last"

        return StreamingResponse(content())

    @app.get("/raise")
    async def fail() -> None:
        raise ValueError("secret in the message")

    @app.get("/status/{status}")
    async def status(status: int) -> None:
        raise HTTPException(status)

    @app.post("/body")
    async def body(content: dict[str, Any]) -> int:
        return len(content)

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(
            lambda: monitor.count("seen in background", counted(monitor)["GET /background"])
        )
        return "done"

    async def late_reader(scope: Scope, receive: Receive, send: Send) -> None:
        """Start the response, and only then read the body."""
        await asyncio.sleep(0.15)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        content, more = b"", True
        while more:
            message = await receive()
            content, more = content + message["body"], message["more_body"]
        await send({"type": "http.response.body", "body": content})

    app.mount("/late", late_reader)
    app.add_middleware(PerformanceMiddleware, monitor=monitor)
    with serve.here(app) as server:
        yield server


def eventually(monitor: PerformanceMonitor, endpoint: str) -> Metrics:
    """Wait until an endpoint has metrics: a client may get its response slightly earlier."""
    deadline = time.monotonic() + 10
    while endpoint not in (metrics := monitor.get_performance_metrics()):
        assert time.monotonic() < deadline, metrics
        time.sleep(0.01)
    return metrics[endpoint]


def disconnect(server: serve.Server, head: str, body: bytes = b"", *, after: int = 0) -> None:
    """Send a request, read `after` bytes of the response, and close the connection."""
    _, _, port = server.url.rpartition(":")
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.sendall(f"{head} HTTP/1.1\r\nHost: test\r\n".encode() + body)
        while after > 0:
            after -= len(connection.recv(after))
        time.sleep(0.05)


def test_a_stream_is_timed_to_its_last_byte(
    server: serve.Server, monitor: PerformanceMonitor
) -> None:
    assert server.get("/stream").text == "firstlast"
    metrics = eventually(monitor, "GET /stream")
    assert (metrics.count, metrics.errors, metrics.disconnected) == (1, 0, 0)
    assert metrics.max >= STREAM_SECONDS


def test_a_request_is_counted_before_its_background_tasks_run(
    server: serve.Server, monitor: PerformanceMonitor
) -> None:
    server.get("/background")
    eventually(monitor, "GET /background")
    deadline = time.monotonic() + 10
    while not monitor.get_counts():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert monitor.get_counts() == {"seen in background": 1}


@pytest.mark.parametrize("path", ["/raise", "/stream?fail=1"])
def test_an_exception_is_an_error_even_after_the_response_has_started(
    server: serve.Server, monitor: PerformanceMonitor, path: str
) -> None:
    try:
        response = server.client.get(path)
    except httpx.RemoteProtocolError:  # the stream was cut off
        response = None
    assert (response is None) == path.startswith("/stream")
    metrics = eventually(monitor, "GET " + path.partition("?")[0])
    assert (metrics.count, metrics.errors, metrics.disconnected) == (1, 1, 0)


def test_rejections_and_client_errors_are_not_errors_of_the_service(
    server: serve.Server, monitor: PerformanceMonitor
) -> None:
    for status in (429, 404, 503):
        server.get(f"/status/{status}")
    metrics = eventually(monitor, "GET /status/{status}")
    while metrics.count < 3:
        metrics = eventually(monitor, "GET /status/{status}")
    assert (metrics.count, metrics.errors, metrics.rejected, metrics.disconnected) == (3, 1, 1, 0)


@pytest.mark.parametrize(
    ("head", "body", "after"),
    [
        ("GET /wait?seconds=0.4", b"\r\n", 0),
        ("GET /stream?seconds=0.5", b"\r\n", 100),
        ("POST /body", b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{", 0),
    ],
    ids=["before the response", "in mid-stream", "in mid-body"],
)
def test_a_client_that_disconnects_is_counted_as_disconnected(
    server: serve.Server, monitor: PerformanceMonitor, head: str, body: bytes, after: int
) -> None:
    disconnect(server, head, body, after=after)
    metrics = eventually(monitor, head.partition("?")[0])
    assert (metrics.count, metrics.errors, metrics.disconnected) == (1, 0, 1)


def test_a_client_that_waits_for_a_slow_response_is_not_counted_as_disconnected(
    server: serve.Server, monitor: PerformanceMonitor
) -> None:
    assert server.get("/wait", seconds=0.3).json() == "waited"
    metrics = eventually(monitor, "GET /wait")
    assert (metrics.count, metrics.disconnected) == (1, 0)


def test_an_app_that_reads_the_body_after_starting_its_response_gets_all_of_it(
    server: serve.Server, monitor: PerformanceMonitor
) -> None:
    assert (
        server.client.post("/late/x", content=b"whole body" * 10_000).content
        == b"whole body" * 10_000
    )
    assert eventually(monitor, "POST /late/{path}").disconnected == 0


# --- the log ----------------------------------------------------------------------------------


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    caplog.set_level(logging.INFO, logger=lines_logger.name)
    return lambda: [
        {"logged": record.levelname, **json.loads(record.getMessage())}
        for record in caplog.records
        if record.name == lines_logger.name
    ]


def test_each_request_is_one_json_line_with_its_id_route_status_and_duration(
    server: serve.Server, monitor: PerformanceMonitor, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    paths = ("/status/404", "/wait?seconds=0", "/raise")
    ids = [server.client.get(path).headers.get("X-Request-ID") for path in paths]
    eventually(monitor, "GET /raise")
    logged = lines()
    assert [(line["route"], line["status"], line["level"], line["logged"]) for line in logged] == [
        ("GET /status/{status}", 404, "INFO", "INFO"),
        ("GET /wait", 200, "INFO", "INFO"),
        ("GET /raise", 500, "WARNING", "WARNING"),
    ]
    assert [line["request_id"] for line in logged[:2]] == ids[:2]
    assert len({line["request_id"] for line in logged}) == 3
    assert logged[2]["error"] == "ValueError"
    assert {*logged[0]} == {
        "time",
        "level",
        "logged",
        "request_id",
        "route",
        "status",
        "duration_ms",
    }


def test_slow_requests_and_statements_are_logged_at_warning(
    server: serve.Server, monitor: PerformanceMonitor, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    monitor.slow = 0.1
    server.get("/wait", seconds=0.15)
    eventually(monitor, "GET /wait")
    monitor.log_query("SELECT ?", 0.1, endpoint="GET /wait")
    monitor.log_query("SELECT ?", 0.09, endpoint="GET /wait")
    request, statement = lines()
    assert (request["logged"], request["route"], request["duration_ms"] >= 150) == (
        "WARNING",
        "GET /wait",
        True,
    )
    assert {**statement, "time": ""} == {
        "time": "",
        "level": "WARNING",
        "logged": "WARNING",
        "endpoint": "GET /wait",
        "statement": "SELECT ?",
        "duration_ms": 100.0,
    }


def test_the_log_contains_nothing_that_a_client_sent(
    server: serve.Server, monitor: PerformanceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger=lines_logger.name)
    secret = "hunter2"
    headers = {
        "Authorization": secret,
        "X-Request-ID": f"{secret} with spaces",
        "User-Agent": secret,
        "X-API-Key": f"free-{secret}",
    }
    cookies = f"session={secret}"
    for method, path in (
        ("GET", f"/{secret}"),
        ("GET", f"/wait?seconds={secret}"),
        ("POST", f"/body?{secret}={secret}"),
    ):
        server.client.request(
            method, path, headers={**headers, "Cookie": cookies}, json={"password": secret}
        )
    server.client.get("/raise", headers=headers)
    eventually(monitor, "GET /raise")
    messages = [
        record.getMessage() for record in caplog.records if record.name == lines_logger.name
    ]
    assert len(messages) == 4
    assert secret not in "".join(messages)
    assert "secret in the message" not in "".join(messages)


# --- the event loop ---------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_blocked_event_loop_counts_once_for_each_check_that_it_delayed(
    monitor: PerformanceMonitor,
) -> None:
    assert monitor.get_event_loop_lag() is None
    monitor.start()
    await asyncio.sleep(0.15)
    start = time.perf_counter()
    time.sleep(0.5)
    blocked = time.perf_counter() - start
    await asyncio.sleep(0.15)
    await monitor.stop()
    lag = monitor.get_event_loop_lag()
    assert lag
    assert blocked - 0.1 <= lag.max
    assert lag.count >= 6  # five checks were due in that time
    assert lag.mean >= 0.1


# --- workers ----------------------------------------------------------------------------------


Make = Callable[..., PerformanceMonitor]


@pytest.fixture
async def make(any_server: redis_server.RedisServer, redis: Redis) -> AsyncIterator[Make]:
    """Return a function that makes monitors, each with its own connections, as in a worker."""
    clients: list[Redis] = []

    def make(**options: Any) -> PerformanceMonitor:
        clients.append(redis_client.connect(any_server.url, time_limit=PATIENT))
        return PerformanceMonitor(redis=clients[-1], **options)

    yield make
    for client in clients:
        await client.aclose()


def log_some(monitor: PerformanceMonitor, *, seed: int, requests: int = 200) -> None:
    rng = random.Random(seed)
    for _ in range(requests):
        monitor.log_request(
            f"GET /{rng.randrange(3)}",
            rng.lognormvariate(-4, 1),
            status=rng.choice([200, 500]),
        )
        monitor.log_query("SELECT ?", rng.random(), endpoint="GET /1")
        monitor.count("cache_hit", rng.randrange(3))


def comparable(monitor: PerformanceMonitor) -> dict[str, Any]:
    """Return everything counted, in an order that doesn't depend on which worker came first."""
    return json.loads(
        json.dumps(monitor.dump()),
        object_hook=lambda dump: {key: sorted_(value) for key, value in dump.items()},
    )


def sorted_(value: Any) -> Any:
    if not isinstance(value, list) or not value or not isinstance(value[0], list):
        return value
    return sorted([name, [*counted[:-1], sorted(counted[-1])]] for name, counted in value)


async def assert_merged_is(
    monitor: PerformanceMonitor, expected: PerformanceMonitor
) -> PerformanceMonitor:
    whole = await monitor.merged()
    assert comparable(whole) == comparable(expected)
    return whole


@pytest.mark.anyio
async def test_without_redis_merged_is_a_copy(monitor: PerformanceMonitor) -> None:
    log_some(monitor, seed=1)
    whole = await assert_merged_is(monitor, monitor)
    assert (whole.workers, whole.complete) == (1, True)
    whole.log_request("GET /only here", 1)
    assert "GET /only here" not in monitor.get_performance_metrics()


@pytest.mark.anyio
async def test_each_worker_returns_the_exact_totals_of_all_workers(make: Make) -> None:
    four, expected = [make() for _ in range(4)], PerformanceMonitor()
    for _ in range(3):
        for seed, worker in enumerate(four):
            log_some(worker, seed=seed)
            log_some(expected, seed=seed)
            await worker.merged()
        for worker in four:
            whole = await assert_merged_is(worker, expected)
    assert (whole.workers, whole.complete) == (4, True)


@pytest.mark.anyio
async def test_dead_workers_are_folded_once_however_many_workers_collect(
    make: Make, redis: Redis, monkeypatch: Any
) -> None:
    expected, first = PerformanceMonitor(), [make() for _ in range(3)]
    for seed, worker in enumerate(first):
        log_some(worker, seed=seed)
        log_some(expected, seed=seed)
        await worker.merged()
    monkeypatch.setattr(workers, "DEAD_AFTER", 100)
    await asyncio.sleep(0.3)
    second = [make() for _ in range(4)]
    for whole in await asyncio.gather(*[worker.merged() for worker in second * 3]):
        assert comparable(whole) == comparable(expected)
    monkeypatch.undo()  # on a slow machine, a live worker may have been folded as well
    for worker in second:
        await worker.merged()
    assert await redis.zcard("{monitor}:0.01:workers") == 4
    assert len(await redis.keys("{monitor}:0.01:worker:*")) == 4
    assert (await second[0].merged()).workers == 4


@pytest.mark.anyio
async def test_a_worker_taken_for_dead_continues_and_nothing_counts_twice(
    make: Make, monkeypatch: Any
) -> None:
    expected, sleeper, other = PerformanceMonitor(), make(), make()
    monkeypatch.setattr(workers, "DEAD_AFTER", 50)
    for seed in range(4):
        for monitor in (sleeper, expected):
            log_some(monitor, seed=seed)
        await sleeper.merged()
        await asyncio.sleep(0.1)
        await assert_merged_is(other, expected)  # folds the sleeper
        log_some(sleeper, seed=seed + 100)
        log_some(expected, seed=seed + 100)
        await assert_merged_is(sleeper, expected)


@pytest.mark.anyio
@pytest.mark.parametrize("folded", [False, True])
async def test_a_report_that_may_have_arrived_counts_once(
    server_to_break: redis_server.RedisServer, monkeypatch: Any, folded: bool
) -> None:
    clients = [redis_client.connect(server_to_break.url) for _ in range(2)]
    expected = PerformanceMonitor()
    worker, other = (PerformanceMonitor(redis=client) for client in clients)
    for monitor in (worker, expected):
        log_some(monitor, seed=1)
    await worker.merged()
    server_to_break.pause()
    for monitor in (worker, expected):
        log_some(monitor, seed=2)
    assert not (await worker.merged()).complete  # the report was sent, but its reply is lost
    server_to_break.resume()
    await asyncio.sleep(0.2)
    if folded:
        monkeypatch.setattr(workers, "DEAD_AFTER", 10)
        await asyncio.sleep(0.1)
        await other.merged()
        monkeypatch.undo()
    for monitor in (worker, expected):
        log_some(monitor, seed=3)
    deadline = time.monotonic() + 10
    while not (whole := await worker.merged()).complete:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert comparable(whole) == comparable(expected)
    for client in clients:
        await client.aclose()


@pytest.mark.anyio
async def test_while_redis_is_unavailable_a_worker_keeps_counting_and_is_marked_incomplete(
    server_to_break: redis_server.RedisServer,
) -> None:
    client = redis_client.connect(server_to_break.url)
    worker = PerformanceMonitor(redis=client)
    log_some(worker, seed=1)
    await worker.merged()
    server_to_break.kill()
    log_some(worker, seed=2)
    assert not (await assert_merged_is(worker, worker)).complete
    server_to_break.restart()
    deadline = time.monotonic() + 10
    while not (whole := await worker.merged()).complete:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    # The server has lost all data, so the worker's totals count from the last report before that.
    expected = PerformanceMonitor()
    log_some(expected, seed=2)
    assert counted(whole) == counted(expected)
    await client.aclose()


@pytest.mark.anyio
async def test_no_request_fails_because_of_redis(server_to_break: redis_server.RedisServer) -> None:
    client = redis_client.connect(server_to_break.url)
    app = FastAPI()
    app.get("/")(lambda: "response")
    monitor = PerformanceMonitor(redis=client)
    app.add_middleware(PerformanceMiddleware, monitor=monitor)
    monitor.start()
    await asyncio.sleep(0.05)
    server_to_break.kill()
    await asyncio.sleep(1.1)  # long enough for a report to fail
    responses = await call(app, *[("GET", "/")] * 3)
    assert [response.status_code for response in responses] == [200] * 3
    await monitor.stop()
    assert counted(monitor) == {"GET /": 3}
    await client.aclose()


@pytest.mark.anyio
async def test_all_keys_expire_and_share_a_slot_of_a_cluster(
    make: Make, redis: Redis, monkeypatch: Any
) -> None:
    await make().merged()
    monkeypatch.setattr(workers, "DEAD_AFTER", 10)
    await asyncio.sleep(0.05)
    await make().merged()  # folds the first worker, and itself if the machine is slow
    monkeypatch.undo()
    await make().merged()
    keys = await redis.keys("*")
    assert {key.rpartition(b":")[0].decode() for key in keys} == {
        "{monitor}:0.01",
        "{monitor}:0.01:worker",
        "{monitor}:0.01:folded",
    }
    assert len({key_slot(key) for key in keys}) == 1
    assert all([0 < await redis.pttl(key) <= workers.KEY_TTL for key in keys])


@pytest.mark.anyio
async def test_services_with_different_namespaces_or_relative_errors_do_not_mix(make: Make) -> None:
    others = [make(), make(namespace="other"), make(relative_error=0.02)]
    for worker in others:
        log_some(worker, seed=1)
    for worker in others * 2:
        await assert_merged_is(worker, worker)
    with pytest.raises(ValueError, match="a name without braces"):
        make(namespace="{x}")


# --- four workers of uvicorn ------------------------------------------------------------------

WORKERS = 4


@pytest.fixture
def four_workers(server_to_break: redis_server.RedisServer) -> Iterator[str]:
    """Yield the URL of a service with four processes, which report to Redis every second."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = f"{Path(__file__).parent.name}.monitored_app:app"
    command = [sys.executable, "-m", "uvicorn", app, "--no-access-log"]
    command += [f"--port={port}", f"--workers={WORKERS}"]
    # With the default of 5 s, uvicorn would kill healthy workers on a busy machine.
    command += ["--timeout-worker-healthcheck=60"]
    environment = {
        "REDIS_URL": server_to_break.url,
        "NAMESPACE": f"workers-{port}",
        "PYTHONPATH": str(Path.cwd()),
    }
    child = lifeline.start(command, environment=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while totals(url)["workers"] < WORKERS:
            assert child.alive() and time.monotonic() < deadline, child.tail()
            time.sleep(0.1)
        yield url
    finally:
        child.end()


def get(url: str) -> Any:
    """Return the JSON at a URL, over a new connection, so that all workers get some."""
    # Without verification, because preparing it takes longer than the request.
    return httpx.get(url, trust_env=False, verify=False, timeout=10).json()


def totals(url: str) -> dict[str, Any]:
    """Return what one of the workers reports about all of them."""
    try:
        return get(f"{url}/totals")
    except httpx.HTTPError:
        return {"workers": 0, "count": 0, "folds": 0}


def wait_for_count(url: str, expected: int, *, folded: bool = False) -> None:
    """Wait until a worker returns the expected count: each reports once a second, or later."""
    deadline = time.monotonic() + 30
    while True:
        current = totals(url)
        if current["count"] == expected and (current["folds"] or not folded):
            return
        assert time.monotonic() < deadline, (current, expected)
        time.sleep(0.2)


def test_four_workers_agree_and_a_killed_one_loses_at_most_a_second(four_workers: str) -> None:
    schedule = Schedule(four_workers, [Sent("/item/{}", list(range(10)))])
    expected = totals(four_workers)["count"]
    sent = load(schedule, users=8, seconds=60, requests=400)
    assert sent.errors == 0
    expected += 400
    url = f"{four_workers}/process"
    processes = {get(url) for _ in range(60)}
    assert len(processes) > 1
    wait_for_count(four_workers, expected)
    assert {totals(four_workers)["count"] for _ in range(12)} == {expected}

    psutil.Process(min(processes)).kill()
    sent = load(schedule, users=8, seconds=60, requests=400)
    expected += 400 - sum(answer.status == 0 for answer in sent.answers)
    wait_for_count(four_workers, expected, folded=True)
    assert {totals(four_workers)["count"] for _ in range(12)} == {expected}
