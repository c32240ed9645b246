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


class LimitState(NamedTuple):
    """The state of one limit, as a script returns it. Times are in microseconds."""

    remaining: int
    reset_after: int
    retry_after: int

    @property
    def strictness(self) -> tuple[bool, int, int, int]:
        """The key to sort by so that the strictest limit comes first: one that rejects."""
        return self.retry_after == 0, self.remaining, -self.retry_after, -self.reset_after


def decide(limits: Sequence[Limit], states: Sequence[LimitState]) -> Decision:
    """Return the decision of the strictest limit."""
    strictest = min(range(len(states)), key=lambda number: states[number].strictness)
    capacity = limits[strictest].capacity
    remaining, reset_after, retry_after = states[strictest]
    allowed = retry_after == 0
    return Decision(allowed, capacity, remaining, reset_after / 1_000_000, retry_after / 1_000_000)
