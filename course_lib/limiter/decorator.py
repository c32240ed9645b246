"""Limit FastAPI endpoints by a decorator, or by a dependency; `RateLimiter.limit` returns both.

FastAPI passes an endpoint what its signature declares. So the decorated function also declares what
the check needs, if the endpoint doesn't:

    endpoint                       also declares                       checked
    function, object, partial      an HTTPConnection and a Response    when it's called
    with a WebSocket parameter     nothing                             before `accept`
    generator: FastAPI streams it  a dependency                        before the stream starts

None of that appears in the OpenAPI schema. If the decorator itself is a dependency, it declares the
same dependency as a generator.
"""

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from course_lib.asgi import Scope
from course_lib.callables import typed_signature
from course_lib.checks import check_decorated
from course_lib.limiter.headers import rejection
from course_lib.limiter.request_check import CheckedRequest
from course_lib.limiter.signatures import (
    Endpoint,
    Kind,
    find_parameter,
    kind_of,
    name_of,
    unused_name,
    with_parameters,
)

if TYPE_CHECKING:
    from fastapi import WebSocket

Check = Callable[[Scope, str], Awaitable[CheckedRequest | None]]
"""Decides on one request to an endpoint of this name; returns None if it isn't limited."""

STRICTEST = "course_lib.limiter.strictest"  # where a request's scope has the headers


class EndpointLimit:
    """Decorates an endpoint, or is a dependency of a route, a router or an app.

    Either way, `check` is called first, and a request that it rejects gets a 429. `rate_limit`
    describes the limit to people.
    """

    def __init__(self, check: Check, endpoint: str | None, rate_limit: str) -> None:
        self.rate_limit = rate_limit
        self._check = check
        self._endpoint = endpoint

    def __call__(self, *decorated: Endpoint, **checked: None) -> Any:
        """Decorate an endpoint. As a dependency do nothing, because `__signature__` has checked."""
        return self._decorate(*decorated) if decorated else None

    @functools.cached_property
    def __signature__(self) -> inspect.Signature:
        """The arguments of a dependency. It counts under the name of the endpoint after it.

        It's always the same, so FastAPI calls it once if a router and its route both have it.
        """
        return _with_check(inspect.Signature(), self._check, self._endpoint)

    def _decorate(self, function: Endpoint) -> Endpoint:
        check_decorated("@limiter.limit", function)
        # An app that decorates endpoints has FastAPI; the rest of the limiter works without it.
        from fastapi import WebSocket  # noqa: PLC0415

        check, name = self._check, self._endpoint or name_of(function)
        signature = typed_signature(function)
        websocket = find_parameter(signature, WebSocket)
        if websocket:
            limited = _limit_websocket(function, websocket, check, name)
        elif kind_of(function) in (Kind.GENERATOR, Kind.ASYNC_GENERATOR):
            limited, signature = _limit_stream(function, signature, check, name)
        else:
            limited, signature = _limit_call(function, signature, check, name)
        limited.__signature__ = signature  # type: ignore[attr-defined]
        limited.rate_limit = self.rate_limit  # type: ignore[attr-defined]
        return limited


def _limit_call(
    function: Endpoint, signature: inspect.Signature, check: Check, name: str
) -> tuple[Endpoint, inspect.Signature]:
    from fastapi import Response, concurrency  # noqa: PLC0415
    from starlette.exceptions import HTTPException  # noqa: PLC0415
    from starlette.requests import HTTPConnection  # noqa: PLC0415

    # A dependency may serve a WebSocket too, which has no Request.
    request_name = find_parameter(signature, HTTPConnection) or unused_name(signature, "request")
    response_name = find_parameter(signature, Response) or unused_name(signature, "response")
    kinds = {request_name: HTTPConnection, response_name: Response}
    added = {name: kind for name, kind in kinds.items() if name not in signature.parameters}
    is_coroutine = kind_of(function) is Kind.COROUTINE

    @_wraps(function)
    async def limited(*args: Any, **kwargs: Any) -> Any:
        if request_name not in kwargs:
            raise TypeError(
                f"{name} is limited by request: let FastAPI call it, or call its __wrapped__"
            )
        request, response = kwargs[request_name], kwargs[response_name]
        for parameter in added:
            del kwargs[parameter]
        headers = await _checked_headers(check, request.scope, name)
        try:
            if is_coroutine:
                result = await function(*args, **kwargs)
            else:
                result = await concurrency.run_in_threadpool(function, *args, **kwargs)
        except HTTPException as error:
            error.headers = {**_strictest(request.scope, headers), **(error.headers or {})}
            raise
        if isinstance(result, Response):
            response = result  # FastAPI sends this one and ignores the parameter
        response.headers.update(_strictest(request.scope, headers))
        return result

    return limited, with_parameters(signature, added)


