"""Whose request it is, what it costs, and what its client is told; addresses and middleware."""

import json
import math
import uuid
from fractions import Fraction
from numbers import Real
from typing import Any

import numpy
import pytest
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from course_lib.lab import paths, redis_server
from course_lib.limiter import (
    HEADER_NAMES,
    Limit,
    RateLimiter,
    RateLimitMiddleware,
    address,
    address_behind,
)

LIMITED = [200, 200, 429]


# --- addresses ---


def scope(host: str | None, *headers: tuple[str, str]) -> Any:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return {"type": "http", "client": None if host is None else (host, 1), "headers": raw}


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("203.0.113.7:51234", "203.0.113.7"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
        ("203.0.113.7:51234, 10.0.0.9:4711", "203.0.113.7"),
        ("203.0.113.7, [::ffff:10.0.0.9]:80", "203.0.113.7"),
        ("203.0.113.7,", "203.0.113.7"),
        (", , 203.0.113.7 ,\t, ", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:1", "203.0.113.7"),
        ("203.0.113.7, 0:0:0:0:0:ffff:10.0.0.9", "203.0.113.7"),
        ('"[2001:db8:1:2::9]:443"', "2001:db8:1:2::/64"),
        ("", "10.0.0.1"),
        (",,", "10.0.0.1"),
        ("[", "["),
        ("unknown", "unknown"),
    ],
)
def test_ports_brackets_and_empty_entries_are_no_part_of_an_address(
    value: str, client: str
) -> None:
    request = scope("10.0.0.1", ("X-Forwarded-For", value))
    assert address_behind("10.0.0.0/8")(request) == client
    mapped = scope("::ffff:10.0.0.1", ("X-Forwarded-For", value))
    assert address_behind("10.0.0.0/8")(mapped) == client


@pytest.mark.parametrize("proxy", ["::ffff:10.0.0.1", "::ffff:10.0.0.0/104"])
def test_a_proxy_may_be_named_by_its_mapped_address(proxy: str) -> None:
    identify = address_behind(proxy)
    for host in ("::ffff:10.0.0.1", "10.0.0.1"):
        assert identify(scope(host, ("X-Forwarded-For", "203.0.113.7"))) == "203.0.113.7"
    assert identify(scope("11.0.0.1", ("X-Forwarded-For", "203.0.113.7"))) == "11.0.0.1"


@pytest.mark.parametrize("host", ["203.0.113.7:51234", "203.0.113.7", "::ffff:203.0.113.7"])
def test_what_a_server_makes_of_the_header_is_an_address_too(host: str) -> None:
    assert address(scope(host)) == "203.0.113.7"


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("for=203.0.113.7;proto=https", "203.0.113.7"),
        ("For=198.51.100.1, proto=https;for=203.0.113.7:80;by=10.0.0.1", "203.0.113.7"),
        ('for="[2001:db8:1:2::9]:4711"', "2001:db8:1:2::/64"),
        ('for=203.0.113.7, for="10.0.0.9:1"', "203.0.113.7"),
        ("proto=https", "10.0.0.1"),
        ("for=unknown", "unknown"),
        # A proxy may add what the client sent as its Host.
        ('host="x;for=198.51.100.1";for=203.0.113.7', "203.0.113.7"),
        ('for=203.0.113.7;host="x, for=198.51.100.1"', "203.0.113.7"),
        (r'for=203.0.113.7;host="x\", for=198.51.100.1"', "203.0.113.7"),
        ('for="198.51.100.1, for=203.0.113.7;host="x"', "203.0.113.7"),
    ],
)
def test_the_forwarded_header_names_the_client(value: str, client: str) -> None:
    request = scope("10.0.0.1", ("Forwarded", value))
    assert address_behind("10.0.0.0/8")(request) == client
    assert address_behind("10.0.0.0/8", header="X-Forwarded-For")(request) == "10.0.0.1"


def test_only_one_header_counts_and_only_from_a_proxy() -> None:
    both = [("Forwarded", "for=203.0.113.7"), ("X-Forwarded-For", "198.51.100.1")]
    assert address_behind("10.0.0.0/8")(scope("10.0.0.1", *both)) == "198.51.100.1"
    by_forwarded = address_behind("10.0.0.0/8", header="Forwarded")
    assert by_forwarded(scope("10.0.0.1", *both)) == "203.0.113.7"
    assert by_forwarded(scope("192.0.2.7", *both)) == "192.0.2.7"
    with pytest.raises(ValueError, match="choose X-Forwarded-For or Forwarded"):
        address_behind("10.0.0.1", header="X-Real-IP")  # type: ignore[arg-type]


@pytest.mark.parametrize("host", [None, ""])
def test_a_proxy_on_a_unix_socket_is_named_unix(host: str | None) -> None:
    request = scope(host, ("X-Forwarded-For", "203.0.113.7, 10.0.0.9"))
    assert address_behind("unix")(request) == "10.0.0.9"
    assert address_behind("unix", "10.0.0.0/8")(request) == "203.0.113.7"
    assert address_behind("10.0.0.0/8")(request) == "unknown"


