"""Servers respond over real HTTP, fail to start with a clear error, and leave nothing behind."""

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import psutil
import pytest
from fastapi import FastAPI, Request
from starlette.types import Receive, Scope, Send

from course_lib.lab import events, http_protocol, lifeline, paths, serve


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE events(id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL,"
            " type TEXT NOT NULL, status INTEGER NOT NULL, duration_ms INTEGER NOT NULL,"
            " title TEXT NOT NULL, starts_at INTEGER NOT NULL, created_at INTEGER NOT NULL,"
            " payload TEXT NOT NULL)"
        )
        connection.execute(
            "INSERT INTO events VALUES (1, 42, 'view', 200, 5, 'Daily Standup 1', 900, 800, '{}')"
        )
    return path


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/port")
    async def port(request: Request) -> int:
        assert request.client
        return request.client.port

    return app


def descendants() -> set[int]:
    """Return the numbers of this process's children, except the guardian of the folder."""
    lifeline.folder()
    return {process.pid for process in psutil.Process().children(recursive=True)}


class Copy:
    """An object that works as a path, as a copy of the table does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def test_a_server_runs_in_a_process_of_its_own_until_it_is_stopped(db: Path) -> None:
    before = descendants()
    with serve.start(Copy(db)) as server:
        assert len(descendants() - before) == 2  # the server and its guardian
        assert [event["id"] for event in server.get("/api/events", user_id=42).json()] == [1]
        assert server.url in repr(server)
    assert descendants() == before
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url, trust_env=False)


def test_switches_reach_the_app_and_two_servers_run_side_by_side(db: Path) -> None:
    with serve.start(db) as plain, serve.start(db, indexes=True) as indexed:
        assert plain.url != indexed.url
        assert (
            plain.get("/api/events", user_id=42).json()
            == indexed.get("/api/events", user_id=42).json()
        )
    with closing(sqlite3.connect(db)) as connection:
        assert (
            connection.execute(
                "SELECT count(*) FROM sqlite_master WHERE type = 'index'"
            ).fetchone()[0]
            > 0
        )


def test_a_copy_of_the_table_lives_as_long_as_it_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "DATA", tmp_path)
    with serve.start(events.copy(rows=1_000)) as server:
        assert server.get("/api/stats").is_success
        assert isinstance(server.db, events.Copy)
        file = server.db.path
    assert not file.exists()


def test_a_missing_database_raises_an_error_and_starts_nothing(
    tmp_path: Path,
) -> None:
    before = descendants()
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "missing.db")):
        serve.start(tmp_path / "missing.db")
    assert list(tmp_path.iterdir()) == []
    assert descendants() == before


def test_an_unknown_switch_raises_an_error_that_names_it(db: Path) -> None:
    before = descendants()
    with pytest.raises(RuntimeError, match="unexpected keyword argument 'idnexes'"):
        serve.start(db, idnexes=True)
    assert descendants() == before


def test_a_failed_start_up_raises_an_error_with_the_end_of_the_log(tmp_path: Path) -> None:
    before = descendants()
    broken = tmp_path / "broken.db"
    broken.write_text("this is no database, and long enough to be seen as none " * 100)
    with pytest.raises(RuntimeError, match=r"(?s)did not start; its log ends:.*startup failed"):
        serve.start(broken, indexes=True)
    assert descendants() == before


def test_calls_share_one_connection_and_ignore_a_proxy(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with serve.here(app) as server:
        assert len({server.get("/port").json() for _ in range(5)}) == 1


def test_a_call_on_the_open_connection_has_no_delayed_acknowledgement(app: FastAPI) -> None:
    """Compare it with a new connection: without TCP_NODELAY it would take 40 ms more."""
    durations: dict[str, list[float]] = {"keep-alive": [], "close": []}
    with serve.here(app) as server:
        for _ in range(30):
            for connection, seconds in durations.items():
                # The call before leaves a connection that is open, or none.
                server.client.get("/port", headers={"Connection": connection})
                began = time.perf_counter()
                server.client.get("/port", headers={"Connection": connection})
                seconds.append(time.perf_counter() - began)
    assert min(durations["keep-alive"]) < 2 * min(durations["close"])


def test_an_app_served_here_sees_this_processs_variables(app: FastAPI) -> None:
    answers = ["before"]
    app.get("/answer")(lambda: answers[0])
    with serve.here(app) as server:
        assert server.get("/answer").json() == "before"
        answers[0] = "after"
        assert server.get("/answer").json() == "after"


def test_an_app_is_served_while_this_processs_own_event_loop_runs(app: FastAPI) -> None:
    async def cell() -> int:
        with serve.here(app) as server:
            async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
                return server.get("/port").status_code + (await client.get("/port")).status_code

    assert asyncio.run(cell()) == 400


def test_an_app_can_be_served_twice_at_once_and_stop_ends_the_thread(
    app: FastAPI,
) -> None:
    before = threading.active_count()
    first, second = serve.here(app), serve.here(app)
    assert first.url != second.url
    assert first.get("/port").status_code == second.get("/port").status_code == 200
    first.stop()
    first.stop()
    assert second.get("/port").status_code == 200
    second.stop()
    assert threading.active_count() == before
    with serve.here(app) as third:
        assert third.get("/port").status_code == 200


def test_an_app_without_a_start_up_of_its_own_is_served() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    with serve.here(app) as server:
        assert server.get("/").status_code == 204


def test_a_start_up_that_raises_here_is_reported_with_what_and_where(
    capfd: pytest.CaptureFixture[str],
) -> None:
    @asynccontextmanager
    async def load_model(app: FastAPI) -> AsyncIterator[None]:
        raise ValueError("no model")
        yield

    before = threading.active_count()
    with pytest.raises(
        RuntimeError, match=r"start-up raised ValueError: no model \(in load_model, line \d+\)"
    ):
        serve.here(FastAPI(lifespan=load_model))
    assert threading.active_count() == before
    assert "Traceback" not in capfd.readouterr().err


def test_the_stop_button_during_a_start_up_here_leaves_no_thread_and_no_port() -> None:
    started, go_on = threading.Event(), threading.Event()

    @asynccontextmanager
    async def slow(_: FastAPI) -> AsyncIterator[None]:
        started.set()
        await asyncio.to_thread(go_on.wait, 10)
        yield

    def press_stop() -> None:
        started.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    threads = threading.active_count()
    threading.Thread(target=press_stop).start()
    with pytest.raises(KeyboardInterrupt):
        serve.here(FastAPI(lifespan=slow))
    go_on.set()
    deadline = time.monotonic() + 10
    while threading.active_count() > threads:
        assert time.monotonic() < deadline, "the server's thread goes on"
        time.sleep(0.01)


def test_a_connection_that_sends_no_complete_request_is_closed(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.2)
    request = b"GET /port HTTP/1.1\r\nHost: x\r\n"
    with serve.here(app) as server:
        address = ("127.0.0.1", server.client.base_url.port or 0)
        for is_second in (False, True):
            with socket.create_connection(address, timeout=10) as client:
                if is_second:
                    client.sendall(request + b"\r\n")
                    assert b"200 OK" in client.recv(4096)
                client.sendall(request)
                with contextlib.suppress(ConnectionResetError):
                    while client.recv(4096):
                        pass


def test_beyond_the_most_connections_new_ones_are_closed_and_later_served(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "MOST_OPEN", 3)
    with serve.here(app) as server:
        address = ("127.0.0.1", server.client.base_url.port or 0)
        idle = [socket.create_connection(address) for _ in range(3)]
        with pytest.raises(httpx.TransportError):
            server.client.get("/port")
        for client in idle:
            client.close()
        time.sleep(0.1)
        assert server.client.get("/port").status_code == 200


def test_no_switch_is_in_a_command_line_where_all_users_could_read_it(db: Path) -> None:
    before = descendants()
    with serve.start(db, namespace="secret-namespace"):
        started = [psutil.Process(pid) for pid in descendants() - before]
        assert started
        assert not [process for process in started if "secret" in str(process.cmdline())]
        assert not list(lifeline.folder().glob("*.switches"))


def test_serving_something_that_is_not_an_app_raises_an_error() -> None:
    with pytest.raises(TypeError, match="takes an app, such as FastAPI"):
        serve.here("app")  # type: ignore[arg-type]
