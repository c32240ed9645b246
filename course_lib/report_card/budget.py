"""Score what a trial measured against the budget: four measures, each with a target."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from course_lib.lab import show
from course_lib.lab.bench import percentile
from course_lib.lab.load_generator import TOO_MANY_REQUESTS, Load
from course_lib.lab.sender import Answer
from course_lib.report_card import traffic
from course_lib.report_card.traffic import ATTACKER, HONEST, STATS, Attack

# The targets: at most these.
ALONE_SECONDS = 0.02
LATE_SECONDS, LATE_SHARE = 0.1, 0.1  # no more than a tenth late: that is, a P90 under 100 ms
STATEMENTS = 0.8  # for each stats request; without a cache there are four
ADMITTED_SHARE = 0.25

HIT_RATE = 0.8
OK = 200
NOISE = 2  # standard deviations: within them, another run may well turn out otherwise
SMALLEST = 0.01  # of a target: a log axis can't show 0


@dataclass(frozen=True)
class Measure:
    """One measure of a trial: its value, its target, and whether that's met.

    `noise` is how far the value of another run may be from this one by chance alone.
    """

    name: str
    value: float
    text: str
    target: float
    target_text: str
    met: bool
    noise: float = 0.0

    @property
    def verdict(self) -> str:
        """In words, whether the target is met, and whether chance may have decided that."""
        verdict = "met" if self.met else "NOT MET"
        if abs(self.value - self.target) < self.noise:
            verdict += " (so close that chance may have decided)"
        return verdict

    @property
    def of_target(self) -> float:
        """The value as a multiple of its target, for a log axis."""
        return max(self.value / self.target, SMALLEST)


@dataclass(frozen=True)
class Trial:
    """The loads that an API with some fixes was sent, and what they measured."""

    fixes: Mapping[str, Any]
    mix: Load
    alone: Load
    attack: Attack
    short: bool

    @property
    def met(self) -> bool:
        """True if the whole budget is met."""
        return all(measure.met for measure in measures(self))

    @property
    def described(self) -> str:
        """The fixes in words."""
        named = [_described(name, value) for name, value in self.fixes.items()]
        return ", ".join(named) or "none"

    @property
    def late(self) -> float:
        """The share of the mix that wasn't answered within 100 ms."""
        return late_share(self.mix)

    @property
    def alone_seconds(self) -> float:
        """The median latency of the stats, one request at a time, in seconds; nan if all failed."""
        latencies = self.alone.latencies()
        return percentile(latencies, 50) if latencies else math.nan

    @property
    def statements(self) -> float:
        """The number of database statements for each stats request of the mix; nan if none worked.

        A request that failed may have run only some of its statements, so it doesn't count.
        """
        answered = self.answered_stats()
        if not answered:
            return math.nan
        return sum(answer.statements for answer in answered) / len(answered)

    def answered_stats(self) -> list[Answer]:
        """Return the stats requests of the mix that had a good response."""
        return [answer for answer in self.mix.of(STATS) if answer.status == OK]

    def table(self) -> pd.DataFrame:
        """Return the measures, their targets, and whether they're met."""
        rows = {}
        for measure in measures(self):
            rows[measure.name] = {
                "measured": measure.text,
                "target": measure.target_text,
                "": measure.verdict,
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    def __repr__(self) -> str:
        return f"{self._heading()}\n{self.table().to_string()}"

    def _repr_html_(self) -> str:
        return f"<p>{show.prose(self._heading())}</p>{show.data_frame(self.table())}"

    def _heading(self) -> str:
        verdict = "The budget is met." if self.met else "The budget isn't met yet."
        return f"Fixes: {self.described}. {verdict}"


def _described(name: str, value: object) -> str:
    if value is True:
        return name
    if name.endswith("_ttl"):
        return f"{name} {show.number(value)} s"
    return f"{name} {value}"


def measures(trial: Trial) -> list[Measure]:
    """Return the four measures of a trial."""
    return [_alone(trial), _late(trial), _statements(trial), _admitted(trial.attack)]


def late_share(mix: Load) -> float:
    """Return the share of late or failed requests among those that weren't rejected."""
    admitted = in_time = 0
    for answer in mix.answers:
        if answer.status == TOO_MANY_REQUESTS:
            continue
        admitted += 1
        in_time += 200 <= answer.status < 300 and answer.latency <= LATE_SECONDS
    return 1 - in_time / max(admitted, 1)


def _alone(trial: Trial) -> Measure:
    seconds = trial.alone_seconds
    return Measure(
        "stats, one at a time (P50)",
        seconds,
        show.duration(seconds),
        ALONE_SECONDS,
        f"at most {show.duration(ALONE_SECONDS)}",
        met=seconds <= ALONE_SECONDS,
    )


def _late(trial: Trial) -> Measure:
    share, count = trial.late, trial.mix.requests
    return Measure(
        f"late (over {show.duration(LATE_SECONDS)})",
        share,
        f"{share:.1%} of {count}",
        LATE_SHARE,
        f"at most {LATE_SHARE:.0%}",
        met=share <= LATE_SHARE,
        noise=_noise_of_share(share, count),
    )


def _noise_of_share(share: float, requests: int) -> float:
    """Return how far chance may move a share of that many requests: a binomial's deviation."""
    deviation = math.sqrt(share * (1 - share) / requests)
    return NOISE * deviation


def _statements(trial: Trial) -> Measure:
    statements = trial.statements
    # A cached request loads the user's own part or it doesn't: a share, as the late ones are.
    share = min(statements, 1.0) if trial.fixes.get("cache") else 0.0
    answered = len(trial.answered_stats())
    text = "none answered" if math.isnan(statements) else f"{statements:.2f}"
    return Measure(
        "statements for each stats request",
        statements,
        text,
        STATEMENTS,
        f"at most {STATEMENTS}",
        met=statements <= STATEMENTS,
        noise=_noise_of_share(share, max(answered, 1)),
    )


def _admitted(attack: Attack) -> Measure:
    share = attack.admitted_share
    text = f"{share:.0%} of {attack.sent(ATTACKER)}"
    if unanswered := attack.load.unanswered(ATTACKER):
        text += f", {unanswered} unanswered"
    if rejected := attack.honest_rejected:
        text += f"; of the honest {attack.sent(HONEST)}, {rejected} rejected"
    return Measure(
        "attacker's requests not rejected",
        share,
        text,
        ADMITTED_SHARE,
        f"at most {ADMITTED_SHARE:.0%}, and no honest one rejected",
        met=attack.honest_rejected == 0 and 0 < share <= ADMITTED_SHARE,
    )


def hit_rates(trial: Trial) -> pd.DataFrame:
    """Return the hits of each kind of key, and of both together, beside those that are possible.

    The target is a share of the possible hits. A share of all lookups would depend on how often
    the same user comes back during the mix.
    """
    platform = [answer.cache for answer in trial.mix.answers if answer.cache]
    users = [answer.cache_of_user for answer in trial.mix.answers if answer.cache_of_user]
    of_platform = max(len(platform) - 1, 0)
    of_users = min(traffic.possible_hits(trial.mix.requests), len(users))
    rows = {
        "the platform's key": _hits(platform, of_platform),
        "the users' keys": _hits(users, of_users),
        "both together": _hits(platform + users, of_platform + of_users),
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _hits(outcomes: Sequence[str], possible: int) -> dict[str, str]:
    lookups = len(outcomes)
    hits = outcomes.count("hit")
    met = hits > HIT_RATE * possible
    return {
        "lookups": f"{lookups:,}",
        "hits": _share(hits, lookups),
        "possible hits": _share(possible, lookups),
        f"over {HIT_RATE:.0%} of the possible hits": "met" if met else "NOT MET",
    }


def _share(part: int, whole: int) -> str:
    """Return a number with its share of the whole, such as "79 (96%)"; a dash if that's 0."""
    return f"{part:,} ({part / whole:.0%})" if whole else "-"


def traffic_in_words() -> str:
    """Describe the traffic that was measured, for the page and the picture."""
    return (
        f"{traffic.RATE} requests a second for {traffic.MIX_SECONDS} s (late, statements); "
        f"{traffic.CLIENTS} honest clients at {traffic.HONEST_RATE} a second each, "
        f"one attacker at {traffic.ATTACK_RATE}"
    )
