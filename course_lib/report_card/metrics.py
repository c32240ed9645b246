"""Compare what was measured with the five targets of the course."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.lab import show
from course_lib.lab.bench import percentile
from course_lib.report_card import traffic
from course_lib.report_card.traffic import STATS, Attack, SameTraffic

# The targets.
STATS_SECONDS = 0.02
P90_SECONDS = 0.1
HIT_RATE = 0.8
QUERIES_A_MINUTE = 200

QUERIES_BEFORE = 1_000  # a minute; what was measured is scaled to it
LEAST_MISS_RATE = 0.002  # a log axis can't show 0


@dataclass(frozen=True)
class Metric:
    """One measure: before, after, its target, and the traffic that it was measured under.

    `of_target` is before and after as multiples of the target, for the plot.
    """

    name: str
    before: str
    after: str
    target: str
    met: bool
    traffic: str
    of_target: tuple[float, float] | None = None


def metrics(replay: SameTraffic, attack: Attack) -> list[Metric]:
    """Return the five measures of the report card, from one replay and one attack."""
    return [
        _stats_p50(replay),
        _hit_rate(replay),
        _queries_a_minute(replay),
        _p90(replay),
        _rejected(attack),
    ]


def _stats_p50(replay: SameTraffic) -> Metric:
    sides = (replay.off, replay.on)
    medians = [percentile(side.latencies(STATS), 50) for side in sides]
    count = len(replay.on.latencies(STATS))
    described = f"{_described(replay)}; {count} of them stats, hits and misses together"
    return _timed("stats endpoint, P50", medians, STATS_SECONDS, described)


def _hit_rate(replay: SameTraffic) -> Metric:
    rate, rate_of_users = replay.on.hit_rate(), replay.on.hit_rate(of_users=True)
    cold, cold_of_users = replay.cold.hit_rate(), replay.cold.hit_rate(of_users=True)
    target = 1 - HIT_RATE
    described = (
        f"the platform's key, TTL 60 s; the users' keys {_share(rate_of_users)}, TTL 300 s; "
        f"in the warm-up, with an empty cache, {_share(cold)} and {_share(cold_of_users)}"
    )
    return Metric(
        "cache hit rate",
        before="no cache",
        after=_share(rate),
        target=f"over {HIT_RATE:.0%}",
        met=rate > HIT_RATE,
        traffic=described,
        of_target=(1 / target, max(1 - rate, LEAST_MISS_RATE) / target),
    )


def _queries_a_minute(replay: SameTraffic) -> Metric:
    sides = (replay.off, replay.on)
    stats_off, stats_on = (side.statements_per_thousand(STATS) for side in sides)
    mix_off, mix_on = (side.statements_per_thousand() for side in sides)
    scaled = QUERIES_BEFORE * stats_on / stats_off
    described = (
        f"scaled to {QUERIES_BEFORE:,} before; 1,000 stats took {stats_off:,.0f} and "
        f"{stats_on:,.0f} statements, "
        f"1,000 requests of the whole mix {mix_off:,.0f} and {mix_on:,.0f}"
    )
    return Metric(
        "database queries a minute",
        before=f"{QUERIES_BEFORE:,}",
        after=show.number(round(scaled)),
        target=f"under {QUERIES_A_MINUTE}",
        met=scaled < QUERIES_A_MINUTE,
        traffic=described,
        of_target=(QUERIES_BEFORE / QUERIES_A_MINUTE, max(scaled, 1) / QUERIES_A_MINUTE),
    )


def _p90(replay: SameTraffic) -> Metric:
    off, on = replay.off, replay.on
    p90s = [percentile(side.latencies(), 90) for side in (off, on)]
    described = (
        f"{_described(replay)}; every request that was admitted; "
        f"rejected {on.refused()}, failed {off.failures()} and {on.failures()}"
    )
    return _timed("response time, P90", p90s, P90_SECONDS, described)


def _rejected(attack: Attack) -> Metric:
    of_attacker = f"{attack.refused:,} of the attacker's {attack.sent(traffic.ATTACKER):,}"
    of_others = f"{attack.honest_refused:,} of the others' {attack.sent(traffic.HONEST):,}"
    return Metric(
        "rejected under attack",
        before="none",
        after=f"{of_attacker}, {of_others}",
        target="only the attacker's",
        met=attack.honest_refused == 0 and 0 < attack.admitted <= attack.most,
        traffic=(
            f"{traffic.CLIENTS} clients at 75% of their limit, one at ten times its limit, "
            f"which lets at most {attack.most:,} through"
        ),
    )


def _described(replay: SameTraffic) -> str:
    requests, rate = replay.off.requests, replay.rate
    return f"the same {requests:,} requests at {rate:.3g} a second, latency from the intended start"


def _timed(name: str, seconds: Sequence[float], target: float, described: str) -> Metric:
    """Return a measure in seconds whose target is an upper bound."""
    before, after = seconds
    return Metric(
        name,
        before=show.duration(before),
        after=show.duration(after),
        target=f"under {show.duration(target)}",
        met=after < target,
        traffic=described,
        of_target=(before / target, after / target),
    )


def _share(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.1%}"
