"""The decorator on every kind of endpoint that FastAPI takes, over real HTTP by its test client."""

from __future__ import annotations

import asyncio
import functools
import itertools
import threading
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    Depends,
    FastAPI,
    HTTPException,
    Request,
    Response,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.testclient import WebSocketDenialResponse

from course_lib.limiter import RateLimiter

if TYPE_CHECKING:
    from collections import OrderedDict

LIMITED = [200, 200, 429]


class Greeting:
    """An object that is an endpoint, and one that has an endpoint."""

    async def __call__(self, name: str = "you") -> str:
        return f"hello {name}"

    def plainly(self, name: str = "you") -> str:
        return f"hello {name}"


class PlainGreeting:
    def __call__(self, name: str = "you") -> str:
        assert threading.current_thread() is not threading.main_thread()
        return f"hello {name}"


async def greet(greeting: str, name: str = "you") -> str:
    return f"{greeting} {name}"


async def lines() -> AsyncIterable[int]:
    yield 1
    yield 2


def plain_lines(count: int = 2) -> Iterable[int]:
    yield from range(1, count + 1)


async def text_stream() -> AsyncIterable[str]:
    yield "1\n"
    yield "2\n"


async def response_stream() -> StreamingResponse:
    return StreamingResponse(iter(["1\n", "2\n"]))


