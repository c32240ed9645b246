"""The Events API bounds what waits and what it stores, and checks its Redis at start-up."""

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from course_lib.api import create_app, login, stats
from course_lib.lab import events, redis_server, serve

CREDENTIALS = {"account": "user1@example.com", "password": "guess"}


@pytest.fixture
def slow_hash(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let no password hash end before the event is set."""
    go_on, real = threading.Event(), hashlib.scrypt

    def scrypt(password: bytes, **options: Any) -> bytes:
        assert go_on.wait(10)
        return real(password, **options)

    monkeypatch.setattr(login.hashlib, "scrypt", scrypt)
    yield go_on
    go_on.set()


def test_logins_beyond_the_most_are_503_with_retry_after_and_then_served_again(
    table: Path, slow_hash: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "MOST_LOGINS", 3)
    with serve.here(create_app(table)) as server, ThreadPoolExecutor(5) as pool:

        def log_in(_: int) -> Any:
            answer = server.client.post("/api/auth/login", json=CREDENTIALS)
            if answer.status_code == 503:
                slow_hash.set()
            return answer

        answers = list(pool.map(log_in, range(5)))
        assert Counter(answer.status_code for answer in answers)[503] >= 1
        rejected = next(answer for answer in answers if answer.status_code == 503)
        assert rejected.headers["Retry-After"] == "1"
        assert server.client.post("/api/auth/login", json=CREDENTIALS).status_code == 401


def test_entries_of_users_that_do_not_exist_expire_soon(
    table: Path, any_server: redis_server.RedisServer
) -> None:
    app = create_app(table, redis_url=any_server.url, cache=True, namespace="bounds")
    with serve.here(app) as server, Redis.from_url(any_server.url) as redis:
        server.get("/api/stats", user_id=events.hottest_user(table))
        server.get("/api/stats", user_id=10**12)
        keys = list(redis.scan_iter("*bounds*stats:user:*"))
        ttls = {key.endswith(b"1000000000000"): redis.ttl(key) for key in keys}
    assert 0 < ttls[True] <= stats.NO_EVENTS_TTL < ttls[False] <= stats.USER_TTL


def test_a_redis_that_is_unavailable_does_not_stop_the_start_up(
    table: Path, server_to_break: redis_server.RedisServer
) -> None:
    server_to_break.kill()
    app = create_app(table, redis_url=server_to_break.url, cache=True, limits=True, monitor=True)
    with serve.here(app) as server:
        assert server.get("/api/stats").status_code == 200


def test_a_redis_that_is_a_replica_stops_the_start_up_with_the_reason(
    table: Path, server_to_break: redis_server.RedisServer
) -> None:
    with Redis.from_url(server_to_break.url) as admin:
        admin.execute_command("REPLICAOF 127.0.0.1 1")
    with pytest.raises(RuntimeError, match="the server is a replica, which rejects writes"):
        serve.here(create_app(table, redis_url=server_to_break.url, limits=True))
