"""A request that fails writes one log line, with or without the monitor, and never a secret."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from course_lib.api import create_app
from course_lib.lab import serve

SECRET = "correct horse battery"
CRASH = "GET /crash/{name}"


@pytest.fixture(params=[False, True], ids=["plain", "monitored"])
def app(request: pytest.FixtureRequest, table: Path) -> FastAPI:
    app = create_app(table, monitor=request.param)

    @app.get("/crash/{name}")
    async def crash(name: str) -> None:
        raise ValueError(f"no {name}")

    @app.get("/stream/{name}")
    async def stream(name: str) -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"begun"
            raise ValueError(f"no {name}")

        return StreamingResponse(body())

    return app


@pytest.fixture
def server(app: FastAPI, caplog: pytest.LogCaptureFixture) -> Iterator[serve.Server]:
    with serve.here(app) as server, caplog.at_level(logging.WARNING):
        yield server


def fields(line: str) -> tuple[str, int, str]:
    """Return the route, the status and the error of a line, which may be the monitor's."""
    if line.startswith("{"):
        content = json.loads(line)
        error = f"{content['error']} at {content['at']}"
        return content["route"], content["status"], error
    route, _, error = line.partition(" failed: ")
    return route, 0, error


def test_a_request_that_crashes_logs_one_line_and_keeps_its_connection(
    server: serve.Server, caplog: pytest.LogCaptureFixture
) -> None:
    answer = server.client.get(f"/crash/{SECRET}")
    assert (answer.status_code, answer.json()) == (500, {"detail": "internal error"})
    assert server.client.get("/health", headers={"Connection": "close"}).status_code == 200
    (line,) = [record.getMessage() for record in caplog.records]
    route, status, error = fields(line)
    assert (route, status in (0, 500)) == (CRASH, True)
    assert error.startswith("ValueError at ") and error.endswith(" in crash")
    assert SECRET not in line


def test_a_database_that_fails_is_a_503_and_one_line_that_says_why(
    app: FastAPI, server: serve.Server, table: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hidden = table.with_suffix(".hidden")
    table.rename(hidden)
    try:
        assert server.client.get("/api/events").status_code == 503
    finally:
        hidden.rename(table)
    assert server.client.get("/api/events", headers={"Connection": "close"}).status_code == 200
    (line,) = [record.getMessage() for record in caplog.records]
    assert "GET /api/events" in line and "unable to open" in line


def test_a_page_that_the_monitor_ignores_still_logs_its_failure(
    app: FastAPI, server: serve.Server, caplog: pytest.LogCaptureFixture
) -> None:
    others = [route for route in app.router.routes if getattr(route, "path", "") != "/metrics"]
    app.router.routes = others

    @app.get("/metrics")
    async def metrics() -> None:
        raise ValueError(SECRET)

    assert server.client.get("/metrics").status_code == 500
    (line,) = [record.getMessage() for record in caplog.records]
    assert fields(line)[0] == "GET /metrics" and SECRET not in line


def test_a_stream_that_fails_is_cut_off_without_a_traceback(
    server: serve.Server, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        server.client.get(f"/stream/{SECRET}")
    lines = [record.getMessage() for record in caplog.records]
    assert lines[-1] == "ASGI callable returned without completing response."  # the server's line
    assert len(lines) == 2 and fields(lines[0])[0] == "GET /stream/{name}"
    assert not any(record.exc_info for record in caplog.records)
