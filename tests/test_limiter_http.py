"""The limiter in front of an API, over real HTTP: middleware, decorator, and client addresses."""

import inspect
import threading
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from course_lib import redis_client
from course_lib.lab import redis_server, serve
from course_lib.limiter import Limit, RateLimiter, RateLimitMiddleware, address, address_behind
from tests.conftest import PATIENT

HEADERS = [
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "ratelimit",
    "ratelimit-policy",
]


@pytest.fixture
def limiter(own_server: redis_server.RedisServer, request: pytest.FixtureRequest) -> RateLimiter:
    """A limiter with a namespace of the test's own."""
    namespace = request.node.name.split("[")[0]
    redis = redis_client.connect(own_server.url, time_limit=PATIENT)
    return RateLimiter(redis, algorithm="sliding_window", namespace=namespace)


@pytest.fixture(autouse=True)
def empty(own_server: redis_server.RedisServer) -> None:
    with redis_server.plain_client(own_server.url) as client:
        client.flushall()


def limit_headers(response: httpx.Response) -> dict[str, str]:
    names = [*HEADERS, "retry-after"]
    return {name: response.headers[name] for name in names if name in response.headers}


# --- the middleware ---


def build_app() -> FastAPI:
    app = FastAPI()

    @app.get("/health")
    @app.get("/events")
    @app.post("/events")
    @app.get("/events/{event_id}")
    @app.get("/open")
    @app.get("/else")
    async def events() -> str:
        return "served"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter(["a", "b"]), headers={"X-Own": "1"})

    return app


def limited(limiter: RateLimiter, limits: Any, **options: Any) -> serve.Server:
    app = build_app()
    app.add_middleware(RateLimitMiddleware, limiter=limiter, limits=limits, **options)
    return serve.here(app)


def statuses(
    server: serve.Server, count: int, method: str = "GET", path: str = "/events", **options: Any
) -> list[int]:
    return [server.client.request(method, path, **options).status_code for _ in range(count)]


def test_a_request_beyond_the_limit_gets_429_as_json_with_retry_after(limiter: RateLimiter) -> None:
    with limited(limiter, {"/events": "2/day"}) as server:
        assert statuses(server, 2) == [200, 200]
        rejected = server.get("/events")
    assert rejected.status_code == 429
    assert rejected.headers["content-type"] == "application/json"
    wait = int(rejected.headers["retry-after"])
    assert wait > 0
    assert rejected.json() == {"detail": f"too many requests, try again in {wait} s"}


def test_allowed_and_rejected_responses_carry_both_kinds_of_headers(limiter: RateLimiter) -> None:
    with limited(limiter, {"/events": "2/day; 5 per 7 days"}) as server:
        first, second, rejected = (limit_headers(server.get("/events")) for _ in range(3))
    for number, headers in enumerate((first, second, rejected)):
        left = max(1 - number, 0)
        reset = headers["x-ratelimit-reset"]
        assert headers["x-ratelimit-limit"] == "2"
        assert headers["x-ratelimit-remaining"] == str(left)
        assert 86_400 <= int(reset) <= 2 * 86_400
        assert headers["ratelimit"] == f'"2/day";r={left};t={reset}'
        assert headers["ratelimit-policy"] == '"2/day";q=2;w=86400, "5 per 7 days";q=5;w=604800'
    assert "retry-after" not in first
    assert 0 < int(rejected["retry-after"]) <= int(rejected["x-ratelimit-reset"])


def test_seconds_are_rounded_up_and_never_to_0(limiter: RateLimiter) -> None:
    limiter = RateLimiter(limiter._redis, algorithm="sliding_log")
    with limited(limiter, {"/events": Limit(1, 0.9)}) as server:
        while (response := server.get("/events")).status_code == 200:
            assert response.headers["x-ratelimit-reset"] == "1"
        assert response.headers["retry-after"] == "1"


def test_each_route_has_its_own_limit_and_the_first_match_counts(limiter: RateLimiter) -> None:
    limits = {
        "POST /events": "1/day",
        "GET /events/7": "2/day",
        "/events/{event_id}": "3/day",
        "/open": None,
        "*": "4/day",
    }
    with limited(limiter, limits) as server:
        assert statuses(server, 3, "POST").count(200) == 1
        assert statuses(server, 9, path="/events/7").count(200) == 2
        assert statuses(server, 5, path="/events/8").count(200) == 3, "all events together"
        assert statuses(server, 5, path="/events/9").count(200) == 0
        assert statuses(server, 9, path="/open").count(200) == 9
        shared = statuses(server, 3, path="/events") + statuses(server, 3, path="/else")
        assert shared == [200] * 4 + [429] * 2
        assert statuses(server, 1, path="/events/7/more") == [429], "a route matches whole paths"
        assert statuses(server, 9, path="/health").count(200) == 9


