"""Check a request against its limit: the steps that the middleware and the decorator share."""

import inspect
import logging
import math
import re
from collections.abc import Awaitable
from numbers import Real
from typing import Any, NamedTuple, Protocol

from course_lib.asgi import Scope
from course_lib.checks import check_functions
from course_lib.limiter.clients import Identify, Identity, address, identify_client
from course_lib.limiter.decision import Decision
from course_lib.limiter.headers import rate_limit_headers
from course_lib.limiter.limits import (
    Cost,
    Limit,
    LimitOfRequest,
    OneLimit,
    most_cost,
    rules_of,
)
from course_lib.limiter.scripts import Algorithm

SCOPE_TYPE = re.compile("Any|Scope|Mapping|dict", re.IGNORECASE)  # as a scope may be annotated
COUNTED = "course_lib.limiter.counted"  # in a scope: its decisions, by what they count

log = logging.getLogger(__package__)


def check_limit_of_request(limit: LimitOfRequest) -> None:
    """Raise TypeError if this is an endpoint, decorated by `@limiter.limit` without a limit."""
    parameters = list(inspect.signature(limit).parameters.values())
    kinds = [parameter.annotation for parameter in parameters]
    takes_scope = len(kinds) == 1 and (
        kinds[0] is inspect.Parameter.empty or SCOPE_TYPE.search(str(kinds[0]))
    )
    if not takes_scope:
        raise TypeError(
            f"{limit!r} is no limit: write @limiter.limit('50/minute'), or pass a function that "
            "takes a request's scope and returns its limit"
        )


class Limiter(Protocol):
    """The part of `RateLimiter` that a check needs."""

    algorithm: Algorithm

    def check_rate_limit(
        self, user_id: Identity, endpoint: str, limit: str | Limit, *, cost: int = 1
    ) -> Awaitable[Decision]:
        """Decide on one request of a user."""


class CheckedRequest(NamedTuple):
    """The decision on a request, the headers that tell its client, and the checks that know it."""

    decision: Decision
    headers: dict[str, str]
    checks: list["RequestCheck"]


class RequestCheck:
    """Decides on requests, by their client and their cost."""

    def __init__(
        self,
        limiter: Limiter,
        identify: Identify | None,
        anonymous: Identify | None,
        cost: Cost | None,
    ) -> None:
        check_functions(identify=identify, anonymous=anonymous, cost=cost)
        self._limiter = limiter
        self._identify = identify or address
        self._anonymous = anonymous
        self._cost = cost
        self._logged: set[str] = set()  # the endpoints whose wrong cost has been logged

    async def check(
        self, scope: Scope, endpoint: str, limit: OneLimit | LimitOfRequest
    ) -> CheckedRequest | None:
        """Decide on a request and count it if it's allowed; return None if it isn't limited.

        A request may meet the same limit again: in an app that is mounted in another, or in a
        middleware that was added twice. The first check has counted it then, and left its decision
        in the scope, which all apply. But if a check finds a decision of its own, this is another
        request, sent by an endpoint with a copy of its scope.
        """
        if callable(limit):
            own_limit = limit(scope)
            limit = await own_limit if inspect.isawaitable(own_limit) else own_limit
        if limit is None:
            return None
        client = await identify_client(scope, self._identify, self._anonymous)
        if client is None:
            return None
        limits = rules_of(endpoint, limit, self._limiter.algorithm).limits
        counter = self._limiter, str(client), endpoint, limit
        counted: dict[Any, CheckedRequest] = scope.setdefault(COUNTED, {})
        checked = counted.get(counter)
        if checked and self not in checked.checks:
            checked.checks.append(self)
            return checked
        cost = await self._cost_of(scope, endpoint) if self._cost else 1
        decision = await self._limiter.check_rate_limit(client, endpoint, limit, cost=cost)
        headers = rate_limit_headers(decision, limits)
        checked = counted[counter] = CheckedRequest(decision, headers, [self])
        return checked

    async def _cost_of(self, scope: Scope, endpoint: str) -> int:
        """Return what a request costs; 1 if the function returns nonsense, which is logged once."""
        assert self._cost
        cost = self._cost(scope)
        if inspect.isawaitable(cost):
            cost = await cost
        most = most_cost(self._limiter.algorithm)
        is_number = isinstance(cost, Real) and not isinstance(cost, bool)  # NumPy's, too
        if is_number and 0 <= cost <= most:
            return math.ceil(cost)
        counted = most if is_number and cost > most else 1
        if endpoint not in self._logged:
            self._logged.add(endpoint)
            log.warning(
                "the cost of a request to %s isn't a number from 0 to %d (its type is %s), so it "
                "counts as %d; check the function that you passed as `cost`",
                endpoint,
                most,
                type(cost).__name__,
                counted,
            )
        return counted
