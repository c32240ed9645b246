"""Limit how many requests each caller may send: the usual limits, and how they are enforced."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, HTTPException

from course_lib.api.callers import tier_of, user_of
from course_lib.asgi import Scope
from course_lib.limiter import (
    RateLimiter,
    RateLimitMiddleware,
    address,
    parse,
    too_many_requests,
)
from course_lib.limiter.routes import route_path

LOGIN_PATH = "/api/auth/login"
LOGIN = f"POST {LOGIN_PATH}"

Limits = Mapping[str, str | Mapping[str, str] | None]
LIMITS: Limits = {
    "POST /api/events/parse": "50/minute",
    LOGIN: {"address": "20/minute", "account": "5/minute"},
    "*": {"free": "100/minute", "pro": "1000/minute", "team": "5000/minute"},
}
"""The limits that `limits=True` stands for.

The first entry that matches a request applies. An unknown tier gets the limit of the first tier.
"""

CheckAccount = Callable[[str], Awaitable[None]]


def add_limits(app: FastAPI, limiter: RateLimiter, limits: Limits) -> CheckAccount:
    """Put the limits in front of the app, and return the function that checks an account's limit.

    The middleware can't check accounts: only the login route reads which account a request is for.
    Raises TypeError or ValueError if the limits aren't a dict of limits by route.
    """
    if not isinstance(limits, Mapping):
        raise TypeError(f"limits must be a dict such as LIMITS, or True, not {limits!r}")
    by_route = dict(limits)
    by_account: str | None = None
    login_limits = by_route.get(LOGIN)
    if isinstance(login_limits, Mapping):
        for kind in login_limits:
            if kind not in ("address", "account"):
                raise ValueError(f"{LOGIN!r} has a limit by {kind!r}: choose address or account")
        by_route[LOGIN] = login_limits.get("address")
        by_account = login_limits.get("account")
    options: dict[str, Any] = {
        "limiter": limiter,
        "limits": by_route,
        "identify": _caller_or_address,
        "tiers": tier_of,
    }
    # Construct it once here, so that a malformed limit is an error now. `add_middleware` would
    # construct it only at the first request.
    RateLimitMiddleware(app, **options)
    if by_account:
        parse(by_account)
    app.add_middleware(RateLimitMiddleware, **options)

    async def check_account(account: str) -> None:
        if not by_account:
            return
        client = f"account {account.casefold()}"
        decision = await limiter.check_rate_limit(client, LOGIN, by_account)
        if not decision:
            raise HTTPException(**too_many_requests(decision, by_account))

    return check_account


def _caller_or_address(scope: Scope) -> str:
    """Return the user of the API key, else the address; a login always counts by address."""
    user = user_of(scope)
    # Any path that might reach the login: the caller invents the key.
    is_login = route_path(scope).startswith(LOGIN_PATH)
    return address(scope) if user is None or is_login else user
