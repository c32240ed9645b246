"""The traffic of the report card: the same requests for an API as it was and as it is, then many users, an attack.

All of it comes from a fixed seed. `COURSE_SHORT` in the environment makes everything brief, as the tests need it; the
figures of such a run are marked, and not to be compared with those of a whole one.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import pandas as pd
import psutil

from course_lib import api
from course_lib.lab import session
from course_lib.lab.bench import FEWEST_SAMPLES, percentiles
from course_lib.lab.load import Load, Route, Schedule, load, zipf_users
from course_lib.lab.serve import Server

STATS, LISTS = "GET /api/stats", "GET /api/events"
USERS = 200  # active ones, number k coming as often as 1 / k
FEWEST = {**FEWEST_SAMPLES, 99: 1_000}  # of a mix of routes a P99 needs more samples than of one call
SHARES = {STATS: 25, LISTS: 60, "POST /api/events": 10, api.LOGIN: 4, "POST /api/events/parse": 1}

WARM_UP, CALIBRATION = 50, 51  # seeds; those of the slices are counted from 1

HONEST, ATTACKER = "honest clients", "the attacker"
CLIENTS = 20
ATTACK_WINDOW = 10  # seconds
ATTACK_LIMIT = 20
LIMITS: api.Limits = {
    LISTS: {"free": f"{ATTACK_LIMIT} per {ATTACK_WINDOW} seconds", "pro": "1000/minute", "team": "5000/minute"},
    **api.LIMITS,
}
"""The limits of the card's API: the free tier's window is short, so that an attack need not take minutes."""


def _seconds(whole: float, short: float) -> float:
    return short if session.is_short() else whole


def schedule(server: Server, *, tier: str = "pro", seed: int = 1) -> Schedule:
    """The mix of requests, by these shares, from users of this tier."""
    users = zipf_users(USERS, 2_000, seed=seed)
    key = {"X-API-Key": f"{tier}-{{}}"}
    bodies: dict[str, dict[str, Any]] = {
        "POST /api/events": {"type": "view", "title": "Standup of user {}", "duration_ms": 900_000},
        api.LOGIN: {"account": "user{}@example.com", "password": "events"},
        "POST /api/events/parse": {"text": "Lunch with user {}, 45 min"},
    }
    routes = [
        Route(path, users, share, method, bodies.get(name), {} if name == api.LOGIN else key, name)
        for name, share in SHARES.items()
        for method, path in [name.split()]
    ]
    return Schedule(server.url, routes, seed, poisson=True)


def mix() -> pd.DataFrame:
    """Who asks for what, as a table."""
    whose = {api.LOGIN: "by the user's account"}
    rows = {
        name: {"share": f"{share}%", "who": whose.get(name, f"{USERS} users, number k as often as 1 / k")}
        for name, share in SHARES.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("request")


def _row(side: Load, route: str | None) -> dict[str, object]:
    """Requests, failures, refusals and percentiles of a load, or of one route of it."""
    counts = {"requests": len(side.of(route)), "failed": side.failures(route), "refused": side.refused(route)}
    return {**counts, **percentiles(side.latencies(route), FEWEST)}


# --- A: the same traffic, off and on ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Replay:
    """The same requests for an API without cures (`off`) and with them (`on`), in alternating slices.

    `rate` is how many a second, `capacity` how many `off` could answer at most; `cold` is what `on` met first, with
    nothing in its cache.
    """

    off: Load
    on: Load
    cold: Load
    rate: float
    capacity: float
    short: bool

    def table(self) -> pd.DataFrame:
        """Requests, failures, refusals and percentiles of both, for all requests and for the stats alone."""
        sides = {"off": self.off, "on": self.on}
        rows = {
            f"{name}, {what}": _row(side, route)
            for what, route in (("all", None), ("stats", STATS))
            for name, side in sides.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def by_outcome(self) -> pd.DataFrame:
        """The stats of `on`, apart: hits in both parts, and what had to be loaded."""
        return pd.DataFrame.from_dict(
            {
                "hits": percentiles(outcome_latencies(self.on, hit=True), FEWEST),
                "misses": percentiles(outcome_latencies(self.on, hit=False), FEWEST),
            },
            orient="index",
        )


def replay(off: Server, on: Server) -> Replay:
    """Send the traffic to both in turns, in slices of 15 seconds, at half of what `off` can answer at most.

    Until each side has had a minute, and 300 requests; what is unanswered half a minute after its slice counts with its
    age. Arrivals are random (Poisson) and the same for both. A warm-up is not counted.
    """
    capacity = _capacity(off)
    rate, length, patience = capacity / 2, _seconds(15, 3.5), _seconds(30, 8)
    requests = max(round(rate * length), 1)
    slices = 2 if session.is_short() else max(4, math.ceil(300 / requests))

    def send(server: Server, number: int, count: int, doing: str) -> Load:
        traffic = schedule(server, seed=number)
        return load(traffic, rate=rate, requests=count, seconds=length + patience, doing=doing)

    warm_up = max(round(rate * _seconds(5, 2)), 1)
    send(off, WARM_UP, warm_up, "warm-up, off")
    cold = send(on, WARM_UP, warm_up, "warm-up, on")
    sides: dict[str, list[Load]] = {"off": [], "on": []}
    for number in range(1, slices + 1):
        order = [("off", off), ("on", on)] if number % 2 else [("on", on), ("off", off)]
        for name, server in order:
            sides[name].append(send(server, number, requests, f"slice {number} of {slices}, {name}"))
    return Replay(Load.joined(sides["off"]), Load.joined(sides["on"]), cold, rate, capacity, session.is_short())


def _capacity(server: Server) -> float:
    """Requests a second that a server answers when four users never pause."""
    measured = load(schedule(server, seed=CALIBRATION), users=4, seconds=_seconds(8, 3), doing="how much can it take?")
    return sum(answer.status > 0 for answer in measured.answers) / measured.seconds


def outcome_latencies(side: Load, *, hit: bool) -> list[float]:
    """Seconds of the stats whose parts were both found in the cache, or of the others."""
    return [
        answer.latency
        for answer in side.answers
        if answer.status == 200 and answer.cache and (answer.cache == answer.cache_of_user == "hit") == hit
    ]


# --- B: many users at once --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stress:
    """What so many users at once met, each asking again when answered; the server's memory at first and at the end."""

    load: Load
    users: int
    bytes_before: int
    bytes_after: int
    short: bool

    def __repr__(self) -> str:
        answered = self.load.requests - self.load.failures()
        return (
            f"{self.users} users at once: {answered / self.load.seconds:,.0f} answers a second, "
            f"{self.load.failures()} failures, {self.load.refused():,} refused by a limit; "
            f"memory {self.bytes_before / 1e6:.0f} MB, at the end {self.bytes_after / 1e6:.0f} MB"
        )