def test_a_head_request_counts_as_get(limiter: RateLimiter) -> None:
    with limited(limiter, {"GET /events": "1/day"}) as server:
        assert server.client.head("/events").status_code == 405
        assert server.get("/events").status_code == 429


def test_a_streaming_response_keeps_its_headers_and_gets_ours(limiter: RateLimiter) -> None:
    with limited(limiter, {"/stream": "5/day"}) as server:
        response = server.get("/stream")
    assert response.text == "ab"
    assert response.headers["x-own"] == "1"
    assert response.headers["x-ratelimit-remaining"] == "4"


def test_each_tier_has_its_own_limit_and_an_unknown_one_gets_the_first(
    limiter: RateLimiter,
) -> None:
    def tier(scope: Any) -> str | None:
        return dict(scope["headers"]).get(b"tier", b"").decode() or None

    def caller(scope: Any) -> str:
        return tier(scope) or "no tier"

    limits = {"/events": {"free": "1/day", "pro": "3/day"}, "/else": "2/day"}
    with limited(limiter, limits, tiers=tier, identify=caller) as server:
        for name, count in (("free", 1), ("pro", 3), ("gold", 1)):
            assert statuses(server, 5, headers={"Tier": name}).count(200) == count
        assert statuses(server, 5).count(200) == 1
        assert statuses(server, 5, path="/else", headers={"Tier": "pro"}).count(200) == 2


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"events": "1/day"},
            "'events' is not a route: write 'POST /api/events', '/api/events/{event_id}', ",
        ),
        ({"get /events": "1/day"}, "'get /events' is not a route"),
        ({"/events": "1 a day"}, "'1 a day' is not a limit: write '50/minute'"),
        (
            {"/events": {"free": "1/day", "pro": "2/day"}},
            "a function that returns the tier of a request",
        ),
    ],
)
def test_bad_limits_are_an_error_when_the_middleware_is_created(
    limiter: RateLimiter, limits: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        RateLimitMiddleware(build_app(), limiter=limiter, limits=limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(("on_error", "status"), [("allow", 200), ("deny", 429)])
def test_while_redis_is_unavailable_on_error_decides(
    server_to_break: redis_server.RedisServer, on_error: Any, status: int
) -> None:
    limiter = RateLimiter(redis_client.connect(server_to_break.url), on_error=on_error)
    with limited(limiter, {"/events": "1/day"}) as server:
        assert statuses(server, 2) == [200, 429]
        server_to_break.kill()
        assert statuses(server, 8) == [status] * 8


# --- which client a request comes from ---


def scope(host: str | None, *forwarded: str) -> Any:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return {"type": "http", "client": (host, 1234) if host else None, "headers": headers}


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        (None, "unknown"),
    ],
)
def test_a_client_is_its_address_or_its_ipv6_network(host: str | None, client: str) -> None:
    assert address(scope(host, "198.51.100.1")) == client


@pytest.mark.parametrize(
    ("host", "forwarded", "client"),
    [
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),  # not a trusted proxy: the header is ignored
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),  # the client forged the first
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1, 10.2.0.2"], "198.51.100.1"),  # two proxies
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),  # two headers are one list
        ("10.0.0.1", ["10.0.0.9, 10.0.0.8"], "10.0.0.9"),  # a client in the network of the proxies
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::/64"),
        ("::1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["junk"], "junk"),
        (None, ["198.51.100.1"], "unknown"),
    ],
)
def test_behind_proxies_a_client_is_the_last_address_that_is_no_proxy(
    host: str | None, forwarded: list[str], client: str
) -> None:
    assert address_behind("10.0.0.0/8", "::1")(scope(host, *forwarded)) == client


def test_forging_x_forwarded_for_evades_no_limit(limiter: RateLimiter) -> None:
    with limited(limiter, {"/events": "3/day"}) as server:
        forged = [{"X-Forwarded-For": f"198.51.100.{number}"} for number in range(9)]
        responses = [statuses(server, 1, headers=headers) for headers in forged]
    assert responses.count([200]) == 3


def test_behind_a_trusted_proxy_each_client_has_its_own_limit(limiter: RateLimiter) -> None:
    with limited(limiter, {"/else": "3/day"}, identify=address_behind("127.0.0.1")) as server:
        for client in ("198.51.100.1", "198.51.100.2"):
            forged = [{"X-Forwarded-For": f"203.0.113.{number}, {client}"} for number in range(9)]
            responses = [statuses(server, 1, path="/else", headers=headers) for headers in forged]
            assert responses.count([200]) == 3


# --- the decorator ---