def wrapped(function: Any) -> Any:
    """Wrap a function as decorators of other packages do."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def test_an_endpoint_may_have_parameters_called_request_and_response(limiter: RateLimiter) -> None:
    app = FastAPI()

    @app.get("/call")
    @limiter.limit("2/day")
    async def call(request: str, response: str, _request: str) -> list[str]:
        return [request, response, _request]

    @app.get("/stream")
    @limiter.limit("2/day")
    async def stream(checked: str) -> AsyncIterable[str]:
        yield checked

    query = {"request": "1", "response": "2", "_request": "3", "checked": "4"}
    with TestClient(app) as client:
        answers = [client.get(path, params=query) for path in ("/call", "/stream")]
    assert [answer.json() for answer in answers] == [["1", "2", "3"], "4"]
    assert {answer.headers["x-ratelimit-remaining"] for answer in answers} == {"1"}


def test_a_dependency_limits_requests_and_handshakes_of_a_router(limiter: RateLimiter) -> None:
    @limiter.limit("2/day", endpoint="router")
    async def limit_router() -> None: ...

    @limiter.limit("1/day", endpoint="websocket")
    async def limit_handshake(websocket: WebSocket) -> None: ...

    @limiter.limit("1/day", endpoint="opened")
    async def opened() -> AsyncIterable[int]:
        yield 1

    router = APIRouter(dependencies=[Depends(limit_router)])

    @router.get("/items")
    async def items() -> int:
        return 1

    @router.websocket("/both")
    async def both(websocket: WebSocket) -> None:
        await websocket.accept()

    app = FastAPI()
    app.include_router(router)
    app.websocket("/handshake", dependencies=[Depends(limit_handshake)])(both)
    app.websocket("/opened", dependencies=[Depends(opened)])(both)
    with TestClient(app) as client:
        assert client.get("/items").status_code == 200
        for path in ("/both", "/handshake", "/opened"):
            with client.websocket_connect(path):
                pass
            with pytest.raises(WebSocketDisconnect), client.websocket_connect(path):
                pass
        assert client.get("/items").status_code == 429


@pytest.mark.parametrize(
    ("endpoint", "options", "text"),
    [
        (wrapped(response_stream), {}, "1\n2\n"),
        (wrapped(lines), {}, "1\n2\n"),
        (wrapped(plain_lines), {}, "1\n2\n"),
        (Greeting(), {}, '"hello you"'),
        (PlainGreeting(), {}, '"hello you"'),
        (Greeting().plainly, {}, '"hello you"'),
        (functools.partial(greet, "good day"), {}, '"good day you"'),
        (functools.partial(functools.partial(greet), greeting="hi"), {}, '"hi you"'),
        (lines, {}, "1\n2\n"),
        (plain_lines, {}, "1\n2\n"),
        (functools.partial(plain_lines, 1), {}, "1\n"),
        (text_stream, {"response_class": StreamingResponse}, "1\n2\n"),
        (response_stream, {}, "1\n2\n"),
    ],
)
def test_an_endpoint_of_any_kind_is_limited_and_responds_as_before(
    limiter: RateLimiter, endpoint: Any, options: dict[str, Any], text: str
) -> None:
    bare, app = FastAPI(), FastAPI()
    bare.get("/", **options)(endpoint)
    app.get("/", **options)(limiter.limit("2/day")(endpoint))
    assert app.openapi() == bare.openapi()
    with TestClient(bare) as client:
        expected = client.get("/")
    assert expected.text == text
    with TestClient(app) as client:
        responses = [client.get("/") for _ in range(3)]
    assert [response.status_code for response in responses] == LIMITED
    for response in responses[:2]:
        assert response.text == text
        assert response.headers.get("content-type") == expected.headers.get("content-type")
    remaining = [response.headers.get_list("x-ratelimit-remaining") for response in responses]
    assert remaining == [["1"], ["0"], ["0"]]
    assert int(responses[2].headers["retry-after"]) > 0


def test_a_stream_is_closed_with_its_client(limiter: RateLimiter) -> None:
    closed = []

    async def numbers_forever() -> AsyncIterable[int]:
        try:
            for number in itertools.count():
                yield number
        finally:
            closed.append(True)

    stream = limiter.limit("2/day")(numbers_forever)

    async def read_one() -> None:
        items = stream()
        assert await anext(items) == 0
        await items.aclose()

    asyncio.run(read_one())
    assert closed == [True]


def test_names_that_only_type_checkers_know_do_no_harm(limiter: RateLimiter) -> None:
    app = FastAPI()

    @app.get("/", response_model=None)
    @limiter.limit("2/day")
    async def endpoint(request: Request, page: int = 1) -> OrderedDict[str, int]:
        return {"page": page, "path": request.url.path}  # type: ignore[return-value]

    with TestClient(app) as client:
        responses = [client.get("/?page=7") for _ in range(3)]
        assert client.get("/?page=x").status_code == 422
    assert [response.status_code for response in responses] == LIMITED
    assert responses[0].json() == {"page": 7, "path": "/"}


@pytest.mark.parametrize("error_type", [HTTPException, StarletteHTTPException])
def test_an_error_that_the_endpoint_raises_carries_the_headers(
    limiter: RateLimiter, error_type: Any
) -> None:
    app = FastAPI()

    @app.get("/")
    @limiter.limit("2/day")
    def login() -> None:
        raise error_type(401, "wrong password", {"WWW-Authenticate": "Basic"})

    with TestClient(app) as client:
        first, second, third = (client.get("/") for _ in range(3))
    assert [first.status_code, second.status_code, third.status_code] == [401, 401, 429]
    assert first.headers["www-authenticate"] == "Basic"
    assert [first.headers["x-ratelimit-remaining"], second.headers["x-ratelimit-remaining"]] == [
        "1",
        "0",
    ]


@pytest.mark.parametrize(("outer", "inner"), [("3/day", "2/hour"), ("2/day", "3/hour")])
def test_two_limits_on_one_endpoint_both_hold_and_the_headers_tell_the_stricter(
    limiter: RateLimiter, outer: str, inner: str
) -> None:
    app = FastAPI()

    @app.get("/")
    @limiter.limit(outer)
    @limiter.limit(inner)
    async def endpoint() -> str:
        return "served"

    with TestClient(app) as client:
        responses = [client.get("/") for _ in range(3)]
    assert [response.status_code for response in responses] == LIMITED
    remaining = [response.headers["x-ratelimit-remaining"] for response in responses]
    assert remaining == ["1", "0", "0"]
    assert {response.headers["x-ratelimit-limit"] for response in responses} == {"2"}


def test_a_decorated_dependency_limits_a_whole_router(limiter: RateLimiter) -> None:
    @limiter.limit("2/day", endpoint="the router")
    async def limit_router() -> None:
        """Limit the router."""

    router = APIRouter(prefix="/admin", dependencies=[Depends(limit_router)])
    for path in ("/a", "/b"):
        router.get(path)(Greeting())
    app = FastAPI()
    app.include_router(router)
    app.get("/other")(Greeting())
    with TestClient(app) as client:
        paths = ["/admin/a", "/admin/b", "/admin/a", "/other"]
        responses = [client.get(path) for path in paths]
    assert [response.status_code for response in responses] == [200, 200, 429, 200]
    assert responses[0].headers["x-ratelimit-remaining"] == "1"


def test_the_decorator_itself_is_a_dependency_of_routes_routers_and_websockets(
    limiter: RateLimiter,
) -> None:
    shared = Depends(limiter.limit("2/day", endpoint="shared"))
    each = Depends(limiter.limit("1/hour"))
    router = APIRouter(prefix="/shared", dependencies=[shared])
    app = FastAPI()

    async def live(websocket: WebSocket) -> None:
        await websocket.accept()

    async def items() -> int:
        return 1

    async def raise_not_found() -> int:
        raise HTTPException(404)

    for path in ("/a", "/b"):
        router.get(path)(items)
    app.include_router(router, dependencies=[shared])  # again, for the same requests
    app.get("/items", dependencies=[each])(items)
    app.get("/greeting", dependencies=[each])(Greeting())
    app.get("/error", dependencies=[each])(raise_not_found)
    app.websocket("/live", dependencies=[each])(live)
    with TestClient(app) as client:
        paths = ["/shared/a", "/shared/b", "/shared/a", "/items", "/greeting", "/items"]
        responses = [client.get(path) for path in paths]
        error = client.get("/error")
        with client.websocket_connect("/live"):
            pass
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live"):
            pass
    assert [response.status_code for response in responses] == [200, 200, 429, 200, 200, 429]
    assert (error.status_code, error.headers["x-ratelimit-remaining"]) == (404, "0")
    assert responses[0].headers["x-ratelimit-remaining"] == "1"
    assert not app.openapi()["paths"]["/items"]["get"].get("parameters")
    explained = limiter.explain(app)
    assert explained["GET /shared/a"] == "2/day (a dependency)"
    assert explained["GET /items"] == "1/hour (a dependency)"


def test_a_dependency_that_yields_is_limited_too(limiter: RateLimiter) -> None:
    steps = []

    async def connection() -> AsyncIterable[str]:
        steps.append("open")
        yield "connection"
        steps.append("close")

    app = FastAPI()
    limited = limiter.limit("2/day")(connection)

    @app.get("/")
    async def endpoint(name: str = Depends(limited)) -> str:
        return name

    with TestClient(app) as client:
        assert [client.get("/").status_code for _ in range(3)] == LIMITED
    assert steps == ["open", "close"] * 2


def test_a_websocket_endpoint_is_limited_at_its_handshake(limiter: RateLimiter) -> None:
    app = FastAPI()

    @app.websocket("/live/{room}")
    @limiter.limit("1/day")
    async def live(websocket: WebSocket, room: str) -> None:
        await websocket.accept()
        await websocket.send_text(room)
        await websocket.close()

    with TestClient(app) as client:
        with client.websocket_connect("/live/a") as websocket:
            assert websocket.receive_text() == "a"
        with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/live/a"):
            pass
    assert denied.value.status_code == 429
    assert int(denied.value.headers["retry-after"]) > 0


def test_a_decorator_without_a_limit_is_an_error_when_the_endpoint_is_decorated(
    limiter: RateLimiter,
) -> None:
    async def parse(text: str) -> str:
        return text

    async def without_parameters() -> None: ...

    async def limit_of(scope: dict[str, Any]) -> str:
        return "2/day"

    for endpoint in (parse, without_parameters, greet, Greeting()):
        with pytest.raises(TypeError, match=r"is no limit: write @limiter.limit\('50/minute'\)"):
            limiter.limit(endpoint)  # type: ignore[arg-type]
    limiter.limit(limit_of)
    limiter.limit(lambda scope: None)


def test_the_decorators_limit_may_depend_on_the_request(limiter: RateLimiter) -> None:
    app = FastAPI()

    def header(scope: Any, name: bytes) -> str:
        value: bytes = dict(scope["headers"]).get(name, b"")
        return value.decode()

    async def limit_of(scope: Any) -> str | None:
        return None if header(scope, b"user") == "admin" else "4/day"

    @app.get("/")
    @limiter.limit(
        limit_of,
        identify=lambda scope: header(scope, b"user") or None,
        anonymous=None,
        cost=lambda scope: 2,
    )
    async def endpoint() -> str:
        return "served"

    with TestClient(app) as client:
        for user, expected in (("ann", LIMITED), ("admin", [200] * 3), ("", [200] * 3)):
            responses = [client.get("/", headers={"User": user}) for _ in range(3)]
            assert [response.status_code for response in responses] == expected
            assert ("x-ratelimit-limit" in responses[0].headers) == (expected == LIMITED)


def test_a_response_that_is_returned_to_all_tells_each_client_its_own_limit(
    limiter: RateLimiter,
) -> None:
    app, shared = FastAPI(), JSONResponse("hello")

    def client_of(scope: Any) -> str:
        return dict(scope["headers"])[b"x-client"].decode()

    @app.get("/")
    @limiter.limit("9/day", identify=client_of)
    @limiter.limit("99/day")
    async def hello() -> JSONResponse:
        return shared

    with TestClient(app) as client:
        replies = [client.get("/", headers={"X-Client": name}) for name in "aaab"]
    left = [reply.headers["X-RateLimit-Remaining"] for reply in replies]
    assert left == ["8", "7", "6", "8"]


class OwnRequest(Request):
    """A request with methods of the app's own."""


def test_requests_and_websockets_are_found_by_any_annotation_that_fastapi_takes(
    limiter: RateLimiter,
) -> None:
    app = FastAPI()

    @app.get("/own")
    @limiter.limit("9/day")
    async def own(request: OwnRequest, reply: Annotated[Response, "ours"]) -> str:
        return request.url.path

    @app.websocket("/live")
    @limiter.limit("9/day")
    async def live(websocket: Annotated[WebSocket, "ours"]) -> None:
        await websocket.accept()
        await websocket.send_text("hello")

    with TestClient(app) as client:
        reply = client.get("/own")
        with client.websocket_connect("/live") as websocket:
            assert websocket.receive_text() == "hello"
    assert (reply.text, reply.headers["X-RateLimit-Remaining"]) == ('"/own"', "8")
