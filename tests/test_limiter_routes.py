"""Which limit applies to a request: the one of the route that serves it, however it's spelled."""

import asyncio
import itertools
import logging
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from course_lib.limiter import RateLimiter, RateLimitMiddleware
from course_lib.limiter.route_limits import RouteLimits


def limits_of(*keys: str) -> RouteLimits:
    return RouteLimits(dict.fromkeys(keys, "1/day"), (), "fixed_window")


def key_for(app: Any, path: str, *keys: str, method: str = "GET", **scope: Any) -> str | None:
    """Return the key that applies to a request."""
    request = {"type": "http", "method": method, "path": path, "headers": [], **scope}
    rule = limits_of(*keys).find(request, app)
    return rule.key if rule else None


async def serve_here() -> str:
    return "here"


def build_app() -> FastAPI:
    """Return an app with routes of all kinds. The name of each is the key of its limit."""
    app, mounted, outer, inner = FastAPI(), FastAPI(), APIRouter(), APIRouter(prefix="/inner")
    for target, path, key in (
        (app, "/items", "/items"),
        (app, "/items/latest", "/items/latest"),
        (app, "/items/{item_id:int}", "/items/{item_id}"),
        (app, "/files/{file_path:path}", "/files/*"),
        (app, "/slash/", "/slash/"),
        (mounted, "/things", "/v1/things"),
        (mounted, "/things/{name}", "/v1/things/{name}"),
        (inner, "/deep/{name}", "/outer/inner/deep/{name}"),
        (inner, "", "/outer/inner"),
    ):
        target.get(path, name=key)(serve_here)
    outer.include_router(inner)
    app.include_router(outer, prefix="/outer")
    app.mount("/v1", mounted)
    return app


# --- what Starlette serves is what's limited ---


SPELLINGS = [
    *["", "\n", "\r", "\n\n", "/", "//", "/.", "/..", ";a=b", " ", "\x00", "%0A", "%2F", "?", "#"],
    *["\u2028", "\x85", "\x0b", "/a/b", "/a\n", ".json", "*"],
]
PATHS = [
    *["/items", "/items/latest", "/items/7", "/items/07", "/files/", "/files/a", "/slash/"],
    *["/v1/things", "/v1/things/x", "/outer/inner", "/outer/inner/deep/x", "/ITEMS", "//items"],
    *["/./items", "/v1//things", "/v1/../items", "/items//7", "items", "", "/"],
]


async def serving_route(app: Any, scope: dict[str, Any]) -> str | None:
    """Return the name of the route that serves a request; None if the response isn't 200."""
    statuses = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    name: str = scope["route"].name if statuses == [200] else ""
    return name or None


@pytest.mark.parametrize(
    ("root_path", "prefix"), [("", ""), ("/api", "/api"), ("/api", ""), ("/items", ""), ("/v1", "")]
)
def test_every_request_that_reaches_a_route_is_judged_by_that_routes_limit(
    root_path: str, prefix: str
) -> None:
    app = build_app()
    keys = ["/items", "/items/latest", "/items/{item_id}", "/files/*", "/slash/", "/v1/things"]
    keys += ["/v1/things/{name}", "/outer/inner/deep/{name}", "/outer/inner"]
    only = {key: limits_of(key) for key in keys}
    served = 0
    for path, spelling in itertools.product(PATHS, SPELLINGS):
        scope = {
            "type": "http",
            "method": "GET",
            "path": prefix + path + spelling,
            "root_path": root_path,
            "query_string": b"",
            "headers": [],
            "server": ("127.0.0.1", 80),
        }
        name = asyncio.run(serving_route(app, dict(scope)))
        if name is None:
            continue
        served += 1
        assert only[name].find(dict(scope), app), scope["path"]
    assert served > 50


def middleware(limiter: RateLimiter, limits: Any, **options: Any) -> dict[str, Any]:
    return {"limiter": limiter, "limits": limits, **options}


def statuses(app: Any, path: str, count: int = 3, **options: Any) -> list[int]:
    with TestClient(app, **options) as client:
        return [client.get(path).status_code for _ in range(count)]


LIMITED = [200, 200, 429]


@pytest.mark.parametrize(
    ("path", "key"),
    [("/v1/things", "/things"), ("/v1/things/x", "/things/{name}"), ("/v1/things/x", "*")],
)
def test_the_middleware_of_a_mounted_app_knows_that_apps_routes(
    limiter: RateLimiter, path: str, key: str
) -> None:
    mounted, app = FastAPI(), FastAPI()
    mounted.get("/things")(serve_here)
    mounted.get("/things/{name}")(serve_here)
    mounted.add_middleware(RateLimitMiddleware, **middleware(limiter, {key: "2/day"}))
    app.mount("/v1", mounted)
    assert statuses(app, path) == LIMITED


