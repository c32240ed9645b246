"""The limiter before an API, over real HTTP: the middleware, the decorator, and whose a request is."""

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

HEADERS = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "ratelimit-policy"]


@pytest.fixture
def limiter(any_server: redis_server.Server, request: pytest.FixtureRequest) -> RateLimiter:
    """A limiter of the test's own, whose windows are long."""
    return RateLimiter(redis_client.connect(any_server.url), namespace=request.node.name.split("[")[0])


@pytest.fixture(autouse=True)
def empty(any_server: redis_server.Server) -> None:
    with redis_server.plain_client(any_server.url) as client:
        client.flushall()


def told(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.headers[name] for name in [*HEADERS, "retry-after"] if name in answer.headers}


# --- the middleware ---------------------------------------------------------------------------------------------------


def an_app() -> FastAPI:
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
    app = an_app()
    app.add_middleware(RateLimitMiddleware, limiter=limiter, limits=limits, **options)
    return serve.here(app)


def statuses(server: serve.Server, count: int, method: str = "GET", path: str = "/events", **options: Any) -> list[int]:
    return [server.client.request(method, path, **options).status_code for _ in range(count)]


def test_beyond_its_limit_a_request_is_answered_429_as_json_with_retry_after(limiter: RateLimiter) -> None:
    with limited(limiter, {"/events": "2/day"}) as server:
        assert statuses(server, 2) == [200, 200]
        refused = server.get("/events")
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/json"
    wait = int(refused.headers["retry-after"])
    assert wait > 0
    assert refused.json() == {"detail": f"too many requests, try again in {wait} s"}


def test_answers_tell_what_is_left_in_both_ways_refused_or_not(limiter: RateLimiter) -> None:
    with limited(limiter, {"/events": "2/day; 5 per 7 days"}) as server:
        first, second, refused = (told(server.get("/events")) for _ in range(3))
    for number, headers in enumerate((first, second, refused)):
        left = max(1 - number, 0)
        reset = headers["x-ratelimit-reset"]
        assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("2", str(left))
        assert 86_400 <= int(reset) <= 2 * 86_400
        assert headers["ratelimit"] == f'"2/day";r={left};t={reset}'
        assert headers["ratelimit-policy"] == '"2/day";q=2;w=86400, "5 per 7 days";q=5;w=604800'
    assert "retry-after" not in first
    assert 0 < int(refused["retry-after"]) <= int(refused["x-ratelimit-reset"])


def test_seconds_are_rounded_up_and_never_to_a_wait_of_none(limiter: RateLimiter) -> None:
    limiter = RateLimiter(limiter._redis, algorithm="sliding_log")
    with limited(limiter, {"/events": Limit(1, 0.9)}) as server:
        while (answer := server.get("/events")).status_code == 200:
            assert answer.headers["x-ratelimit-reset"] == "1"
        assert answer.headers["retry-after"] == "1"


def test_each_route_has_a_limit_of_its_own_and_the_first_that_fits_counts(limiter: RateLimiter) -> None:
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
        assert statuses(server, 5, path="/events/8").count(200) == 3, "of all events together"
        assert statuses(server, 5, path="/events/9").count(200) == 0
        assert statuses(server, 9, path="/open").count(200) == 9
        assert statuses(server, 3, path="/events") + statuses(server, 3, path="/else") == [200] * 4 + [429] * 2
        assert statuses(server, 1, path="/events/7/more") == [429], "a route of another depth is another"
        assert statuses(server, 9, path="/health").count(200) == 9


def test_a_head_request_counts_as_the_get_that_it_asks_about(limiter: RateLimiter) -> None:
    with limited(limiter, {"GET /events": "1/day"}) as server:
        assert server.client.head("/events").status_code == 405
        assert server.get("/events").status_code == 429


def test_a_stream_goes_through_with_its_own_headers_and_ours(limiter: RateLimiter) -> None:
    with limited(limiter, {"/stream": "5/day"}) as server:
        answer = server.get("/stream")
    assert (answer.text, answer.headers["x-own"], answer.headers["x-ratelimit-remaining"]) == ("ab", "1", "4")


