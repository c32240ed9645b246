"""A load reports what users experienced: how fast, at what cost, and if it kept its schedule."""

import asyncio
import contextlib
import itertools
import math
import time
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import psutil
import pytest
from fastapi import FastAPI, Header, HTTPException, Response
from fastapi.responses import StreamingResponse

from course_lib.lab import lifeline, sender, serve
from course_lib.lab.load_generator import Load, Route, Schedule, load, zipf_users

seen: Counter[str] = Counter()


@pytest.fixture(scope="module")
def server() -> Iterator[serve.Server]:
    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/item/{key}")
    async def item(key: str, response: Response) -> str:
        response.headers["Server-Timing"] = 'db;dur=2.500;desc="statements: 3"'
        response.headers["X-Cache"] = "miss" if seen[key] == 0 else "hit"
        response.headers["X-Cache-User"] = "wait"
        seen[key] += 1
        return "x" * 10_000

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"a" * 10, b"b" * 5_000]))

    @app.post("/item")
    async def add(body: dict[str, int]) -> None:
        seen["posted"] += body["number"]

    @app.get("/who")
    async def who(x_api_key: Annotated[str, Header()]) -> None:
        seen[x_api_key] += 1

    @app.get("/fails")
    async def fails() -> None:
        raise HTTPException(503)

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(0.05)

    @app.get("/stalls")
    async def stalls() -> None:
        time.sleep(0.3) if seen["stalls"] == 0 else None
        seen["stalls"] += 1

    @app.get("/never")
    async def never() -> None:
        await asyncio.sleep(30)

    with serve.here(app) as server:
        yield server


@pytest.fixture(autouse=True)
def forget() -> None:
    seen.clear()


def test_a_url_alone_is_a_load(server: serve.Server) -> None:
    result = load(server.url + "/slow", seconds=0.5)
    assert 3 <= result.requests <= 10
    assert result.errors == 0
    assert min(result.latencies()) >= 0.05
    assert result.floor < 0.05
    assert result.on_schedule
    assert "an empty route at the same load takes" in repr(result)


def test_requests_follow_the_schedule_and_take_their_keys_in_turn(server: serve.Server) -> None:
    keys = [1, 2, 1, 1, 3]
    result = load(Schedule(server.url, [Route("/item/{}", keys)]), users=4, requests=50)
    assert result.requests == 50
    assert seen == {"1": 30, "2": 10, "3": 10}


def test_routes_are_sent_by_their_shares_with_their_bodies(server: serve.Server) -> None:
    routes = [Route("/item", method="POST", body={"number": 1}), Route("/slow", share=3)]
    result = load(Schedule(server.url, routes), users=8, requests=200)
    assert seen["posted"] == len(result.latencies("/item"))
    assert 30 <= seen["posted"] <= 70
    assert result.table()["requests"].tolist() == [seen["posted"], 200 - seen["posted"], 200]
    again = load(Schedule(server.url, routes), users=8, requests=200)
    assert len(again.latencies("/item")) == len(result.latencies("/item")), (
        "the same seed, the same requests"
    )


def test_routes_of_one_path_differ_by_name_and_keys_are_put_into_headers(
    server: serve.Server,
) -> None:
    key = {"X-API-Key": "free-{}"}
    routes = [
        Route("/who", [666], headers=key, name="attacker"),
        Route("/who", [1, 2], headers=key, name="others"),
    ]
    result = load(Schedule(server.url, routes), requests=40)
    assert seen["free-666"] == len(result.latencies("attacker"))
    assert seen["free-1"] + seen["free-2"] == len(result.latencies("others"))
    assert abs(seen["free-1"] - seen["free-2"]) <= 1
    assert list(result.table().index) == ["attacker", "others", "all"]


def test_cache_hits_and_statements_are_added_up_from_the_headers(server: serve.Server) -> None:
    result = load(Schedule(server.url, [Route("/item/{}", ["a", "b", "a", "a"])]), requests=20)
    assert result.hit_rate() == 0.9
    assert result.hit_rate(of_users=True) == 0
    assert result.statements_per_thousand() == 3_000
    assert math.isnan(load(server.url + "/health", requests=5).hit_rate())


def test_a_response_without_a_length_is_read_to_its_end(server: serve.Server) -> None:
    result = load(server.url + "/stream", users=2, requests=20)
    assert (result.requests, result.errors) == (20, 0)


def test_errors_are_counted_and_their_latencies_are_not(server: serve.Server) -> None:
    result = load(Schedule(server.url, [Route("/fails"), Route("/slow")]), users=4, requests=40)
    assert 10 <= result.errors <= 30
    assert result.latencies("/fails") == []
    assert result.table().loc["/fails", "P50"] == "-"


def test_requests_waiting_at_the_end_are_unanswered_and_no_errors() -> None:
    quick = sender.Answer(0, 0.1, 200, "", "", 0, 0.0)
    waiting = sender.Answer(0, 2.0, sender.UNFINISHED, "", "", 0, 0.0)
    result = Load([quick, waiting] * 5, 2.0, ["/slow"], math.nan, on_schedule=True)
    assert (result.errors, result.unanswered(), result.answered_share()) == (0, 5, 0.5)
    assert "0 errors, 5 unanswered" in repr(result)
    row = result.table().loc["/slow"]
    assert (row["requests"], row["errors"], row["unanswered"]) == (10, 0, 5)
    assert result.latencies().count(2.0) == 5


