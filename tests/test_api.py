"""The Events API over real HTTP, on a small table of the same columns as the seeded one."""

import hashlib
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from course_lib.api import NEWEST_EVENTS, EventsDatabase, create_app, login, parsing
from course_lib.api.server_timing import Usage, usage_of_request
from course_lib.lab import redis_server, serve
from course_lib.lab.load_generator import Route, Schedule, load

SERVER_TIMING = re.compile(r'db;dur=(\d+\.\d{3});desc="statements: (\d+)"')


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a small table, with accounts for users 7 and 8.

    User 7 has 200 events, in pairs of the same time; users 8 and 123 have three each; 1,000 other
    users have one.
    """
    path = tmp_path_factory.mktemp("api") / "events.db"
    users = [7] * 200 + [8] * 3 + [123] * 3 + list(range(1000, 2000))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE events(id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL,"
            " type TEXT NOT NULL, status INTEGER NOT NULL, duration_ms INTEGER NOT NULL,"
            " title TEXT NOT NULL, starts_at INTEGER NOT NULL, created_at INTEGER NOT NULL,"
            " payload TEXT NOT NULL)"
        )
        connection.execute(
            "CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT NOT NULL, plan TEXT NOT NULL)"
        )
        connection.execute(
            "INSERT INTO users VALUES"
            " (7, 'seven@example.com', 'pro'), (8, 'eight@example.com', 'free')"
        )
        connection.executemany(
            "INSERT INTO events VALUES (NULL, ?, 'view', 200, 5, 'Daily Standup 1', 900, ?, '{}')",
            [(user, 1_704_067_200 + number * 37 % 200 // 2) for number, user in enumerate(users)],
        )
    return path


@pytest.fixture(scope="module")
def server(db: Path) -> Iterator[serve.Server]:
    with serve.here(create_app(db)) as server:
        yield server


def test_events_are_the_users_newest_first_and_the_later_id_breaks_a_tie(
    server: serve.Server, db: Path
) -> None:
    events = server.get("/api/events", user_id=7, limit=100).json()
    with closing(sqlite3.connect(db)) as connection:
        rows = connection.execute("SELECT created_at, id FROM events WHERE user_id = 7").fetchall()
    newest = sorted(rows, reverse=True)[:100]
    assert [(event["created_at"], event["id"]) for event in events] == newest
    assert {event["user_id"] for event in events} == {7}
    assert list(events[0]) == [
        *("id", "user_id", "type", "status", "duration_ms", "title", "starts_at", "created_at")
    ]


def test_without_a_limit_there_are_twenty_events(server: serve.Server) -> None:
    assert len(server.get("/api/events", user_id=7).json()) == 20
    assert len(server.get("/api/events", user_id=7, limit=1).json()) == 1
    assert len(server.get("/api/events", user_id=8).json()) == 3
    assert server.get("/api/events", user_id=9).json() == []


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"limit": 101}, {"user_id": 0}, {"user_id": 2**63}, {"user_id": "x"}]
)
def test_a_parameter_out_of_range_is_rejected_by_name(
    server: serve.Server, wrong: dict[str, object]
) -> None:
    answer = server.get("/api/events", **wrong)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", *wrong]


@pytest.mark.parametrize(
    ("key", "asked_for", "user"),
    [(None, None, 123), ("free-8", None, 8), ("pro-8", 7, 7), (None, 7, 7)],
)
def test_without_user_id_the_events_are_the_callers_own(
    server: serve.Server, key: str | None, asked_for: int | None, user: int
) -> None:
    params = {"user_id": asked_for} if asked_for else {}
    answer = server.client.get(
        "/api/events", params=params, headers={"X-API-Key": key} if key else {}
    )
    assert {event["user_id"] for event in answer.json()} == {user}


@pytest.mark.parametrize(
    "key", ["", "8", "free", "free-", "-8", "free-x", "free-8 x", "free-0", "free-" + "9" * 19]
)
def test_a_malformed_key_is_rejected_with_the_right_format(server: serve.Server, key: str) -> None:
    answer = server.client.get("/api/events", headers={"X-API-Key": key})
    assert answer.status_code == 401
    assert "<tier>-<user_id>" in answer.json()["detail"]
    assert answer.headers["WWW-Authenticate"] == "ApiKey"


@pytest.mark.parametrize(
    ("path", "status", "statements"),
    [
        ("/api/events", 200, 1),
        ("/health", 200, 0),
        ("/api/events?limit=0", 422, 0),
        ("/nowhere", 404, 0),
    ],
)
def test_every_response_has_its_statements_and_their_time(
    server: serve.Server, path: str, status: int, statements: int
) -> None:
    answer = server.client.get(path)
    assert answer.status_code == status
    timing = SERVER_TIMING.fullmatch(answer.headers["Server-Timing"])
    assert timing
    assert int(timing[2]) == statements
    assert (float(timing[1]) > 0) == (statements > 0)


def test_concurrent_requests_count_their_own_statements_only(server: serve.Server) -> None:
    paths = ["/api/events", "/health"] * 50
    with ThreadPoolExecutor(8) as pool:
        timings = pool.map(lambda path: server.client.get(path).headers["Server-Timing"], paths)
    assert [timing[-2] for timing in timings] == ["1", "0"] * 50


def test_a_statement_is_timed_to_its_last_row(db: Path) -> None:
    first_row_at_once = """
        WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < 300000)
        SELECT 1 AS found UNION ALL SELECT count(*) FROM number
    """
    usage = Usage()
    usage_of_request.set(usage)
    began = time.perf_counter()
    assert EventsDatabase(db).rows(first_row_at_once) == [{"found": 1}, {"found": 300_000}]
    assert usage.statements == 1
    assert usage.seconds > (time.perf_counter() - began) / 2


def test_a_waiting_query_does_not_block_the_event_loop(server: serve.Server, db: Path) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as writer, ThreadPoolExecutor() as pool:
        writer.execute("BEGIN EXCLUSIVE")
        waiting = pool.submit(server.get, "/api/events")
        assert server.get("/health").json() == {"status": "ok"}
        assert not waiting.done()
        writer.execute("ROLLBACK")
        assert waiting.result().status_code == 200


def test_the_database_works_outside_of_a_request_too(db: Path) -> None:
    assert EventsDatabase(db).user_totals(7)["user_id"] == 7


def test_an_open_connection_uses_an_index_that_was_created_later(db: Path) -> None:
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    def steps_of_query() -> int:
        nonlocal steps
        steps = 0
        connection.execute(NEWEST_EVENTS, (8, 20)).fetchall()
        return steps

    connection = EventsDatabase(db).connection
    connection.set_progress_handler(count, 1)
    before = steps_of_query()
    with closing(sqlite3.connect(db)) as other:
        other.execute("CREATE INDEX later ON events(user_id, created_at)")
        with_index = steps_of_query()
        other.execute("DROP INDEX later")
    assert with_index < before / 10
    assert steps_of_query() > before / 2


def test_the_api_cannot_write(db: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        EventsDatabase(db).connection.execute("DELETE FROM events")


def index_names(db: Path) -> set[str]:
    with closing(sqlite3.connect(db)) as connection:
        return {
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
        }


def test_indexes_are_created_at_start_up_if_switched_on_and_never_dropped(
    db: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(db.read_bytes())
    app = create_app(copy, indexes=True)
    assert index_names(copy) == set()
    with serve.here(app):
        made = index_names(copy)
    assert made
    with serve.here(create_app(copy)):
        assert index_names(copy) == made


def test_a_missing_database_raises_an_error_and_is_not_created(tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"
    with pytest.raises(FileNotFoundError, match=str(missing)):
        create_app(missing)
    assert not missing.exists()


# --- statistics, and the cache --------------------------------------------------------------------


@pytest.fixture
def cached(
    any_server: redis_server.RedisServer, db: Path, tmp_path: Path
) -> Iterator[serve.Server]:
    """The service with a cache, on a table and a namespace of the test's own."""
    own = tmp_path / "events.db"
    shutil.copyfile(db, own)
    app = create_app(
        own, redis_url=any_server.url, cache=True, namespace=f"api-{time.monotonic_ns()}"
    )
    with serve.here(app) as server:
        yield server