@pytest.mark.parametrize("root_path", ["", "/api"])
@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
def test_a_middleware_around_an_app_knows_its_routes(limiter: RateLimiter, root_path: str) -> None:
    app = FastAPI(root_path=root_path)
    app.get("/things")(serve_here)
    around = RateLimitMiddleware(app, **middleware(limiter, {"/things": "2/day"}))
    assert statuses(around, f"{root_path}/things") == LIMITED


def test_a_limit_that_an_app_shares_with_its_mount_counts_a_request_once(
    limiter: RateLimiter,
) -> None:
    mounted, app = FastAPI(), FastAPI()
    mounted.get("/things")(serve_here)
    app.mount("/v1", mounted)
    for one in (mounted, app):
        one.add_middleware(RateLimitMiddleware, **middleware(limiter, {"*": "2/day"}))

    @mounted.get("/batch")
    @app.get("/batch")
    async def batch(request: Request, through_mount: bool = True) -> list[int]:
        """Send requests with copies of this one's scope, and return their statuses."""
        found = []
        other, path = (app, "/v1/things") if through_mount else (mounted, "/things")

        async def send(message: Any) -> None:
            found.append(message.get("status", 0))

        for _ in range(3):
            await other({**request.scope, "path": path, "root_path": ""}, request.receive, send)
        return [status for status in found if status]

    assert statuses(app, "/v1/things") == LIMITED
    for path, found in (
        ("/batch", [200, 429, 429]),
        ("/v1/batch", [200, 429, 429]),
        ("/batch?through_mount=no", [200, 200, 429]),  # the first was counted with the batch
    ):
        client = TestClient(app, client=(f"host of {path}", 1))
        assert client.get(path).json() == found


def test_a_middleware_that_was_added_twice_counts_a_request_once(limiter: RateLimiter) -> None:
    app = FastAPI()
    app.get("/things")(serve_here)
    for _ in range(2):
        app.add_middleware(RateLimitMiddleware, **middleware(limiter, {"*": "2/day"}))
    assert statuses(app, "/things") == LIMITED


@pytest.mark.parametrize("owner", ["mount", "router"])
def test_the_middleware_of_a_mount_or_a_router_knows_the_routes_of_the_router(
    limiter: RateLimiter, owner: str
) -> None:
    async def thing(_: Any) -> PlainTextResponse:
        return PlainTextResponse("a thing")

    limits = {"/{thing}": "2/day"}
    own = {owner: [Middleware(RateLimitMiddleware, **middleware(limiter, limits))]}
    router = Router([Route("/{name}", thing)], middleware=own.get("router"))
    app = Starlette(routes=[Mount("/m", router, middleware=own.get("mount"))])
    assert statuses(app, "/m/x") == LIMITED
    assert limiter.explain(app) == {"GET /m/{name}": "2/day (/{thing} in /m)"}


def test_the_middleware_of_a_single_route_knows_the_routes_of_its_app(
    limiter: RateLimiter,
) -> None:
    async def thing(_: Any) -> PlainTextResponse:
        return PlainTextResponse("a thing")

    limited = Middleware(RateLimitMiddleware, **middleware(limiter, {"/{thing}": "2/day"}))
    app = Starlette(routes=[Route("/{name}", thing, middleware=[limited])])
    assert statuses(app, "/x") == LIMITED


def test_a_host_and_a_mount_without_routes_are_matched_too(limiter: RateLimiter) -> None:
    inner = FastAPI()
    inner.get("/things")(serve_here)
    app = Starlette(routes=[Host("api.example", inner), Mount("/static", StaticFiles())])
    app.add_middleware(
        RateLimitMiddleware,
        **middleware(limiter, {"/things": "2/day", "/static/*": None, "*": "1/day"}),
    )
    with TestClient(app, base_url="http://api.example") as client:
        assert [client.get("/things").status_code for _ in range(3)] == LIMITED


def test_a_path_that_two_hosts_serve_has_the_limit_of_each() -> None:
    one, other = FastAPI(), FastAPI()
    one.get("/a/b")(serve_here)
    other.get("/{path:path}")(serve_here)
    app = Starlette(routes=[Host("one.example", one), Host("other.example", other)])
    limits = limits_of("/{path}", "*")
    request = {"type": "http", "method": "GET", "path": "/a/b"}
    for host, key in ((b"one.example", "*"), (b"other.example", "/{path}")):
        rule = limits.find({**request, "headers": [(b"host", host)]}, app)
        assert rule
        assert rule.key == key


