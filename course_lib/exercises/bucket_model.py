"""A model of the token bucket, right and with each misconception built in.

The exercise `token_bucket` compares an answer's results with those of the right model. If they
differ, the model with the same results says which misconception it is.
"""

import random
from collections.abc import Iterable
from typing import NamedTuple

Step = tuple[bool, float]
"""True if a request is allowed, and the tokens that are left."""


class Case(NamedTuple):
    """The arguments of a call; times are in seconds."""

    tokens: float
    elapsed: float
    rate: float
    burst: float


CASES = (
    Case(40, 0, 0.5, 40),  # full
    Case(3, 8, 0.5, 10),
    Case(0, 0.5, 1, 10),  # half a token comes back, and has to stay
    Case(0.25, 0.5, 1, 10),  # a quarter and a half isn't one
    Case(0.5, 0.5, 1, 10),  # a half and a half is one
    Case(1, 0, 1, 10),  # the last one
    Case(0, 0, 2, 10),  # empty, and no time has passed
    Case(9, 3_600, 0.5, 10),  # an hour later it's full, and no fuller
    Case(2, 3_600, 0.125, 500),  # this one isn't
    Case(10, 0.25, 1, 10),  # it's full already
)


def random_cases() -> list[Case]:
    """Return cases in eighths, so that no result depends on rounding."""
    generator = random.Random(3)
    cases = []
    for _ in range(40):
        burst = generator.randint(1, 20)
        tokens = generator.randint(0, 8 * burst) / 8
        elapsed = generator.randint(0, 40) / 4
        rate = generator.randint(1, 8) / 4
        cases.append(Case(tokens, elapsed, rate, burst))
    return cases


def step(case: Case, mistake: str = "") -> Step:
    """Return what the bucket does, with a misconception built in, if any."""
    tokens = _refilled(case, mistake)
    allowed = _is_allowed(case, tokens, mistake)
    return allowed, _left(case, tokens, allowed, mistake)


def models(cases: Iterable[Case], mistakes: Iterable[str]) -> dict[str, list[list[Step]]]:
    """Return, for all cases, the lists of results that each misconception leads to."""
    by_mistake = {}
    for mistake in mistakes:
        by_case = [variants(case, mistake) for case in cases]
        by_variant = zip(*by_case, strict=True)
        by_mistake[mistake] = [list(steps) for steps in by_variant]
    return by_mistake


def variants(case: Case, mistake: str) -> list[Step]:
    """Return the results that a misconception leads to, in its different forms."""
    allowed, left = step(case, mistake)
    steps = [(allowed, left)]
    if mistake == "overflows":
        steps.append((allowed, min(case.burst, left)))  # cut to full, but only after taking
        tokens = case.tokens + min(case.burst, case.elapsed * case.rate)  # only the refill is cut
        steps.append((tokens >= 1, tokens - 1 if tokens >= 1 else tokens))
    if mistake == "whole_tokens":
        come_back = int(case.elapsed * case.rate)
        only_come_back_rounded = case._replace(elapsed=come_back, rate=1)
        only_seconds_rounded = case._replace(elapsed=int(case.elapsed))
        to_the_nearest = case._replace(elapsed=round(case.elapsed * case.rate), rate=1)
        steps += [step(only_come_back_rounded), step(only_seconds_rounded), step(to_the_nearest)]
    if mistake in ("part_of_a_token", "never_rejects"):
        steps.append((allowed, max(0, left)))
    if mistake == "refill_lost":
        steps.append((allowed, left if allowed else 0))
    if mistake == "decides_after_taking":
        steps.append((left > 0, left))
    return steps


def same_step(one: Step, other: Step) -> bool:
    """Return True if two results are the same, but for rounding."""
    return one[0] == other[0] and abs(one[1] - other[1]) < 1e-9


def same_steps(steps: list[Step], others: list[Step]) -> bool:
    """Return True if all results of two lists are the same, but for rounding."""
    return all(map(same_step, steps, others))


def _refilled(case: Case, mistake: str) -> float:
    """Return the tokens after the refill."""
    come_back = case.elapsed * case.rate
    wrongly = {
        "never_refills": 0,
        "filled_at_once": case.burst if case.elapsed else 0,
        "rate_upside_down": case.elapsed / case.rate,
        "forgets_the_rest": come_back - case.tokens,
        "per_minute": come_back / 60,
        "rate_ignored": case.elapsed,
        "elapsed_ignored": case.rate,
    }
    tokens = case.tokens + wrongly.get(mistake, come_back)
    if mistake == "whole_tokens":
        tokens = int(tokens)
    if mistake == "overflows":
        return tokens
    if mistake == "always_full":
        return max(case.burst, tokens)
    return min(case.burst, tokens)


def _is_allowed(case: Case, tokens: float, mistake: str) -> bool:
    """Return whether the request is allowed with these tokens in the bucket."""
    wrongly = {
        "decides_before_refill": case.tokens >= 1,
        "part_of_a_token": tokens > 0,
        "decides_after_taking": tokens >= 2,
        "keeps_the_last": tokens > 1,
        "never_rejects": True,
        "upside_down": tokens < 1,
    }
    return wrongly.get(mistake, tokens >= 1)


def _left(case: Case, tokens: float, allowed: bool, mistake: str) -> float:
    """Return the tokens that the request leaves."""
    left = tokens - 1 if allowed else tokens
    wrongly = {
        "takes_when_rejected": tokens - 1,
        "takes_nothing": tokens,
        "decides_after_taking": tokens - 1 if tokens >= 1 else tokens,
        "upside_down": tokens if allowed else tokens - 1,
        "refill_lost": left if allowed else case.tokens,
    }
    return wrongly.get(mistake, left)