def outcomes(answer: httpx.Response) -> tuple[str, str, str]:
    timing = SERVER_TIMING.fullmatch(answer.headers["Server-Timing"])
    assert timing
    return answer.headers["X-Cache-User"], answer.headers["X-Cache"], timing[2]


def test_stats_are_the_users_own_and_the_platforms(server: serve.Server) -> None:
    answer = server.get("/api/stats", user_id=7)
    assert answer.json()["user"] == {
        "user_id": 7,
        "events": 200,
        "duration_ms": 1000,
        "by_type": [{"type": "view", "events": 200, "duration_ms": 1000}],
    }
    platform = answer.json()["platform"]
    assert platform["by_type"] == [{"type": "view", "events": 1206}]
    assert [row["user_id"] for row in platform["busiest_users"]] == [
        7,
        8,
        123,
        *range(1000, 1007),
    ]
    assert platform["users_in_seven_days"] == 1003
    assert SERVER_TIMING.fullmatch(answer.headers["Server-Timing"])[2] == "4"
    assert "X-Cache" not in answer.headers
    assert server.get("/api/stats").json()["user"]["user_id"] == 123


def test_a_user_without_events_has_totals_of_zero(server: serve.Server) -> None:
    assert server.get("/api/stats", user_id=9).json()["user"] == {
        "user_id": 9,
        "events": 0,
        "duration_ms": 0,
        "by_type": [],
    }


