"""Limit one FastAPI endpoint; `RateLimiter.limit` returns this decorator.

FastAPI passes an endpoint what its signature declares. So the decorated function also declares what
the check needs, if the endpoint doesn't:

    endpoint                       also declares                       checked
    function, object, partial      an HTTPConnection and a Response    when it's called
    with a WebSocket parameter     nothing                             before `accept`
    generator: FastAPI streams it  a dependency                        before the stream starts

None of that appears in the OpenAPI schema.
"""

import contextlib
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from course_lib.asgi import Scope
from course_lib.checks import check_decorated
from course_lib.limiter.headers import rejection
from course_lib.limiter.request_check import CheckedRequest

if TYPE_CHECKING:
    from fastapi import WebSocket

Check = Callable[[Scope, str], Awaitable[CheckedRequest | None]]
"""Decides on one request to an endpoint of this name; returns None if it isn't limited."""

Endpoint = Callable[..., Any]

STRICTEST = "course_lib.limiter.strictest"  # where a request's scope has the headers

Kind = Enum("Kind", ["PLAIN", "COROUTINE", "GENERATOR", "ASYNC_GENERATOR"])
"""The kinds of endpoints, by what a call returns."""


def limit_endpoint(check: Check, endpoint: str | None, text: str) -> Callable[[Endpoint], Endpoint]:
    """Return a decorator that calls `check` first and responds with 429 if it rejects the request.

    `text` describes the limit to people.
    """

    def decorate(function: Endpoint) -> Endpoint:
        check_decorated("@limiter.limit", function)
        # An app that decorates endpoints has FastAPI; the rest of the limiter works without it.
        from fastapi import WebSocket  # noqa: PLC0415

        name = endpoint or _name_of(function)
        signature = _signature_of(function)
        websocket = _find_parameter(signature, WebSocket)
        if websocket:
            limited = _limit_websocket(function, websocket, check, name)
        elif _kind_of(function) in (Kind.GENERATOR, Kind.ASYNC_GENERATOR):
            limited, signature = _limit_stream(function, signature, check, name)
        else:
            limited, signature = _limit_call(function, signature, check, name)
        limited.__signature__ = signature  # type: ignore[attr-defined]
        limited.rate_limit = text  # type: ignore[attr-defined]
        return limited

    return decorate


def _limit_call(
    function: Endpoint, signature: inspect.Signature, check: Check, name: str
) -> tuple[Endpoint, inspect.Signature]:
    from fastapi import Response, concurrency  # noqa: PLC0415
    from starlette.exceptions import HTTPException  # noqa: PLC0415
    from starlette.requests import HTTPConnection  # noqa: PLC0415

    # A dependency may serve a WebSocket too, which has no Request.
    request_name = _find_parameter(signature, HTTPConnection) or _unused_name(signature, "request")
    response_name = _find_parameter(signature, Response) or _unused_name(signature, "response")
    kinds = {request_name: HTTPConnection, response_name: Response}
    added = {name: kind for name, kind in kinds.items() if name not in signature.parameters}
    is_coroutine = _kind_of(function) is Kind.COROUTINE

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

    return limited, _with_parameters(signature, added)


def _limit_stream(
    function: Endpoint, signature: inspect.Signature, check: Check, name: str
) -> tuple[Endpoint, inspect.Signature]:
    """Limit a generator, by a dependency: in the generator itself, 200 would have been sent."""
    from fastapi import Depends, Response  # noqa: PLC0415
    from starlette.requests import HTTPConnection  # noqa: PLC0415

    async def check_first(request: HTTPConnection, response: Response) -> None:
        headers = await _checked_headers(check, request.scope, name)
        response.headers.update(_strictest(request.scope, headers))

    check_first.__annotations__ = {"request": HTTPConnection, "response": Response}
    added = _unused_name(signature, "checked")

    if _kind_of(function) is Kind.ASYNC_GENERATOR:

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

    return limited, _with_parameters(signature, {}, **{added: Depends(check_first)})


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


def _with_parameters(
    signature: inspect.Signature, added: Mapping[str, type], **defaults: Any
) -> inspect.Signature:
    """Return a signature with keyword-only parameters added: types by name, and defaults."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = list(signature.parameters.values())
    for name, kind in added.items():
        parameters.append(inspect.Parameter(name, keyword, annotation=kind))
    for name, default in defaults.items():
        parameters.append(inspect.Parameter(name, keyword, default=default))
    parameters.sort(key=lambda parameter: parameter.kind)
    return signature.replace(parameters=parameters)


def _unused_name(signature: inspect.Signature, name: str) -> str:
    """Return a name for a parameter that the endpoint doesn't have."""
    while name in signature.parameters:
        name = f"_{name}"
    return name


def _find_parameter(signature: inspect.Signature, kind: type) -> str | None:
    """Return the name of the parameter of this type, None if there is none.

    FastAPI also passes it for a subclass, and for a type in Annotated.
    """
    for parameter in signature.parameters.values():
        annotation = parameter.annotation
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        if isinstance(annotation, type) and issubclass(annotation, kind):
            return parameter.name
    return None


def _signature_of(function: Endpoint) -> inspect.Signature:
    """Return a signature with its annotations read, but for names that only type checkers know."""
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:
        signature = inspect.signature(function)
    names = getattr(inspect.unwrap(_target(function)), "__globals__", {})

    def read(annotation: Any) -> Any:
        try:
            return eval(annotation, names) if isinstance(annotation, str) else annotation
        except NameError:
            return annotation

    parameters = [
        parameter.replace(annotation=read(parameter.annotation))
        for parameter in signature.parameters.values()
    ]
    returned = read(signature.return_annotation)
    return signature.replace(parameters=parameters, return_annotation=returned)


def _target(function: Endpoint) -> Endpoint:
    """Return the function or method behind partials and callable objects."""
    while isinstance(function, functools.partial):
        function = function.func
    is_function = inspect.isfunction(function) or inspect.ismethod(function)
    return function if is_function else type(function).__call__


def _kind_of(function: Endpoint) -> Kind:
    """Return what calling a function returns; that of the function inside if it's a wrapper."""
    for candidate in (function, inspect.unwrap(function)):
        call = _target(candidate)
        if inspect.iscoroutinefunction(call):
            return Kind.COROUTINE
        if inspect.isasyncgenfunction(call):
            return Kind.ASYNC_GENERATOR
        if inspect.isgeneratorfunction(call):
            return Kind.GENERATOR
    return Kind.PLAIN


def _name_of(function: Endpoint) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


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