def _limit_stream(
    function: Endpoint, signature: inspect.Signature, check: Check, name: str
) -> tuple[Endpoint, inspect.Signature]:
    """Limit a generator, by a dependency: in the generator itself, 200 would have been sent."""
    added = unused_name(signature, "checked")

    if kind_of(function) is Kind.ASYNC_GENERATOR:

        @_wraps(function)
        async def limited(*args: Any, **kwargs: Any) -> Any:
            kwargs.pop(added, None)
            async with contextlib.aclosing(function(*args, **kwargs)) as items:
                async for item in items:
                    yield item

    else:

        @_wraps(function)
        def limited(*args: Any, **kwargs: Any) -> Any:
            kwargs.pop(added, None)
            yield from function(*args, **kwargs)

    return limited, _with_check(signature, check, name)


def _with_check(signature: inspect.Signature, check: Check, name: str | None) -> inspect.Signature:
    """Return a signature with a dependency that checks a request, by default to its endpoint."""
    from fastapi import Depends, Response  # noqa: PLC0415
    from starlette.exceptions import HTTPException  # noqa: PLC0415
    from starlette.requests import HTTPConnection  # noqa: PLC0415

    async def check_first(request: HTTPConnection, response: Response) -> AsyncIterator[None]:
        scope = request.scope
        headers = await _checked_headers(check, scope, name or name_of(scope["endpoint"]))
        response.headers.update(_strictest(scope, headers))
        try:
            yield
        except HTTPException as error:  # of the endpoint
            error.headers = {**_strictest(scope, headers), **(error.headers or {})}
            raise

    check_first.__annotations__ = {"request": HTTPConnection, "response": Response}
    added = unused_name(signature, "checked")
    return with_parameters(signature, {}, **{added: Depends(check_first)})


def _limit_websocket(function: Endpoint, websocket_name: str, check: Check, name: str) -> Endpoint:
    from fastapi import WebSocketException  # noqa: PLC0415
    from fastapi.responses import JSONResponse  # noqa: PLC0415

    @_wraps(function)
    async def limited(*args: Any, **kwargs: Any) -> Any:
        websocket: WebSocket = kwargs[websocket_name]
        checked = await check(websocket.scope, name)
        if checked is None or checked.decision:
            return await function(*args, **kwargs)
        detail = rejection(checked.decision)
        can_respond = "websocket.http.response" in websocket.scope.get("extensions", {})
        endpoint: Any = websocket.scope.get("endpoint")
        is_endpoint = inspect.unwrap(endpoint) is inspect.unwrap(function)
        if not (can_respond and is_endpoint):  # after a dependency, the endpoint would be called
            raise WebSocketException(1008, detail)  # a server responds with 403
        response = JSONResponse({"detail": detail}, 429, checked.headers)
        await websocket.send_denial_response(response)
        return None

    return limited


async def _checked_headers(check: Check, scope: Scope, name: str) -> dict[str, str]:
    """Return the headers of an allowed request.

    Raises HTTPException (429) if it's rejected, or WebSocketException if it's a handshake.
    """
    from fastapi import HTTPException, WebSocketException  # noqa: PLC0415

    checked = await check(scope, name)
    if checked is None:
        return {}
    if checked.decision:
        return checked.headers
    detail = rejection(checked.decision)
    if scope["type"] == "websocket":
        raise WebSocketException(1008, detail)
    raise HTTPException(429, detail, checked.headers)


def _strictest(scope: Scope, headers: dict[str, str]) -> dict[str, str]:
    """Return the headers, or those of a second limit with fewer requests left.

    They're kept with the request, because an endpoint may return the same response to each.
    """
    name = "X-RateLimit-Remaining"
    known = scope.get(STRICTEST)
    if headers and (not known or int(headers[name]) <= int(known[name])):
        scope[STRICTEST] = known = headers
    return known or {}


def _wraps(function: Endpoint) -> Callable[[Endpoint], Endpoint]:
    """Return a decorator that copies the function's name; an object or a partial has its class's.

    FastAPI calls them so in the OpenAPI schema.
    """
    updated = functools.WRAPPER_UPDATES if inspect.isroutine(function) else ()

    def copy_name(limited: Endpoint) -> Endpoint:
        functools.update_wrapper(limited, function, updated=updated)
        limited.__name__ = getattr(function, "__name__", type(function).__name__)
        return limited

    return copy_name