def test_tiers_have_limits_of_their_own_and_an_unknown_one_gets_the_first(limiter: RateLimiter) -> None:
    def tier(scope: Any) -> str | None:
        return dict(scope["headers"]).get(b"tier", b"").decode() or None

    limits = {"/events": {"free": "1/day", "pro": "3/day"}, "/else": "2/day"}
    with limited(limiter, limits, tiers=tier, identify=lambda scope: tier(scope) or "nobody") as server:
        for name, count in (("free", 1), ("pro", 3), ("gold", 1)):
            assert statuses(server, 5, headers={"Tier": name}).count(200) == count
        assert statuses(server, 5).count(200) == 1
        assert statuses(server, 5, path="/else", headers={"Tier": "pro"}).count(200) == 2


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"events": "1/day"}, "'events' is no route: write 'POST /api/events', '/api/events/{event_id}', or '[*]'"),
        ({"get /events": "1/day"}, "'get /events' is no route"),
        ({"/events": "1 a day"}, "'1 a day' is no limit: write '50/minute'"),
        ({"/events": {"free": "1/day", "pro": "2/day"}}, "say by tiers=... which one a request is of"),
    ],
)
def test_limits_that_make_no_sense_are_an_error_when_the_middleware_is_made(
    limiter: RateLimiter, limits: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        RateLimitMiddleware(an_app(), limiter=limiter, limits=limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(("on_error", "status"), [("allow", 200), ("deny", 429)])
def test_while_redis_is_away_the_policy_answers(
    server_to_break: redis_server.Server, on_error: Any, status: int
) -> None:
    limiter = RateLimiter(redis_client.connect(server_to_break.url), on_error=on_error)
    with limited(limiter, {"/events": "1/day"}) as server:
        assert statuses(server, 2) == [200, 429]
        server_to_break.kill()
        assert statuses(server, 8) == [status] * 8


# --- whose a request is -----------------------------------------------------------------------------------------------


def scope(host: str | None, *forwarded: str) -> Any:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return {"type": "http", "client": (host, 1234) if host else None, "headers": headers}


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        (None, "unknown"),
    ],
)
def test_an_address_is_that_of_the_connection_and_of_ipv6_the_network(host: str | None, whose: str) -> None:
    assert address(scope(host, "198.51.100.1")) == whose


@pytest.mark.parametrize(
    ("host", "forwarded", "whose"),
    [
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),  # no proxy of ours: it may say what it likes
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),  # the first is the client's own invention
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1, 10.2.0.2"], "198.51.100.1"),  # two proxies
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),  # two lines are one list
        ("10.0.0.1", ["10.0.0.9, 10.0.0.8"], "10.0.0.9"),  # a client inside
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::/64"),
        ("::1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["junk"], "junk"),
        (None, ["198.51.100.1"], "unknown"),
    ],
)
def test_behind_proxies_it_is_what_the_last_trusted_one_was_called_from(
    host: str | None, forwarded: list[str], whose: str
) -> None:
    assert address_behind("10.0.0.0/8", "::1")(scope(host, *forwarded)) == whose


def test_who_changes_x_forwarded_for_gets_no_more_than_who_does_not(limiter: RateLimiter) -> None:
    with limited(limiter, {"/events": "3/day"}) as server:
        answers = [statuses(server, 1, headers={"X-Forwarded-For": f"198.51.100.{number}"}) for number in range(9)]
    assert answers.count([200]) == 3


def test_behind_a_trusted_proxy_each_client_has_a_limit_of_its_own(limiter: RateLimiter) -> None:
    with limited(limiter, {"/else": "3/day"}, identify=address_behind("127.0.0.1")) as server:
        for client in ("198.51.100.1", "198.51.100.2"):
            forged = [{"X-Forwarded-For": f"203.0.113.{number}, {client}"} for number in range(9)]
            assert [statuses(server, 1, path="/else", headers=each) for each in forged].count([200]) == 3


# --- the decorator ----------------------------------------------------------------------------------------------------