def stress(server: Server, *, users: int = 128) -> Stress:
    """Send the traffic from so many users who never pause. Their waits are a closed load's: they flatter."""
    process = psutil.Process(server.pid)
    traffic = schedule(server, tier="team")
    first = load(traffic, users=users, seconds=_seconds(5, 2), doing=f"{users} users at once")
    before = process.memory_info().rss
    rest = load(traffic, users=users, seconds=_seconds(15, 3), doing=f"{users} users, and more of it")
    return Stress(Load.joined([first, rest]), users, before, process.memory_info().rss, session.is_short())


# --- refusals under attack --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attack:
    """What became of honest clients and of an attacker on one route; `most` is all that the limit lets through."""

    load: Load
    most: int
    short: bool

    @property
    def honest_refused(self) -> int:
        """How many requests of honest clients were refused."""
        return self.load.refused(HONEST)

    @property
    def refused(self) -> int:
        """How many of the attacker's requests were refused."""
        return self.load.refused(ATTACKER)

    @property
    def admitted(self) -> int:
        """How many of the attacker's requests were not refused."""
        return self.sent(ATTACKER) - self.refused

    def sent(self, who: str) -> int:
        """How many requests they sent."""
        return len(self.load.of(who))

    def table(self) -> pd.DataFrame:
        """Requests, refusals and waits of both."""
        rows = {who: _row(self.load, who) for who in (HONEST, ATTACKER)}
        return pd.DataFrame.from_dict(rows, orient="index")


def attack(server: Server) -> Attack:
    """Let an attacker send ten times the limit, while 20 honest clients keep to three quarters of theirs."""
    seconds = _seconds(2 * ATTACK_WINDOW, 4)
    honest, attacker = 0.75 * CLIENTS * ATTACK_LIMIT / ATTACK_WINDOW, 10 * ATTACK_LIMIT / ATTACK_WINDOW
    names = {HONEST: (honest, range(1001, 1001 + CLIENTS)), ATTACKER: (attacker, [666])}
    routes = [
        Route("/api/events", list(users), rate, headers={"X-API-Key": "free-{}"}, name=name)
        for name, (rate, users) in names.items()
    ]
    began = time.time()
    sent = load(Schedule(server.url, routes), rate=honest + attacker, seconds=seconds, doing="an attack")
    windows = time.time() // ATTACK_WINDOW - began // ATTACK_WINDOW + 1
    return Attack(sent, int(windows * ATTACK_LIMIT), session.is_short())