def test_the_two_parts_of_stats_are_cached_separately_with_the_same_response(
    server: serve.Server, cached: serve.Server
) -> None:
    first, second, other = (cached.get("/api/stats", user_id=user) for user in (7, 7, 8))
    assert [outcomes(answer) for answer in (first, second, other)] == [
        ("miss", "miss", "4"),
        ("hit", "hit", "0"),
        ("miss", "hit", "1"),
    ]
    assert first.json() == second.json() == server.get("/api/stats", user_id=7).json()
    assert other.json() == server.get("/api/stats", user_id=8).json()


def test_an_added_event_shows_at_once_and_invalidates_no_other_user(
    cached: serve.Server,
) -> None:
    for user in (7, 8):
        cached.get("/api/stats", user_id=user)
    event = {"type": "click", "title": "One more", "duration_ms": 11}
    added = cached.client.post("/api/events", json=event, headers={"X-API-Key": "free-7"})
    assert added.status_code == 201
    assert SERVER_TIMING.fullmatch(added.headers["Server-Timing"])[2] == "1"
    mine, other = (cached.get("/api/stats", user_id=user) for user in (7, 8))
    assert (outcomes(mine), outcomes(other)) == (("miss", "hit", "1"), ("hit", "hit", "0"))
    assert (mine.json()["user"]["events"], mine.json()["user"]["duration_ms"]) == (201, 1011)
    newest = cached.get("/api/events", user_id=7, limit=1).json()[0]
    assert (newest["id"], newest["title"], newest["user_id"]) == (added.json()["id"], "One more", 7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": ""},
        {"title": "x" * 201},
        {"duration_ms": -1},
        {"starts_at": 2**63},
        {"title": None},
    ],
)
def test_an_invalid_event_is_rejected_by_name_and_not_written(
    cached: serve.Server, wrong: dict[str, object]
) -> None:
    answer = cached.client.post("/api/events", json={"type": "view", "title": "x"} | wrong)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", *wrong]
    assert len(cached.get("/api/events").json()) == 3


def test_512_concurrent_misses_share_one_load(
    cached: serve.Server,
) -> None:
    result = load(Schedule(cached.url, [Route("/api/stats?user_id=7")]), users=512, requests=512)
    assert (result.requests, result.errors) == (512, 0)
    assert result.statements_per_thousand() == 1000 * 4 / 512


