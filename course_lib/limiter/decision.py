"""The outcome of a rate-limit check."""

from collections.abc import Sequence
from typing import NamedTuple

from course_lib.limiter.limits import Limit


class Decision(NamedTuple):
    """The outcome of a rate-limit check; truthy if the request is allowed. Times are in seconds.

    `remaining` of the `limit` requests are left (for a token bucket, `limit` is its burst); all of
    them are available again after `reset_after` if no more requests come. A rejected client will be
    admitted after `retry_after` and no sooner; it's 0.0 if the request was allowed. If several
    limits apply, the numbers are those of the limit with the fewest requests left.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_after: float
    retry_after: float

    def __bool__(self) -> bool:
        return self.allowed


State = Sequence[int]
"""The state of one limit, as a script returns it.

The requests that are left, how long until all of them are available again, and how long until the
request is allowed (0 if it was). Times are in microseconds.
"""


def decide(limits: Sequence[Limit], states: Sequence[State]) -> Decision:
    """Return the decision of the strictest limit."""
    limit, state = min(zip(limits, states, strict=True), key=_strictest_first)
    remaining, reset_after, retry_after = state
    allowed = retry_after == 0
    return Decision(
        allowed, limit.capacity, remaining, reset_after / 1_000_000, retry_after / 1_000_000
    )


def _strictest_first(limit_and_state: tuple[Limit, State]) -> tuple[bool, int, int, int]:
    """Return a key to sort by: a limit that rejects comes first, then one with few left."""
    remaining, reset_after, retry_after = limit_and_state[1]
    return retry_after == 0, remaining, -retry_after, -reset_after