def test_a_subtree_is_its_root_and_everything_below_it() -> None:
    app = build_app()
    for path, key in (
        ("/files/a/b.pdf", "/files/*"),
        ("/outer/inner", "/outer/*"),
        ("/outer/inner/deep/x", "/outer/*"),
        ("/outer", "/outer/*"),
        ("/outerworld", "*"),
    ):
        assert key_for(app, path, "/files/*", "/outer/*", "*") == key
    assert key_for(app, "/files/a", "/files/{anything}") == "/files/{anything}"
    assert key_for(app, "/files/a/b", "/files/{anything}") == "/files/{anything}"


def test_a_method_is_judged_as_routes_do_and_head_as_get() -> None:
    app = build_app()
    keys = ("GET /items", "GET *")
    assert key_for(app, "/items", *keys, method="HEAD") == "GET /items"
    assert key_for(app, "/items", *keys, method="get") == "GET /items"
    assert key_for(app, "/items", *keys, method="POST") is None
    assert key_for(app, "/slash", *keys) == "GET *", "a redirect isn't the route's"


def test_routes_that_are_added_later_are_known() -> None:
    app, limits = FastAPI(), limits_of("/things/{name}", "*")
    app.get("/things/{name}")(serve_here)
    scope = {"type": "http", "method": "GET", "headers": [], "path": "/later/x"}
    assert limits.find(scope, app).key == "*"  # type: ignore[union-attr]
    app.mount("/later", app=build_app())
    assert limits.find({**scope, "path": "/things/x"}, app).key != "*"  # type: ignore[union-attr]
    assert "GET /later/items" in limits.read_routes(app)


# --- keys that match nothing ---


@pytest.mark.parametrize(
    "key", ["/itmes", "POST /items", "/items/", "/v1", "/outer/inner/deep", "/Items", "/slash"]
)
def test_a_key_that_matches_no_route_is_an_error_when_the_app_starts(
    limiter: RateLimiter, key: str
) -> None:
    app = build_app()
    app.add_middleware(RateLimitMiddleware, **middleware(limiter, {key: "2/day", "*": "9/day"}))
    words = f"no route of the app matches '{key}', so its limit would never apply: choose from /"
    with pytest.raises(ValueError, match=words), TestClient(app):
        pass
    without_lifespan = TestClient(app)
    for _ in range(2):
        with pytest.raises(ValueError, match=words):
            without_lifespan.get("/items")


def test_an_exemption_that_matches_no_route_is_an_error_too(limiter: RateLimiter) -> None:
    app = build_app()
    options = middleware(limiter, {"*": "9/day"}, exempt=["/helth"])
    app.add_middleware(RateLimitMiddleware, **options)
    with pytest.raises(ValueError, match="no route of the app matches '/helth'"):
        TestClient(app).get("/items")


def test_an_app_without_routes_is_matched_by_path(limiter: RateLimiter) -> None:
    async def plain_app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await PlainTextResponse("here")(scope, receive, send)
            return
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})

    app = RateLimitMiddleware(plain_app, **middleware(limiter, {"/things/{name}": "2/day"}))
    with TestClient(app) as client:
        assert [client.get("/things/x").status_code for _ in range(3)] == LIMITED
        assert client.get("/other").status_code == 200


# --- what people can see ---


def test_explain_lists_every_route_with_its_limit_and_the_log_does_at_start_up(
    limiter: RateLimiter, caplog: pytest.LogCaptureFixture
) -> None:
    app, inner = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
    app.get("/health")(serve_here)
    app.post("/items")(limiter.limit("5/hour")(serve_here))
    inner.get("/things/{name}")(serve_here)
    app.mount("/v1", inner)
    app.mount("/static", StaticFiles())

    @app.websocket("/live")
    async def live(websocket: WebSocket) -> None: ...

    limits = {
        "/v1/*": {"free": "1/day", "pro": None},
        "/static/*": None,
        "WEBSOCKET /live": lambda scope: "5/day",
        "*": "100/minute",
    }
    options = middleware(limiter, limits, tiers=lambda scope: "free")
    app.add_middleware(RateLimitMiddleware, **options)
    expected = {
        "GET /health": "no limit (/health)",
        "POST /items": "100/minute (*), and 5/hour (its own)",
        "GET /v1/things/{name}": "free: 1/day, pro: no limit (/v1/*)",
        "/static/{path:path}": "no limit (/static/*)",
        "WEBSOCKET /live": "depends on the request (WEBSOCKET /live)",
    }
    assert limiter.explain(app) == expected
    caplog.set_level(logging.INFO, logger="course_lib.limiter")
    with TestClient(app):
        pass
    assert caplog.messages == [f"{route}: {limit}" for route, limit in expected.items()]