def test_without_redis_the_service_still_responds(
    server_to_break: redis_server.RedisServer, db: Path, server: serve.Server
) -> None:
    with serve.here(create_app(db, redis_url=server_to_break.url, cache=True)) as cached:
        cached.get("/api/stats", user_id=7)
        server_to_break.kill()
        answers = [cached.get("/api/stats", user_id=7) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 5
        assert answers[-1].json() == server.get("/api/stats", user_id=7).json()


def test_a_cache_without_a_redis_url_raises_an_error_that_names_it(db: Path) -> None:
    with pytest.raises(ValueError, match="cache=True needs redis_url"):
        create_app(db, cache=True)


def test_each_served_process_with_a_cache_has_its_own_keys(db: Path) -> None:
    with serve.start(db, cache=True) as one, serve.start(db, cache=True) as other:
        assert outcomes(one.get("/api/stats")) == ("miss", "miss", "4")
        assert outcomes(one.get("/api/stats")) == ("hit", "hit", "0")
        assert outcomes(other.get("/api/stats")) == ("miss", "miss", "4")


# --- expensive routes, and the limits -------------------------------------------------------------

Limited = Callable[..., serve.Server]


@pytest.fixture
def limited(
    any_server: redis_server.RedisServer, db: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Limited]:
    """Return a function that serves with limits, and with a model that takes no time."""
    monkeypatch.setattr(parsing, "MODEL_SECONDS", 0)
    servers = []

    def serve_limited(limits: Any = True, **switches: Any) -> serve.Server:
        namespace = f"api-{time.monotonic_ns()}"
        app = create_app(
            db, redis_url=any_server.url, limits=limits, namespace=namespace, **switches
        )
        servers.append(serve.here(app))
        return servers[-1]

    yield serve_limited
    for server in servers:
        server.stop()


def log_in(
    client: httpx.Client, account: str = "seven@example.com", password: str = "events"
) -> httpx.Response:
    return client.post("/api/auth/login", json={"account": account, "password": password})


def test_a_text_becomes_an_event_and_the_model_takes_one_call_at_a_time(
    server: serve.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "MODEL_SECONDS", 0.05)
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(server.client.post, "/api/events/parse", json={"text": "Lunch, 2 hours"})
            for _ in range(4)
        ]
        answers = [call.result().json() for call in calls]
    assert time.monotonic() - began >= 4 * 0.05
    assert (
        answers
        == [
            {"type": "view", "title": "Lunch, 2 hours", "duration_ms": 7_200_000, "starts_at": None}
        ]
        * 4
    )
    assert server.client.post("/api/events/parse", json={"text": ""}).status_code == 422


def test_login_returns_the_accounts_key_and_a_wrong_password_reveals_nothing(
    server: serve.Server,
) -> None:
    assert log_in(server.client).json() == {"api_key": "pro-7"}
    wrong, unknown = (
        log_in(server.client, password="guess"),
        log_in(server.client, account="nobody@example.com"),
    )
    assert [wrong.status_code, unknown.status_code] == [401, 401]
    assert wrong.json() == unknown.json()
    for answer in (wrong, unknown):
        assert answer.headers["Server-Timing"].endswith('"statements: 1"'), (
            "the same number of statements"
        )