def test_a_header_of_any_length_is_read_only_at_its_end() -> None:
    entries = ["10.0.0.7"] * 8000
    request = scope("10.0.0.1", ("X-Forwarded-For", ", ".join(["203.0.113.7", *entries])))
    assert address_behind("10.0.0.0/8")(request) == "10.0.0.7", "a limit on the proxies in a row"
    request = scope("10.0.0.1", ("X-Forwarded-For", ", ".join([*entries, "203.0.113.7"])))
    assert address_behind("10.0.0.0/8")(request) == "203.0.113.7"


# --- identities ---


def app_with(limiter: RateLimiter, limits: Any, **options: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/items")
    async def items() -> str:
        return "served"

    app.add_middleware(RateLimitMiddleware, limiter=limiter, limits=limits, **options)
    return app


def header(request: Any, name: bytes = b"user") -> str | None:
    value: bytes | None = dict(request["headers"]).get(name)
    return None if value is None else value.decode()


async def header_later(request: Any) -> str | None:
    return header(request)


def statuses(client: TestClient, count: int = 3, **headers: str) -> list[int]:
    return [client.get("/items", headers=headers).status_code for _ in range(count)]


@pytest.mark.parametrize("identify", [header, header_later])
def test_without_an_identity_a_request_counts_by_address(
    limiter: RateLimiter, identify: Any
) -> None:
    with TestClient(app_with(limiter, {"*": "2/day"}, identify=identify)) as client:
        assert statuses(client, user="ann") == statuses(client, user="bob") == LIMITED
        assert statuses(client) == LIMITED
        assert statuses(client, 1, user="") == [429]


@pytest.mark.parametrize(("anonymous", "expected"), [(lambda _: "all", LIMITED), (None, [200] * 3)])
def test_anonymous_identifies_requests_without_an_identity_or_exempts_them(
    limiter: RateLimiter, anonymous: Any, expected: list[int]
) -> None:
    app = app_with(limiter, {"*": "2/day"}, identify=header, anonymous=anonymous)
    with TestClient(app) as client:
        assert statuses(client) == expected
        assert statuses(client, user="ann") == LIMITED


def test_a_uuid_is_an_identity(limiter: RateLimiter) -> None:
    one, other = uuid.uuid4(), uuid.uuid4()
    options = {"identify": lambda request: one if header(request) == "one" else other}
    with TestClient(app_with(limiter, {"*": "2/day"}, **options)) as client:
        assert statuses(client, user="one") == statuses(client) == LIMITED


# --- limits that depend on the request, and costs ---


def test_a_limit_may_depend_on_the_request(limiter: RateLimiter) -> None:
    async def limit_of(request: Any) -> str | Limit | None:
        user = header(request)
        return {"admin": None, "pro": Limit(3, 86_400)}.get(str(user), "2/day")

    options: dict[str, Any] = {"identify": header}
    with TestClient(app_with(limiter, {"*": limit_of}, **options)) as client:
        assert statuses(client, user="admin", count=5) == [200] * 5
        assert statuses(client, user="pro", count=4) == [200] * 3 + [429]
        assert statuses(client, user="ann") == LIMITED


@pytest.mark.parametrize("wrong", ["many", 5, {"free": "2/day"}])
def test_a_function_that_returns_no_limit_is_named_by_its_route(
    limiter: RateLimiter, wrong: Any
) -> None:
    client = TestClient(app_with(limiter, {"/items": lambda _: wrong}))
    with pytest.raises((TypeError, ValueError), match=r"'/items': .*limit.*50/minute"):
        client.get("/items")


@pytest.mark.parametrize("tiers", [header, header_later])
def test_a_tier_may_have_no_limit(limiter: RateLimiter, tiers: Any) -> None:
    limits = {"*": {"free": "2/day", "admin": None}}
    app = app_with(limiter, limits, identify=header, tiers=tiers)
    with TestClient(app) as client:
        assert statuses(client, user="admin", count=5) == [200] * 5
        assert statuses(client, user="free") == statuses(client, user="other") == LIMITED


def test_a_request_may_cost_more_than_one(limiter: RateLimiter) -> None:
    async def cost(request: Any) -> int:
        return int(header(request, b"tokens") or 1)

    with TestClient(app_with(limiter, {"*": "10/day"}, cost=cost)) as client:
        first = client.get("/items", headers={"Tokens": "7"})
        assert first.headers["x-ratelimit-remaining"] == "3"
        assert statuses(client, 1, tokens="4") == [429]
        assert statuses(client, 2, tokens="2") == [200, 429]
        assert statuses(client, 2) == [200, 429]


@pytest.mark.parametrize(
    ("cost", "counted"),
    [
        *[(0, 0), (0.2, 1), (2.0, 2), (10**30, 9), (math.inf, 9), (-1, 1), (math.nan, 1)],
        *[(Fraction(3, 2), 2), (numpy.int64(3), 3), (numpy.float32(2), 2)],
        *[(None, 1), ("3", 1), (True, 1), ([], 1)],
    ],
)
def test_whatever_a_cost_function_returns_the_request_is_counted(
    limiter: RateLimiter, cost: Any, counted: int, caplog: pytest.LogCaptureFixture
) -> None:
    with TestClient(app_with(limiter, {"*": "9/day"}, cost=lambda _: cost)) as client:
        response = client.get("/items")
        assert response.headers["x-ratelimit-remaining"] == str(9 - counted)
        client.get("/items")
    is_a_cost = isinstance(cost, Real) and cost is not True and 0 <= cost <= 10**9
    lines = [record for record in caplog.records if "counts as" in record.getMessage()]
    assert len(lines) == (0 if is_a_cost else 1)


def test_the_response_to_a_rejected_request_can_be_replaced(limiter: RateLimiter) -> None:
    def on_reject(request: Any, decision: Any) -> Any:
        return JSONResponse({"error": request["path"], "limit": decision.limit}, 429)

    with TestClient(app_with(limiter, {"*": "2/day"}, on_reject=on_reject)) as client:
        assert statuses(client) == LIMITED
        rejected = client.get("/items")
    assert rejected.json() == {"error": "/items", "limit": 2}
    assert int(rejected.headers["retry-after"]) > 0


def test_without_enforcing_a_response_carries_the_headers(limiter: RateLimiter) -> None:
    limiter.enforce = False
    with TestClient(app_with(limiter, {"*": "2/day"})) as client:
        responses = [client.get("/items") for _ in range(3)]
    assert [response.status_code for response in responses] == [200] * 3
    assert responses[-1].headers["x-ratelimit-remaining"] == "0"
    assert "retry-after" not in responses[-1].headers
    assert limiter.would_reject == {"*": 1}


# --- pages of another origin ---


def test_a_page_of_another_origin_can_read_a_rejection(limiter: RateLimiter) -> None:
    app = app_with(limiter, {"*": "2/day"})
    origin = "https://app.example.com"
    app.add_middleware(CORSMiddleware, allow_origins=[origin], expose_headers=HEADER_NAMES)
    with TestClient(app) as client:
        responses = [client.get("/items", headers={"Origin": origin}) for _ in range(3)]
    rejected = responses[-1]
    assert rejected.status_code == 429
    assert rejected.headers["access-control-allow-origin"] == origin
    exposed = rejected.headers["access-control-expose-headers"].split(", ")
    sent = [name for name in rejected.headers if "rate" in name or name == "retry-after"]
    assert sorted(name.lower() for name in exposed) == sorted(sent)


def test_the_example_in_the_docs_runs(own_server: redis_server.RedisServer) -> None:
    page = (paths.ROOT / "docs/rate-limiting.md").read_text()
    example = page.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(example.replace("redis://localhost:6379", own_server.url), names)
    with TestClient(names["app"]) as client:
        assert client.get("/items/7").headers["x-ratelimit-limit"] == "100"


# --- WebSockets ---


@pytest.mark.parametrize("key", ["/live", "WEBSOCKET /live", "*"])
def test_a_websocket_is_limited_at_its_handshake(limiter: RateLimiter, key: str) -> None:
    app = FastAPI()

    @app.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        for _ in range(5):
            await websocket.send_text("hello")
        await websocket.close()

    app.add_middleware(RateLimitMiddleware, limiter=limiter, limits={key: "1/day"})
    with TestClient(app) as client:
        with client.websocket_connect("/live") as websocket:
            assert [websocket.receive_text() for _ in range(5)] == ["hello"] * 5
        with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/live"):
            pass
    assert denied.value.status_code == 429
    assert "too many requests" in json.loads(denied.value.content)["detail"]
    assert int(denied.value.headers["retry-after"]) > 0


def test_a_server_that_can_send_no_denial_closes_the_handshake(limiter: RateLimiter) -> None:
    app = FastAPI()

    @app.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    async def without_extensions(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    app.add_middleware(RateLimitMiddleware, limiter=limiter, limits={"/live": "1/day"})
    with TestClient(without_extensions) as client:
        with client.websocket_connect("/live"):
            pass
        with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/live"):
            pass
    assert closed.value.code == 1008


def test_on_reject_that_returns_no_response_is_named(limiter: RateLimiter) -> None:
    app = app_with(limiter, {"*": "1/day"}, on_reject=lambda scope, decision: {"error": "slow"})
    with TestClient(app) as client:
        assert client.get("/items").status_code == 200
        with pytest.raises(TypeError, match="on_reject must return an ASGI response, not"):
            client.get("/items")