def add_endpoints(app: FastAPI, limit: Any) -> None:
    """Add endpoints of all kinds, each behind `limit`."""

    @app.post("/sync/{number}")
    @limit
    def sync(number: int, word: Annotated[str, Query(max_length=5)] = "none") -> dict[str, Any]:
        """Return what the function was called with, and its thread."""
        return {"number": number, "word": word, "thread": threading.current_thread().name}

    @app.get("/coroutine")
    @limit
    async def coroutine() -> dict[str, str]:
        return {"thread": threading.current_thread().name}

    @app.get("/own")
    @limit
    async def own(request: Request, response: Response) -> str:
        response.headers["X-Own"] = request.url.path
        return "own"

    @app.get("/response")
    @limit
    def response() -> Response:
        return PlainTextResponse("a response", headers={"X-Own": "1"})


@pytest.fixture
def decorated(limiter: RateLimiter) -> Iterator[serve.Server]:
    app = FastAPI()
    add_endpoints(app, limiter.limit("2/day"))
    with serve.here(app) as server:
        yield server


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/sync/7"), ("GET", "/coroutine"), ("GET", "/own")]
)
def test_a_decorated_endpoint_has_its_own_limit(
    decorated: serve.Server, method: str, path: str
) -> None:
    first, second, rejected = (decorated.client.request(method, path) for _ in range(3))
    assert [first.status_code, second.status_code, rejected.status_code] == [200, 200, 429]
    responses = (first, second, rejected)
    remaining = [response.headers["x-ratelimit-remaining"] for response in responses]
    assert remaining == ["1", "0", "0"]
    wait = int(rejected.headers["retry-after"])
    assert rejected.json() == {"detail": f"too many requests, try again in {wait} s"}
    assert set(limit_headers(rejected)) == {*HEADERS, "retry-after"}
    assert decorated.client.get("/response").status_code == 200


def test_an_endpoint_runs_as_written_and_a_plain_def_in_a_thread(decorated: serve.Server) -> None:
    content = decorated.client.post("/sync/7", params={"word": "hello"}).json()
    loop_thread = decorated.client.get("/coroutine").json()["thread"]
    assert (content["number"], content["word"]) == (7, "hello")
    assert content["thread"] != loop_thread
    assert decorated.get("/own").headers["x-own"] == "/own"
    assert decorated.client.post("/sync/seven").status_code == 422
    response = decorated.get("/response")
    assert response.text == "a response"
    assert response.headers["x-own"] == "1"
    assert response.headers["x-ratelimit-limit"] == "2"


def test_decorating_does_not_change_the_openapi(decorated: serve.Server) -> None:
    plain = FastAPI()
    add_endpoints(plain, lambda function: function)
    assert decorated.get("/openapi.json").json() == plain.openapi()


def test_the_endpoints_own_limit_sets_the_headers_once(limiter: RateLimiter) -> None:
    app = FastAPI()
    add_endpoints(app, limiter.limit("2/day"))
    app.add_middleware(RateLimitMiddleware, limiter=limiter, limits={"*": "100/day"})
    with serve.here(app) as server:
        responses = [server.get("/coroutine") for _ in range(3)]
    headers = [response.headers.get_list("x-ratelimit-limit") for response in responses]
    assert headers == [["2"]] * 3


def test_endpoints_share_a_limit_only_under_a_given_name(limiter: RateLimiter) -> None:
    app = FastAPI()
    for path in ("/a", "/b"):

        def make(path: str) -> Any:
            @app.get(path)
            @limiter.limit("1/day", endpoint="both")
            async def handler() -> str:
                return path

        make(path)
    add_endpoints(app, limiter.limit("1/day"))
    with serve.here(app) as server:
        paths = ("/a", "/b", "/own", "/response")
        assert [server.get(path).status_code for path in paths] == [200, 429, 200, 200]


def test_the_decorator_counts_by_identify(limiter: RateLimiter) -> None:
    app = FastAPI()

    def user(scope: Any) -> str:
        name: bytes = dict(scope["headers"])[b"user"]
        return name.decode()

    add_endpoints(app, limiter.limit("1/day", identify=user))
    with serve.here(app) as server:
        responses = [
            server.client.get("/own", headers={"User": name}) for name in ("ann", "bob", "ann")
        ]
    assert [response.status_code for response in responses] == [200, 200, 429]


def test_a_bad_limit_is_an_error_when_the_endpoint_is_decorated(limiter: RateLimiter) -> None:
    with pytest.raises(ValueError, match="'50 a minute' is not a limit: write '50/minute'"):
        limiter.limit("50 a minute")


def test_a_decorated_function_keeps_its_name_and_needs_a_request(limiter: RateLimiter) -> None:
    @limiter.limit("2/day")
    async def parse(text: str) -> str:
        """Parse."""
        return text

    assert (parse.__name__, parse.__doc__) == ("parse", "Parse.")
    assert inspect.iscoroutinefunction(parse)
    words = "parse is limited by request: let FastAPI call it, or call its __wrapped__"
    with pytest.raises(TypeError, match=words):
        parse("text").send(None)