def test_explain_lists_the_limits_of_mounted_apps_too(limiter: RateLimiter) -> None:
    app, mounted, inner = (FastAPI(openapi_url=None) for _ in range(3))
    app.get("/items")(serve_here)
    mounted.get("/items")(limiter.limit("5/hour")(serve_here))
    mounted.get("/free")(serve_here)
    inner.get("/things/{name}")(serve_here)
    limits = {"/free": None, "*": "9/minute"}
    mounted.add_middleware(RateLimitMiddleware, **middleware(limiter, limits))
    wrapped = RateLimitMiddleware(inner, **middleware(limiter, {"/things/{name}": "1/day"}))
    mounted.mount("/inner", wrapped)
    app.mount("/v1", mounted)
    outer = RateLimitMiddleware(app, **middleware(limiter, {"/items": "3/day"}, exempt=["/v1/*"]))
    assert limiter.explain(outer) == {
        "GET /items": "3/day (/items)",
        "GET /v1/items": "9/minute (* in /v1), and 5/hour (its own)",
        "GET /v1/free": "no limit (/v1/*)",
        "GET /v1/inner/things/{name}": (
            "9/minute (* in /v1), and 1/day (/things/{name} in /v1/inner)"
        ),
    }


def test_explain_lists_the_middleware_of_a_single_route_and_leaves_it_working(
    limiter: RateLimiter,
) -> None:
    options = middleware(limiter, {"/once": "1/day"})
    single = [Middleware(RateLimitMiddleware, **options)]
    files = RateLimitMiddleware(StaticFiles(directory="."), **middleware(limiter, {"*": "2/day"}))

    async def serve(request: Request) -> PlainTextResponse:
        return PlainTextResponse("served")

    app = Starlette(routes=[Route("/once", serve, middleware=single), Mount("/files", files)])
    with TestClient(app) as client:
        assert client.get("/once").status_code == 200
        assert limiter.explain(app) == {
            "GET /once": "1/day (/once)",
            "/files/{path:path}": "2/day (*)",
        }
        assert client.get("/once").status_code == 429


def test_explain_names_what_is_not_an_app(limiter: RateLimiter) -> None:
    for value in (None, "app", 5, [], serve_here):
        with pytest.raises(TypeError, match="app must be a Starlette or FastAPI app"):
            limiter.explain(value)


# --- preflights ---


def test_preflights_are_not_counted_unless_the_route_serves_options(limiter: RateLimiter) -> None:
    app = FastAPI()
    app.get("/items")(serve_here)
    app.api_route("/all", methods=["GET", "OPTIONS"])(serve_here)
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"])
    limits = {"/items": "2/day", "/all": "2/day"}
    app.add_middleware(RateLimitMiddleware, **middleware(limiter, limits))
    origin = {"Origin": "https://a.example"}
    headers = {**origin, "Access-Control-Request-Method": "GET"}
    with TestClient(app) as client:
        preflights = [client.options("/items", headers=headers).status_code for _ in range(5)]
        requests = [client.get("/items", headers=origin).status_code for _ in range(3)]
        others = [client.options("/all", headers=headers).status_code for _ in range(3)]
    assert (preflights, requests, others) == ([200] * 5, LIMITED, LIMITED)


def test_the_methods_of_a_class_are_those_that_it_defines(limiter: RateLimiter) -> None:
    class Things(HTTPEndpoint):
        async def get(self, _: Any) -> PlainTextResponse:
            return PlainTextResponse("things")

        async def post(self, _: Any) -> PlainTextResponse:
            return PlainTextResponse("a new thing")

    limits = {"POST /things": "1/day", "/things": "2/day"}
    app = Starlette(routes=[Route("/things", Things)])
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"])
    app.add_middleware(RateLimitMiddleware, **middleware(limiter, limits))
    assert limiter.explain(app) == {
        "GET /things": "2/day (/things)",
        "POST /things": "1/day (POST /things)",
    }
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    client = TestClient(app)
    assert [client.options("/things", headers=headers).status_code for _ in range(5)] == [200] * 5
    assert statuses(app, "/things") == LIMITED
    with pytest.raises(ValueError, match="no route of the app matches 'PUT /things'"):
        limits_of("PUT /things").read_routes(app)
    assert limits_of("HEAD /things").read_routes(app)["GET /things"] == "no limit"
