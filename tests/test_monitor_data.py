"""A wrong value, a damaged report or a loss in Redis never makes other figures wrong."""

import asyncio
import json
import logging
import math
import signal
import sqlite3
import time
from collections import Counter, UserDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from starlette.testclient import TestClient

from course_lib.advisor import recommend_indexes
from course_lib.api import create_app
from course_lib.lab import redis_server
from course_lib.limiter import RateLimiter
from course_lib.monitor import (
    PerformanceMiddleware,
    PerformanceMonitor,
    background,
    figures,
    prometheus,
    totals,
    workers,
)
from course_lib.monitor.entries import MAX_ENTRIES, MAX_NAME, OTHERS

PREFIX = "{monitor}:0.01:"


@pytest.fixture
def monitor() -> PerformanceMonitor:
    return PerformanceMonitor()


@pytest.fixture
def db(tmp_path: Path) -> str:
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE events(id INTEGER PRIMARY KEY, owner INTEGER, name TEXT)")
        rows = [(number % 5_000, f"name {number}") for number in range(30_000)]
        connection.executemany("INSERT INTO events VALUES (NULL, ?, ?)", rows)
    return str(path)


def counts(monitor: PerformanceMonitor) -> dict[str, int]:
    figures(monitor)  # what the dashboard shows can always be read
    metrics = monitor.get_performance_metrics()
    return {endpoint: figures.count for endpoint, figures in metrics.items()}


def log(monitor: PerformanceMonitor, endpoint: str, times: int) -> None:
    for _ in range(times):
        monitor.log_request(endpoint, 0.01)


# --- what is handed in ------------------------------------------------------------------------

WRONG: list[Callable[[PerformanceMonitor], None]] = [
    lambda monitor: monitor.log_request("GET /", "fast"),  # type: ignore[arg-type]
    lambda monitor: monitor.log_request("GET /", None),  # type: ignore[arg-type]
    lambda monitor: monitor.log_request(7, 0.1),  # type: ignore[arg-type]
    lambda monitor: monitor.log_request("GET /", 0.1, "200"),  # type: ignore[arg-type]
    lambda monitor: monitor.log_request("GET /", -1),
    lambda monitor: monitor.log_request("GET /", 0.1, first_byte=math.nan),
    lambda monitor: monitor.log_request("GET /", 0.1, size="5"),  # type: ignore[arg-type]
    lambda monitor: monitor.log_request("GET /", 0.1, size=-1),
    lambda monitor: monitor.log_query("SELECT 1", math.nan, endpoint="GET /"),
    lambda monitor: monitor.log_query(b"SELECT 1", 0.1, endpoint="GET /"),  # type: ignore[arg-type]
    lambda monitor: monitor.count("name", -1),
    lambda monitor: monitor.count("name", 2**60),
    lambda monitor: monitor.count("name", 0.5),  # type: ignore[arg-type]
    lambda monitor: monitor.count(None),  # type: ignore[arg-type]
]