def test_a_missing_server_counts_as_errors_and_raises_nothing() -> None:
    result = load("http://127.0.0.1:1/", requests=10)
    assert (result.requests, result.errors) == (10, 10)
    assert math.isnan(result.floor)
    assert math.isnan(result.statements_per_thousand())


def test_an_idle_connection_that_the_server_closed_is_not_used_again() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    async def send_to_it() -> list[int]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            client = sender._Sender(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            for _ in range(5):
                await client.send(0, b"GET / HTTP/1.1\r\n\r\n", time.perf_counter())
                await asyncio.sleep(0.02)
        return [answer.status for answer in client.answers]

    assert asyncio.run(send_to_it()) == [200] * 5


def test_512_concurrent_users_get_a_response_each(server: serve.Server) -> None:
    result = load(server.url + "/slow", users=512, requests=1024, seconds=30)
    assert (result.requests, result.errors) == (1024, 0)


def test_with_a_rate_every_request_due_during_a_stall_is_slow(server: serve.Server) -> None:
    closed = load(server.url + "/stalls", seconds=1.0)
    seen.clear()
    opened = load(server.url + "/stalls", seconds=1.0, rate=100)
    assert sum(latency > 0.1 for latency in closed.latencies()) == 1
    assert sum(latency > 0.1 for latency in opened.latencies()) >= 15
    assert 95 <= opened.requests <= 100


def test_with_a_rate_unfinished_requests_count_with_their_age(
    server: serve.Server,
) -> None:
    result = load(server.url + "/never", seconds=0.5, rate=20)
    assert (result.requests, result.errors) == (10, 0)
    assert 0.4 < max(result.latencies()) < 2
    assert min(result.latencies()) < 0.2


def test_with_a_rate_and_a_number_of_requests_all_are_waited_for(
    server: serve.Server,
) -> None:
    result = load(server.url + "/slow", seconds=30, rate=200, requests=20)
    assert (result.requests, result.errors) == (20, 0)
    assert min(result.latencies()) >= 0.05
    assert result.seconds < 10


def test_poisson_arrivals_are_random_and_the_same_for_the_same_seed() -> None:
    plan = {"rate": 100, "seed": 3, "poisson": True}
    gaps = list(itertools.islice(sender._gaps(plan), 10_000))
    assert gaps[:100] == list(itertools.islice(sender._gaps(plan), 100))
    assert abs(sum(gaps) / len(gaps) - 0.01) < 0.0005
    share_of_long_gaps = sum(gap > 0.01 for gap in gaps) / len(gaps)
    assert abs(share_of_long_gaps - math.exp(-1)) < 0.02  # the exponential distribution's


def test_keys_are_put_into_the_body_too(server: serve.Server) -> None:
    seen.clear()
    load(
        Schedule(server.url, [Route("/item", [3, 4], method="POST", body={"number": "{}"})]),
        requests=4,
    )
    assert seen["posted"] == 14


def test_a_load_that_fell_behind_says_so(server: serve.Server) -> None:
    result = load(server.url + "/health", seconds=0.5, rate=1_000_000)
    assert not result.on_schedule
    assert "THE LOAD GENERATOR FELL BEHIND" in repr(result)


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": "http://example.org/"},
        {"target": "http://10.0.0.1/"},
        {"users": 0},
        {"users": 10_000},
        {"seconds": 0},
        {"rate": 0},
        {"target": Schedule("http://127.0.0.1", [])},
    ],
)
def test_a_load_on_another_machine_or_out_of_range_raises_an_error(
    server: serve.Server, wrong: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"not on this machine|a load has 1 to"):
        load(**({"target": server.url} | wrong))


def test_an_unknown_route_raises_an_error_that_names_the_known_ones(
    server: serve.Server,
) -> None:
    with pytest.raises(ValueError, match="there are /health"):
        load(server.url + "/health", requests=1).latencies("/nowhere")


def test_the_stop_button_ends_the_load(
    server: serve.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    lifeline.folder()
    before = set(psutil.Process().children(recursive=True))
    monkeypatch.setattr("course_lib.lab.load_generator._wait", stop)
    with pytest.raises(KeyboardInterrupt):
        load(server.url + "/never", seconds=60)
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_finished_load_leaves_no_process(server: serve.Server) -> None:
    lifeline.folder()
    before = set(psutil.Process().children(recursive=True))
    load(server.url + "/health", requests=5)
    assert set(psutil.Process().children(recursive=True)) <= before


def test_zipf_users_are_reproducible_and_as_skewed_as_promised() -> None:
    users = zipf_users(200, 20_000)
    assert users == zipf_users(200, 20_000)
    assert users != zipf_users(200, 20_000, seed=2)
    times = Counter(users)
    assert set(times) <= set(range(1, 201))
    assert times[1] / times[10] == pytest.approx(10, rel=0.2)
