"""Limit one FastAPI endpoint; `RateLimiter.limit` returns this decorator."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from course_lib.limiter.clients import Identify
from course_lib.limiter.decision import Decision
from course_lib.limiter.headers import rate_limit_headers, rejection
from course_lib.limiter.limits import Limit

Check = Callable[[int | str, str], Awaitable[Decision]]
"""Decides on one request of a user to an endpoint."""

Endpoint = Callable[..., Any]


def limit_endpoint(
    check: Check, limits: tuple[Limit, ...], identify: Identify, endpoint: str | None
) -> Callable[[Endpoint], Endpoint]:
    """Return a decorator that calls `check` first and responds with 429 if it rejects the request.

    FastAPI passes an endpoint what its signature declares. So the decorated function also declares
    a `Request` and a `Response` if the endpoint doesn't; neither appears in the OpenAPI schema.
    """

    def decorate(function: Endpoint) -> Endpoint:
        # An app that decorates endpoints has FastAPI; the rest of the limiter works without it.
        from fastapi import HTTPException, Request, Response, concurrency  # noqa: PLC0415

        signature = inspect.signature(function, eval_str=True)
        parameters = list(signature.parameters.values())
        request_name = _name_of_parameter(parameters, Request, "_request")
        response_name = _name_of_parameter(parameters, Response, "_response")
        added = {request_name, response_name} - set(signature.parameters)
        name = endpoint or f"{function.__module__}.{function.__qualname__}"

        @functools.wraps(function)
        async def limited(*args: Any, **kwargs: Any) -> Any:
            if request_name not in kwargs:
                raise TypeError(
                    f"{name} is limited by request: let FastAPI call it, or call its __wrapped__"
                )
            request, response = kwargs[request_name], kwargs[response_name]
            for parameter in added:
                del kwargs[parameter]
            decision = await check(identify(request.scope), name)
            headers = rate_limit_headers(decision, limits)
            if not decision:
                raise HTTPException(429, rejection(decision), headers)
            if inspect.iscoroutinefunction(function):
                result = await function(*args, **kwargs)
            else:
                result = await concurrency.run_in_threadpool(function, *args, **kwargs)
            if isinstance(result, Response):
                response = result  # FastAPI sends this one and ignores the parameter
            response.headers.update(headers)
            return result

        parameters.sort(key=lambda parameter: parameter.kind)
        limited.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=parameters
        )
        return limited

    return decorate


def _name_of_parameter(parameters: list[inspect.Parameter], kind: type, default: str) -> str:
    """Return the name of the parameter of this type; add one named `default` if there is none."""
    for parameter in parameters:
        if parameter.annotation is kind:
            return parameter.name
    parameters.append(inspect.Parameter(default, inspect.Parameter.KEYWORD_ONLY, annotation=kind))
    return default