WRONG_CALLS: list[tuple[str, Callable[[PerformanceMonitor], object]]] = [
    ("n is", lambda monitor: monitor.get_slow_queries(-1)),
    ("n is", lambda monitor: monitor.workload("10")),  # type: ignore[arg-type]
    ("by is", lambda monitor: monitor.get_slow_queries(by="p90")),
    ("name is", lambda monitor: monitor.watch(7, {})),  # type: ignore[arg-type]
    ("relative_error", lambda _: PerformanceMonitor(relative_error="1")),  # type: ignore[arg-type]
    ("monitor is", lambda _: prometheus(None)),  # type: ignore[arg-type]
    ("monitor is", lambda _: figures(None)),  # type: ignore[arg-type]
    ("duration is", lambda monitor: monitor.log_request("GET /", None)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("hand_in", WRONG)
def test_a_wrong_value_is_refused_and_counted_and_disturbs_no_other(
    monitor: PerformanceMonitor, hand_in: Callable[[PerformanceMonitor], None]
) -> None:
    monitor.log_request("GET /a", 0.1)
    with pytest.raises((TypeError, ValueError)):
        hand_in(monitor)
    assert counts(monitor) == {"GET /a": 1}
    assert monitor.get_slow_queries() == []
    assert monitor.get_counts() == {"monitor_refused": 1}


@pytest.mark.parametrize(("problem", "call"), WRONG_CALLS)
def test_a_wrong_argument_is_named(
    monitor: PerformanceMonitor, problem: str, call: Callable[[PerformanceMonitor], object]
) -> None:
    with pytest.raises((TypeError, ValueError), match=problem):
        call(monitor)


def test_a_time_to_the_first_byte_of_many_years_loses_no_other_request(
    monitor: PerformanceMonitor,
) -> None:
    monitor.log_request("GET /a", 0.1)
    monitor.log_request("GET /a", 0.1, first_byte=1e300)
    assert counts(monitor) == {"GET /a": 2}


class Broken(UserDict[str, int]):
    """A counter that another thread keeps changing."""

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("dictionary changed size during iteration")


def test_a_watched_counter_that_raises_is_left_out(
    monitor: PerformanceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    monitor.watch("broken", Broken())
    monitor.watch("kept", {"a": 3})
    assert monitor.get_counts() == monitor.get_counts() == {"kept:a": 3}
    assert caplog.text.count("The watched counter 'broken' can't be read") == 1


def test_a_child_that_ends_a_request_of_its_parent_reports_no_negative_gauge(
    monitor: PerformanceMonitor,
) -> None:
    monitor.in_progress -= 1
    assert monitor.dump()["gauges"]["in_progress"] == 0


@pytest.mark.parametrize("slow", ["0.5", None, True, -1, math.nan])
def test_a_wrong_limit_of_slow_raises_when_the_app_starts(slow: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="slow is"):
        PerformanceMonitor(slow=slow)


def test_a_client_that_blocks_raises_when_the_app_starts() -> None:
    with pytest.raises(TypeError, match=r"redis_client\.connect"):
        PerformanceMonitor(redis=BlockingRedis())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "ignore", [["/metrics"], ["get /metrics"], [""], "GET /metrics", None, [7]]
)
def test_what_could_ignore_nothing_or_too_much_raises_when_the_app_starts(
    monitor: PerformanceMonitor, ignore: Any
) -> None:
    with pytest.raises((TypeError, ValueError), match="ignore"):
        PerformanceMiddleware(FastAPI(), monitor=monitor, ignore=ignore)


def test_numbers_of_other_kinds_are_durations_too(monitor: PerformanceMonitor) -> None:
    for duration in (1, Decimal("0.5")):
        monitor.log_request("GET /", duration)  # type: ignore[arg-type]
        monitor.log_query("SELECT 1", duration, endpoint="GET /")  # type: ignore[arg-type]
    assert monitor.get_performance_metrics()["GET /"].total == 1.5
    assert monitor.get_slow_queries()[0].total == 1.5


def test_names_and_statuses_without_end_share_entries_and_can_be_encoded(
    monitor: PerformanceMonitor,
) -> None:
    long = "x" * 100_000
    for number in range(MAX_ENTRIES * 2):
        monitor.log_request(long, 0.1, 1_000 + number)
        monitor.count(f"{number} {long}")
        monitor.log_query(f"SELECT {number}", 0.1, endpoint="GET /\ud800")
    monitor.log_request(long, 0.1)
    assert counts(monitor) == {long[:MAX_NAME]: MAX_ENTRIES * 2 + 1}
    ((_, (*_, statuses)),) = monitor.dump()["endpoints"]
    assert len(statuses) == 2
    assert max(len(name) for name in monitor.get_counts()) == MAX_NAME
    prometheus(monitor).encode()
    json.dumps(figures(monitor), ensure_ascii=False).encode()


def test_a_signal_handler_may_count_while_the_monitor_counts(monitor: PerformanceMonitor) -> None:
    handler = signal.signal(signal.SIGUSR1, lambda *_: monitor.count("signal"))
    try:
        with monitor._lock:  # as in the middle of a report
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, handler)
    assert monitor.get_counts() == {"signal": 1}


# --- what others count ------------------------------------------------------------------------


def test_watched_counters_are_in_the_figures_and_in_prometheus(monitor: PerformanceMonitor) -> None:
    unavailable: Counter[str] = Counter()
    monitor.watch("cache_unavailable", unavailable)
    unavailable["timeout"] += 2
    assert figures(monitor)["counts"] == {"cache_unavailable:timeout": 2}
    assert 'app_counts_total{name="cache_unavailable:timeout"} 2\n' in prometheus(monitor)
    unavailable.update({f"reason {number}": 1 for number in range(MAX_ENTRIES)})
    assert monitor.get_counts()[OTHERS] == 1


def test_a_watched_value_that_is_no_count_is_left_out_and_logged(
    monitor: PerformanceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    values: dict[str, Any] = {"good": 1, "negative": -1, "text": "1", "half": 0.5}
    monitor.watch("mine", values)
    assert monitor.get_counts() == monitor.get_counts() == {"mine:good": 1}
    assert len(caplog.records) == 3
    with pytest.raises(TypeError, match="counter is"):
        monitor.watch("mine", [1])  # type: ignore[arg-type]


def test_a_watched_counter_that_is_cleared_counts_on(monitor: PerformanceMonitor) -> None:
    counter = Counter(timeout=5)
    monitor.watch("cache", counter)
    seen = [monitor.get_counts()["cache:timeout"]]
    counter.clear()
    seen.append(monitor.get_counts()["cache:timeout"])
    for times in (1, 3, "no count", 4):
        counter["timeout"] = times  # type: ignore[assignment]
        seen.append(monitor.get_counts()["cache:timeout"])
    assert seen == [5, 5, 6, 8, 8, 9]


def test_watched_counters_with_the_same_name_add_up(monitor: PerformanceMonitor) -> None:
    first, second = Counter(timeout=5), Counter(timeout=2, refused=1)
    for counter in (first, second, first):
        monitor.watch("cache", counter)
    assert monitor.get_counts() == {"cache:timeout": 7, "cache:refused": 1}


def test_a_watched_counter_that_several_threads_read_is_exact(monitor: PerformanceMonitor) -> None:
    class Counted(UserDict[str, int]):
        """A counter that counts while it's read."""

        def __getitem__(self, key: str) -> int:
            value = super().__getitem__(key)
            self.data[key] = value + 1
            time.sleep(0.0001)  # another thread may read the next value now
            return value

    counter = Counted(a=0)
    monitor.watch("mine", counter)
    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(lambda _: monitor.get_counts()["mine:a"], range(100)))
    assert sorted(seen) == list(range(100))


def test_a_watched_name_keeps_its_place_when_other_names_are_added(
    monitor: PerformanceMonitor,
) -> None:
    monitor.watch("cache", {"timeout": 5})
    for number in range(MAX_ENTRIES - 1):
        monitor.count(f"name {number}")
    assert monitor.get_counts()["cache:timeout"] == 5
    monitor.count("another name")
    counted = monitor.get_counts()
    assert (counted["cache:timeout"], counted[OTHERS]) == (5, 1)


@pytest.mark.anyio
async def test_a_watched_counter_that_is_cleared_leaves_its_worker_readable(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (PerformanceMonitor(redis=redis) for _ in range(2))
    counter = Counter(timeout=5)
    first.watch("cache", counter)
    await first.merged()
    with monkeypatch.context() as patch:
        patch.setattr(workers, "DEAD_AFTER", -1)
        await second.merged()
    counter.clear()
    counter["timeout"] += 1
    whole = await first.merged()
    assert (whole.get_counts(), whole.complete) == ({"cache:timeout": 6}, True)


def test_what_limits_that_are_tried_out_would_reject_is_in_the_metrics_of_the_api(
    any_server: redis_server.RedisServer, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_tried = partial(RateLimiter, enforce=False)
    monkeypatch.setattr("course_lib.api.app.RateLimiter", only_tried)
    options: dict[str, Any] = {"limits": {"GET /openapi.json": "1/day"}, "monitor": True}
    app = create_app(db, redis_url=any_server.url, namespace=f"tried-{id(db)}", **options)
    with TestClient(app) as client:
        statuses = [client.get("/openapi.json").status_code for _ in range(3)]
        metrics = client.get("/metrics").text
    assert statuses == [200] * 3
    assert 'app_counts_total{name="limiter_would_reject:GET /openapi.json"} 2\n' in metrics


def test_the_workload_goes_straight_into_the_advisor(monitor: PerformanceMonitor, db: str) -> None:
    sql = "SELECT * FROM events WHERE owner = 7"
    for endpoint in ("GET /a", "GET /a", "GET /b"):
        monitor.log_query(sql, 0.1, endpoint=endpoint)
    assert monitor.workload() == [(sql, 3)]
    (index,) = recommend_indexes(db, monitor.workload(), seconds=20)
    assert "(owner)" in str(index)


def test_the_workload_has_no_statement_of_which_only_the_beginning_is_kept(
    monitor: PerformanceMonitor,
) -> None:
    monitor.log_query(f"SELECT {'?, ' * MAX_NAME}?", 0.1, endpoint="GET /a")
    monitor.log_query("SELECT 1", 0.1, endpoint="GET /a")
    assert monitor.workload() == [("SELECT 1", 1)]


# --- what Redis has ---------------------------------------------------------------------------


@pytest.fixture
async def three(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> list[PerformanceMonitor]:
    """Return three workers, of which the first has ended and was folded."""
    monitors = [PerformanceMonitor(redis=redis) for _ in range(3)]
    log(monitors[0], "GET /a", 100)
    await monitors[0].merged()
    with monkeypatch.context() as patch:
        patch.setattr(workers, "DEAD_AFTER", 0)
        await asyncio.sleep(0.01)
        await monitors[1].merged()
    for monitor in monitors[1:]:
        log(monitor, "GET /a", 10)
        await monitor.merged()
    assert counts(await monitors[1].merged()) == {"GET /a": 120}
    return monitors


@pytest.mark.anyio
@pytest.mark.parametrize("lost", ["*", "past", "workers"])
async def test_a_loss_makes_all_counters_start_at_zero(
    three: list[PerformanceMonitor], redis: Redis, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    await redis.delete(*await redis.keys(PREFIX + lost))
    seen = []
    for monitor in (*three[1:], *three[1:]):
        seen.append(sum(counts(await monitor.merged()).values()))
    assert seen == [0] * 4
    assert "Redis has lost the figures of all workers" in caplog.text
    log(three[1], "GET /a", 5)
    assert counts(await three[2].merged()) | counts(await three[1].merged()) == {"GET /a": 5}


@pytest.mark.anyio
@pytest.mark.parametrize("reports_before", [0, 1, 2])
@pytest.mark.parametrize("is_folded", [False, True])
async def test_older_data_in_redis_makes_all_counters_start_at_zero(
    three: list[PerformanceMonitor],
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    reports_before: int,
    is_folded: bool,
) -> None:
    # A restart from a snapshot leaves such data, and so does a replica that takes over too late.
    monitors = [three[1], three[2], PerformanceMonitor(redis=redis)]
    for _ in range(reports_before):
        for monitor in monitors:
            await monitor.merged()
    snapshot = {key: await redis.dump(key) for key in await redis.keys()}
    for monitor in monitors:
        log(monitor, "GET /a", 10)
        await monitor.merged()
    await redis.flushall()
    for key, content in snapshot.items():
        await redis.restore(key, 60_000, content)
    if is_folded:  # what was restored is so old that all workers seem to be dead
        with monkeypatch.context() as patch:
            patch.setattr(workers, "DEAD_AFTER", -1)
            await PerformanceMonitor(redis=redis).merged()
    seen = [sum(counts(await monitor.merged()).values()) for monitor in monitors * 2]
    assert seen == [0] * 6
    await redis.flushall()
    for key, content in snapshot.items():  # the same data again, from before that loss
        await redis.restore(key, 60_000, content)
    seen = [sum(counts(await monitor.merged()).values()) for monitor in monitors * 2]
    assert seen == [0] * 6
    log(monitors[0], "GET /a", 5)
    assert counts(await monitors[0].merged()) == {"GET /a": 5}


@pytest.mark.anyio
async def test_a_report_that_is_lost_comes_back_with_the_next(
    three: list[PerformanceMonitor], redis: Redis
) -> None:
    await redis.delete(*await redis.keys(PREFIX + "worker:*"))
    whole = await three[1].merged()
    assert (counts(whole), whole.complete) == ({"GET /a": 110}, False)
    await three[2].merged()
    whole = await three[1].merged()
    assert (counts(whole), whole.complete) == ({"GET /a": 120}, True)


def edited(total: bytes, **values: Any) -> str:
    """Return a report with other values, and with its entries."""
    first, *lines = total.decode().split("\n")
    return "\n".join([json.dumps(json.loads(first) | values), *lines])


DAMAGES: dict[str, Callable[[bytes], Any]] = {
    "not JSON": lambda total: b"\xff garbage",
    "of another version": lambda total: json.dumps({"endpoints": []}),
    "a list": lambda total: "[1, 2]",
    "cut off": lambda total: total[: len(total) // 2],
    "a count that is text": lambda total: edited(total, counts={"x": "many"}),
    "a count that fell": lambda total: edited(total, counts={"x": -1}),
    "lag without end": lambda total: edited(total, lag=[0, 0, 0, 10**9, [1], 0, 0, []]),
    "a huge count": lambda total: total.replace(b"[10]", b"[99999999999999999999999]"),
    "nested too deeply": lambda total: "[" * 100_000,
}


@pytest.mark.anyio
@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_report_takes_only_its_own_figures_away(
    three: list[PerformanceMonitor],
    redis: Redis,
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (key,) = await keys_of_other_worker(three[1], redis)
    total = await redis.hget(key, "total")
    assert isinstance(total, bytes)
    await redis.hset(key, "total", DAMAGES[damage](total))
    whole = await three[1].merged()
    assert (counts(whole), whole.complete) == ({"GET /a": 110}, False)
    await three[1].merged()
    assert caplog.text.count("can't be read") == 1
    await three[2].merged()
    assert counts(await three[1].merged()) == {"GET /a": 120}


async def keys_of_other_worker(monitor: PerformanceMonitor, redis: Redis) -> list[bytes]:
    assert monitor._workers
    own = monitor._workers._id.encode()
    keys: list[bytes] = await redis.keys(PREFIX + "worker:*")
    return [key for key in keys if not key.endswith(own)]


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["worker", "foreign member"])
async def test_keys_of_another_type_are_passed_over_and_replaced(
    three: list[PerformanceMonitor], redis: Redis, name: str
) -> None:
    if name == "worker":
        (key,) = await keys_of_other_worker(three[1], redis)
        await redis.set(key, "foreign")
    else:
        await redis.zadd(PREFIX + "workers", {"foreign": 9e15})  # as old as can be
    assert counts(await three[1].merged())["GET /a"] >= 110
    await three[2].merged()
    whole = await three[1].merged()
    assert (counts(whole), whole.complete) == ({"GET /a": 120}, True)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["past", "workers"])
async def test_a_foreign_key_in_place_of_ours_counts_as_a_loss(
    three: list[PerformanceMonitor], redis: Redis, name: str
) -> None:
    await redis.set(PREFIX + name, "foreign")
    assert counts(await three[1].merged()) == {}
    log(three[1], "GET /a", 5)
    assert counts(await three[1].merged()) == {"GET /a": 5}


@pytest.mark.anyio
async def test_a_past_that_cannot_be_read_counts_as_a_loss(
    three: list[PerformanceMonitor], redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await redis.hset(PREFIX + "past", "total", "[")
    assert not (await three[1].merged()).complete
    seen = []
    for monitor in (three[1], three[2], three[1]):
        whole = await monitor.merged()
        seen.append((counts(whole), whole.complete))
    assert seen == [({}, True)] * 3
    assert caplog.text.count("can't be read") == 1


@pytest.mark.anyio
async def test_a_number_of_folds_that_is_none_does_not_stop_the_folding(
    three: list[PerformanceMonitor], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await redis.hset(PREFIX + "past", "folds", "many")
    monkeypatch.setattr(workers, "DEAD_AFTER", -1)
    await three[1].merged()
    assert await redis.hget(PREFIX + "past", "folds") == b"1"


@pytest.mark.anyio
@pytest.mark.parametrize("content", ["", "many", "9" * 5000])
async def test_a_foreign_note_of_a_folded_report_changes_nothing(
    three: list[PerformanceMonitor], redis: Redis, content: str
) -> None:
    for key in await redis.keys(PREFIX + "worker:*"):
        await redis.set(key.replace(b"worker:", b"folded:"), content)
    whole = await three[1].merged()
    assert (counts(whole), whole.complete) == ({"GET /a": 120}, True)
    await three[2].merged()
    notes = [await redis.get(key) for key in await redis.keys(PREFIX + "folded:*")]
    assert content.encode() not in notes


@pytest.mark.anyio
async def test_too_many_names_share_an_entry_in_the_same_way_at_every_scrape(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitors = [PerformanceMonitor(redis=redis) for _ in range(2)]
    for worker, monitor in enumerate(monitors):
        for number in range(MAX_ENTRIES - 50):
            endpoint = f"GET /{worker}/{number}"
            log(monitor, endpoint, worker + 1)
            monitor.log_query("SELECT 1", 0.1, endpoint=endpoint)
            monitor.count(endpoint, worker + 1)
        await monitor.merged()
    seen = set()
    for monitor in (*monitors, *monitors):
        seen.add(figures_in(await monitor.merged()))
    monkeypatch.setattr(workers, "DEAD_AFTER", -1)
    for _ in range(2):  # and after all are folded
        seen.add(figures_in(await PerformanceMonitor(redis=redis).merged()))
    assert len(seen) == 1


def count_under(name: str, monitor: PerformanceMonitor) -> None:
    monitor.log_request(name, 0.01)
    monitor.log_query(name, 0.01, endpoint=name[:6])
    monitor.count(name)


def increases(seen: list[PerformanceMonitor]) -> set[int]:
    """Return what Prometheus's increase() computes: after a fall, a counter has started at zero."""
    increases: Counter[str] = Counter()
    last: dict[str, int] = {}
    for line in [line for monitor in seen for line in figures_in(monitor)]:
        series, _, value = line.rpartition(" ")
        before = last.get(series, 0)
        increases[series.partition("{")[0]] += int(value) - before * (int(value) >= before)
        last[series] = int(value)
    return set(increases.values())


@pytest.mark.anyio
async def test_a_name_that_has_an_entry_keeps_it_when_workers_end_and_start(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for worker in range(5):
        monitor = PerformanceMonitor(redis=redis)
        for number in range(MAX_ENTRIES - 50):  # names before and after others' in the alphabet
            count_under(f"GET /{(number + 379 * worker) % 997:03}", monitor)
        seen.append(await monitor.merged())
        with monkeypatch.context() as patch:
            patch.setattr(workers, "DEAD_AFTER", -1)
            seen.append(await PerformanceMonitor(redis=redis).merged())
    assert increases(seen) == {5 * (MAX_ENTRIES - 50)}


@pytest.mark.anyio
async def test_a_name_that_has_an_entry_keeps_it_when_live_workers_find_others(
    redis: Redis,
) -> None:
    monitors = [PerformanceMonitor(redis=redis) for _ in range(2)]
    seen = []
    for number in range(2 * MAX_ENTRIES - 100):
        count_under(f"GET /{999 - number}", monitors[number % 2])
        if number % 30 == 29:
            await monitors[1].merged()
            seen += [await monitor.merged() for monitor in monitors]
    assert increases(seen) == {2 * MAX_ENTRIES - 100}
    written = await redis.hget(PREFIX + "past", "folds")
    for monitor in monitors * 2:
        await monitor.merged()
    assert await redis.hget(PREFIX + "past", "folds") == written  # only if there are new names


def figures_in(monitor: PerformanceMonitor) -> frozenset[str]:
    names = ("http_requests_total{", "db_statement_duration_seconds_count{", "app_counts_total{")
    return frozenset(line for line in prometheus(monitor).splitlines() if line.startswith(names))


def test_a_total_of_many_years_can_be_read_and_many_of_them_added_up() -> None:
    entry = [2**70, 10**9, 0, 5, [2**50], 2**70, 2**70, [[200, 2**50]]]
    total = {
        "lag": entry,
        "counts": {"a": 2**70},
        "gauges": {},
        "endpoints": [("GET /", entry)],
        "statements": [],
    }
    read = totals.parse(0.01, totals.as_text(total).encode())
    whole = totals.combine(0.01, [read] * 100)
    assert whole["counts"] == {"a": 100 * 2**70}


@pytest.mark.anyio
async def test_a_report_that_cannot_be_made_is_logged_and_made_up_for(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = PerformanceMonitor(redis=redis)
    log(monitor, "GET /a", 3)
    with monkeypatch.context() as patch:
        patch.setattr(totals, "json", None)  # as if there were no memory left
        monitor.start()
        while len(caplog.messages) < 2:  # the task, and the last report at its end
            await asyncio.sleep(0.01)
    assert caplog.messages == [
        "The monitor's background task failed; the next request restarts it",
        "The monitor's last report failed",
    ]
    monitor.start()
    await monitor.stop()
    assert counts(await PerformanceMonitor(redis=redis).merged()) == {"GET /a": 3}


@pytest.mark.anyio
async def test_reports_go_on_after_any_refusal_and_log_it_once(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "REPORT_INTERVAL", 0.02)
    refusals = [ResponseError("NOPERM no right"), ResponseError("NOPERM no right")]
    run = workers.Workers._run

    async def refuse_at_first(self: workers.Workers, *arguments: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return await run(self, *arguments)

    monkeypatch.setattr(workers.Workers, "_run", refuse_at_first)
    monitor = PerformanceMonitor(redis=redis)
    log(monitor, "GET /a", 3)
    monitor.start()
    while not await redis.exists(PREFIX + "workers"):
        await asyncio.sleep(0.01)
    await monitor.stop()
    assert counts(await PerformanceMonitor(redis=redis).merged()) == {"GET /a": 3}
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