def endpoints(app: FastAPI, limit: Any) -> None:
    """Endpoints of all kinds, each behind `limit`."""

    @app.post("/sync/{number}")
    @limit
    def sync(number: int, word: Annotated[str, Query(max_length=5)] = "none") -> dict[str, Any]:
        """A plain function."""
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
    endpoints(app, limiter.limit("2/day"))
    with serve.here(app) as server:
        yield server


@pytest.mark.parametrize(("method", "path"), [("POST", "/sync/7"), ("GET", "/coroutine"), ("GET", "/own")])
def test_a_decorated_endpoint_answers_429_beyond_its_limit_and_others_do_not(
    decorated: serve.Server, method: str, path: str
) -> None:
    first, second, refused = (decorated.client.request(method, path) for _ in range(3))
    assert [first.status_code, second.status_code, refused.status_code] == [200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in (first, second, refused)] == ["1", "0", "0"]
    wait = int(refused.headers["retry-after"])
    assert refused.json() == {"detail": f"too many requests, try again in {wait} s"}
    assert set(told(refused)) == {*HEADERS, "retry-after"}
    assert decorated.client.get("/response").status_code == 200


def test_an_endpoint_is_called_as_it_is_written_plain_ones_in_a_thread(decorated: serve.Server) -> None:
    answer = decorated.client.post("/sync/7", params={"word": "hello"}).json()
    thread = decorated.client.get("/coroutine").json()["thread"]
    assert (answer["number"], answer["word"]) == (7, "hello")
    assert answer["thread"] != thread
    assert decorated.get("/own").headers["x-own"] == "/own"
    assert decorated.client.post("/sync/seven").status_code == 422
    answer = decorated.get("/response")
    assert (answer.text, answer.headers["x-own"], answer.headers["x-ratelimit-limit"]) == ("a response", "1", "2")


def test_the_openapi_is_that_of_the_endpoints_alone(decorated: serve.Server) -> None:
    plain = FastAPI()
    endpoints(plain, lambda function: function)
    assert decorated.get("/openapi.json").json() == plain.openapi()


def test_an_answer_has_the_headers_of_the_endpoints_own_limit_not_twice(limiter: RateLimiter) -> None:
    app = FastAPI()
    endpoints(app, limiter.limit("2/day"))
    app.add_middleware(RateLimitMiddleware, limiter=limiter, limits={"*": "100/day"})
    with serve.here(app) as server:
        answers = [server.get("/coroutine") for _ in range(3)]
    assert [answer.headers.get_list("x-ratelimit-limit") for answer in answers] == [["2"]] * 3


def test_functions_of_one_name_in_two_places_do_not_share_a_limit_and_a_named_one_does(limiter: RateLimiter) -> None:
    app = FastAPI()
    for path in ("/a", "/b"):

        def make(path: str) -> Any:
            @app.get(path)
            @limiter.limit("1/day", endpoint="both")
            async def handler() -> str:
                return path

        make(path)
    endpoints(app, limiter.limit("1/day"))
    with serve.here(app) as server:
        assert [server.get(path).status_code for path in ("/a", "/b", "/own", "/response")] == [200, 429, 200, 200]


def test_the_decorator_asks_identify_who_calls(limiter: RateLimiter) -> None:
    app = FastAPI()
    endpoints(app, limiter.limit("1/day", identify=lambda scope: dict(scope["headers"])[b"who"].decode()))
    with serve.here(app) as server:
        found = [server.client.get("/own", headers={"Who": who}).status_code for who in ("ann", "bob", "ann")]
    assert found == [200, 200, 429]


def test_a_bad_limit_is_an_error_where_the_endpoint_is_decorated(limiter: RateLimiter) -> None:
    with pytest.raises(ValueError, match="'50 a minute' is no limit: write '50/minute'"):
        limiter.limit("50 a minute")


def test_a_decorated_function_keeps_its_name_and_tells_who_calls_it_without_a_request(limiter: RateLimiter) -> None:
    @limiter.limit("2/day")
    async def parse(text: str) -> str:
        """Parse."""
        return text

    assert (parse.__name__, parse.__doc__) == ("parse", "Parse.")
    assert inspect.iscoroutinefunction(parse)
    with pytest.raises(TypeError, match=r"parse is limited by request: let FastAPI call it, or call its __wrapped__"):
        parse("text").send(None)