def test_at_most_two_passwords_are_hashed_at_once_because_each_hash_takes_much_memory(
    server: serve.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = threading.Lock()
    hashing, hashed_at_once = 0, []

    def scrypt(password: bytes, **options: Any) -> bytes:
        nonlocal hashing
        with lock:
            hashing += 1
            hashed_at_once.append(hashing)
        try:
            return real(password, **options)
        finally:
            with lock:
                hashing -= 1

    real = hashlib.scrypt
    monkeypatch.setattr(login.hashlib, "scrypt", scrypt)
    with ThreadPoolExecutor(20) as pool:
        assert {answer.status_code for answer in pool.map(log_in, [server.client] * 20)} == {200}
    assert max(hashed_at_once) == 2


def test_a_password_is_hashed_off_the_event_loop(
    server: serve.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def scrypt(password: bytes, **options: Any) -> bytes:
        begun.set()
        assert go_on.wait(10)
        return real(password, **options)

    real = hashlib.scrypt
    monkeypatch.setattr(login.hashlib, "scrypt", scrypt)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(log_in, server.client)
        assert begun.wait(10)
        assert server.get("/health").status_code == 200
        go_on.set()
        assert call.result().status_code == 200


def test_with_the_usual_limits_fifty_texts_are_allowed_at_once_and_health_always(
    limited: Limited,
) -> None:
    server = limited()
    start = time.monotonic()
    allowed = 0
    while (answer := server.client.post("/api/events/parse", json={"text": "Lunch"})).is_success:
        allowed += 1
    refilled = (time.monotonic() - start) * 50 / 60  # tokens of the bucket: on a busy machine, some
    assert 50 <= allowed <= 50 + refilled
    assert answer.status_code == 429
    assert answer.headers["RateLimit-Policy"] == '"50/minute";q=50;w=60'
    assert SERVER_TIMING.fullmatch(answer.headers["Server-Timing"])
    assert [server.get("/health").status_code for _ in range(150)] == [200] * 150


def test_each_tier_has_its_limit_and_an_unknown_tier_the_first_ones(
    limited: Limited,
) -> None:
    server = limited({"*": {"free": "2/day", "pro": "4/day"}})
    for key, count in (("free-7", 2), ("pro-8", 4), ("gold-9", 2), (None, 2), ("no key", 0)):
        headers = {"X-API-Key": key} if key else {}
        statuses = [server.client.get("/api/events", headers=headers).status_code for _ in range(6)]
        assert statuses.count(429) == 6 - count if key != "no key" else statuses == [429] * 6, (
            "without a valid key it counts by address"
        )


def test_login_is_limited_by_address_and_by_account_whatever_the_key(
    limited: Limited,
) -> None:
    server = limited({"POST /api/auth/login": {"address": "4/day", "account": "3/day"}})
    statuses = [
        log_in(server.client, account=f"{number}@example.com").status_code for number in range(5)
    ]
    assert statuses == [401] * 4 + [429], "one address, many accounts"
    keyed = server.client.post(
        "/api/auth/login", json={"account": "x", "password": ""}, headers={"X-API-Key": "pro-7"}
    )
    assert keyed.status_code == 429
    with elsewhere(server, 2) as one, elsewhere(server, 3) as other:
        statuses = [
            log_in(client, password="guess").status_code for client in (one, other, one, other)
        ]
        assert statuses == [401] * 3 + [429], "one account, many addresses"
        refused = log_in(other, account="Seven@Example.com")
        assert (refused.status_code, refused.headers["X-RateLimit-Limit"]) == (429, "3")
        assert int(refused.headers["Retry-After"]) > 0
        assert log_in(one, account="eight@example.com").status_code == 200


def elsewhere(server: serve.Server, number: int) -> httpx.Client:
    """Return a client with another address: all of 127.0.0.0/8 is this machine."""
    transport = httpx.HTTPTransport(local_address=f"127.0.0.{number}")
    return httpx.Client(base_url=server.url, transport=transport)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"/api/events": "many"}, "'many' is not a limit"),
        ({"api": "1/day"}, "'api' is not a route"),
        ({"POST /api/auth/login": {"account": "5/minute", "ip": "5/minute"}}, "a limit by 'ip'"),
        (True, "redis_url"),
    ],
)
def test_invalid_limits_raise_an_error_at_start_up(
    db: Path, any_server: redis_server.RedisServer, limits: Any, words: str
) -> None:
    url = None if limits is True else any_server.url
    with (
        pytest.raises(ValueError, match=words),
        serve.here(create_app(db, redis_url=url, limits=limits)),
    ):
        pass


@pytest.mark.parametrize("algorithm", ["fixed_window", "token_bucket"])
def test_each_served_process_with_limits_counts_separately(db: Path, algorithm: str) -> None:
    switches: dict[str, Any] = {
        "limits": {"/api/events": {"free": "2/day", "pro": "3/day"}},
        "algorithm": algorithm,
    }
    with serve.start(db, **switches) as one, serve.start(db, **switches, cache=True) as other:
        for server in (one, other):
            assert [server.get("/api/events").status_code for _ in range(3)] == [200, 200, 429]
            assert server.get("/api/stats").status_code == 200
