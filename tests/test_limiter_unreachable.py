"""A limit that could never apply is an error when the app is made, never silently off."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import JSONResponse, Response

from course_lib.asgi import Scope
from course_lib.limiter import Decision, RateLimiter, RateLimitMiddleware


def limited(limiter: RateLimiter, limits: dict[str, Any], **options: Any) -> RateLimitMiddleware:
    return RateLimitMiddleware(FastAPI(), limiter=limiter, limits=limits, **options)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("*", "/login"),
        ("*", "GET /login"),
        ("/static/*", "/static/img/{name}"),
        ("/items/{item_id}", "/items/special"),
        ("/items/{item_id}", "/items/{name}"),
        ("/items/{item_id}", "/items/{number:int}"),
        ("/files/{file:path}", "/files/*"),
        ("/login", "POST /login"),
        ("GET /login", "HEAD /login"),
        ("/live", "WEBSOCKET /live"),
        ("POST *", "POST /login"),
    ],
)
def test_a_key_after_one_that_covers_it_is_an_error(
    limiter: RateLimiter, first: str, second: str
) -> None:
    with pytest.raises(ValueError, match="would never apply: put"):
        limited(limiter, {first: "9/hour", second: "1/hour"})
    with pytest.raises(ValueError, match="would never apply: put"):
        limited(limiter, {first: "9/hour", second: None})  # it would be limited after all


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/items/a", "/items/{item_id}"),
        ("/v/1", "/v/{number:int}"),
        ("/items/{number:int}", "/items/{name}"),
        ("/files/{name}", "/files/{file:path}"),
        ("POST /login", "/login"),
        ("POST /login", "GET /login"),
        ("POST *", "/login"),
        ("/static/*", "/statics"),
        ("/a/{x}/a", "/a/{x}/{y}"),
    ],
)
def test_a_key_that_is_left_some_requests_is_fine(
    limiter: RateLimiter, first: str, second: str
) -> None:
    limited(limiter, {first: "9/hour", second: "1/hour"})


def test_a_limit_of_an_exempt_route_is_an_error(limiter: RateLimiter) -> None:
    with pytest.raises(ValueError, match="'/health' is exempt"):
        limited(limiter, {"/health": "1/hour"})
    limited(limiter, {"/health": "1/hour"}, exempt=())
    limited(limiter, {"/health": None})


def test_a_route_without_any_tier_is_an_error(limiter: RateLimiter) -> None:
    with pytest.raises(ValueError, match="has no tiers"):
        limited(limiter, {"/login": {}}, tiers=lambda _: "free")


def test_the_response_to_a_rejected_request_may_be_made_by_an_async_function(
    limiter: RateLimiter,
) -> None:
    async def on_reject(scope: Scope, decision: Decision) -> Response:
        return JSONResponse({"path": scope["path"]}, 429)

    app = FastAPI()
    app.get("/items")(lambda: "ok")
    options: dict[str, Any] = {"limits": {"/items": "1/hour"}, "on_reject": on_reject}
    app.add_middleware(RateLimitMiddleware, limiter=limiter, **options)
    with TestClient(app) as client:
        client.get("/items")
        response = client.get("/items")
    assert (response.status_code, response.json()) == (429, {"path": "/items"})
    assert "Retry-After" in response.headers
