"""Send the report card's traffic: the same requests before and after, many users, and an attack.

Three measurements, each with a result of its own:

    replay(off, on) --> SameTraffic   a warm-up, then slices: off, on, on, off, off, on, ...
    stress(on)      --> Stress        128 users who never pause
    attack(on)      --> Attack        20 honest clients below their limit, one at ten times that

All requests follow from fixed seeds. If `COURSE_SHORT` is set in the environment, as in the tests,
every measurement is shortened. A shortened result is marked, because its figures can't be compared
with those of a full run.
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
from course_lib.lab.load_generator import Load, Route, Schedule, load, zipf_users
from course_lib.lab.serve import Server

STATS, LISTS = "GET /api/stats", "GET /api/events"
USERS = 200  # active users; user k sends requests in proportion to 1 / k
SHARES = {STATS: 25, LISTS: 60, "POST /api/events": 10, api.LOGIN: 4, "POST /api/events/parse": 1}
FEWEST = {
    **FEWEST_SAMPLES,
    99: 1_000,
}  # the P99 of mixed routes needs more samples than that of one

WARM_UP, CALIBRATION = 50, 51  # seeds; slices use their own numbers, 1 and up

HONEST, ATTACKER = "honest clients", "the attacker"
CLIENTS = 20
ATTACK_WINDOW = 10  # seconds
ATTACK_LIMIT = 20
LIMITS: api.Limits = {
    LISTS: {
        "free": f"{ATTACK_LIMIT} per {ATTACK_WINDOW} seconds",
        "pro": "1000/minute",
        "team": "5000/minute",
    },
    **api.LIMITS,
}
"""The limits of the card's API. The free tier's window is short, so an attack takes seconds."""


def _seconds(full: float, short: float) -> float:
    return short if session.is_short() else full


def schedule(server: Server, *, tier: str = "pro", seed: int = 1) -> Schedule:
    """Return the mix of requests in `SHARES`, sent to a server by users of one tier."""
    users = zipf_users(USERS, 2_000, seed=seed)
    key = {"X-API-Key": f"{tier}-{{}}"}
    bodies: dict[str, dict[str, Any]] = {
        "POST /api/events": {"type": "view", "title": "Standup of user {}", "duration_ms": 900_000},
        api.LOGIN: {"account": "user{}@example.com", "password": "events"},
        "POST /api/events/parse": {"text": "Lunch with user {}, 45 min"},
    }
    routes = []
    for name, share in SHARES.items():
        method, path = name.split()
        headers = {} if name == api.LOGIN else key
        routes.append(Route(path, users, share, method, bodies.get(name), headers, name))
    return Schedule(server.url, routes, seed, poisson=True)


def mix() -> pd.DataFrame:
    """Return the mix of requests as a table: each route's share, and who sends it."""
    senders = dict.fromkeys(SHARES, f"{USERS} users, user k in proportion to 1 / k")
    senders[api.LOGIN] = "the same users, by account"
    rows = {name: {"share": f"{SHARES[name]}%", "sent by": senders[name]} for name in SHARES}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("request")


def _row(side: Load, route: str | None) -> dict[str, object]:
    """Return requests, failures, rejections and percentiles of a load, or of one of its routes."""
    return {
        "requests": len(side.of(route)),
        "failed": side.failures(route),
        "rejected": side.refused(route),
        **percentiles(side.latencies(route), FEWEST),
    }


# --- the same traffic, before and after -------------------------------------------------------


@dataclass(frozen=True)
class SameTraffic:
    """The same requests to an API without fixes (`off`) and with them (`on`), in slices.

    `rate` is in requests a second; `capacity` is the highest rate that `off` can serve. `cold` is
    the warm-up of `on`, which starts with an empty cache.
    """

    off: Load
    on: Load
    cold: Load
    rate: float
    capacity: float
    short: bool

    def table(self) -> pd.DataFrame:
        """Return counts and percentiles of both sides, for all requests and for the stats alone."""
        rows = {}
        for label, route in (("all", None), ("stats", STATS)):
            rows[f"off, {label}"] = _row(self.off, route)
            rows[f"on, {label}"] = _row(self.on, route)
        return pd.DataFrame.from_dict(rows, orient="index")

    def by_outcome(self) -> pd.DataFrame:
        """Return the percentiles of `on`'s stats, with hits and misses apart.

        A request is a hit if both of its parts came from the cache.
        """
        rows = {
            "hits": percentiles(outcome_latencies(self.on, hit=True), FEWEST),
            "misses": percentiles(outcome_latencies(self.on, hit=False), FEWEST),
        }
        return pd.DataFrame.from_dict(rows, orient="index")


def replay(off: Server, on: Server) -> SameTraffic:
    """Alternate the same traffic between two servers, at half the rate that `off` can serve.

    Each slice takes 15 seconds; each side gets at least a minute and 300 requests. Arrivals are
    random (Poisson) and the same for both sides. A request that is unanswered 30 seconds after its
    slice counts with its age as its latency. A warm-up comes first and isn't counted.
    """
    capacity = _capacity(off)
    rate = capacity / 2
    length, patience = _seconds(15, 3.5), _seconds(30, 8)
    requests = max(round(rate * length), 1)
    slices = 2 if session.is_short() else max(4, math.ceil(300 / requests))

    def send(server: Server, seed: int, count: int, label: str) -> Load:
        requests_of_slice = schedule(server, seed=seed)
        limit = length + patience
        return load(requests_of_slice, rate=rate, requests=count, seconds=limit, doing=label)

    warm_up = max(round(rate * _seconds(5, 2)), 1)
    send(off, WARM_UP, warm_up, "warm-up, off")
    cold = send(on, WARM_UP, warm_up, "warm-up, on")
    loads: dict[str, list[Load]] = {"off": [], "on": []}
    for number in range(1, slices + 1):
        order = [("off", off), ("on", on)]
        if number % 2 == 0:
            order.reverse()
        for side, server in order:
            label = f"slice {number} of {slices}, {side}"
            loads[side].append(send(server, number, requests, label))
    joined_off, joined_on = Load.joined(loads["off"]), Load.joined(loads["on"])
    return SameTraffic(joined_off, joined_on, cold, rate, capacity, session.is_short())


def _capacity(server: Server) -> float:
    """Return the requests a second that a server answers if four users never pause."""
    traffic = schedule(server, seed=CALIBRATION)
    measured = load(traffic, users=4, seconds=_seconds(8, 3), doing="measuring capacity")
    return sum(answer.status > 0 for answer in measured.answers) / measured.seconds


def outcome_latencies(side: Load, *, hit: bool) -> list[float]:
    """Return the latencies, in seconds, of the stats served from the cache, or of the others.

    A request counts as a hit if both of its parts came from the cache.
    """
    latencies = []
    for answer in side.answers:
        looked_up = answer.status == 200 and answer.cache
        is_hit = answer.cache == answer.cache_of_user == "hit"
        if looked_up and is_hit == hit:
            latencies.append(answer.latency)
    return latencies


# --- many users at once -----------------------------------------------------------------------


@dataclass(frozen=True)
class Stress:
    """A closed load from many users at once, and the server's memory at the start and the end."""

    load: Load
    users: int
    bytes_before: int
    bytes_after: int
    short: bool

    def __repr__(self) -> str:
        failures, rejected = self.load.failures(), self.load.refused()
        throughput = (self.load.requests - failures) / self.load.seconds
        before, after = self.bytes_before / 1e6, self.bytes_after / 1e6
        return (
            f"{self.users} users at once: {throughput:,.0f} responses a second, "
            f"{failures} failures, {rejected:,} rejected by a limit; "
            f"memory {before:.0f} MB at the start, {after:.0f} MB at the end"
        )


def stress(server: Server, *, users: int = 128) -> Stress:
    """Send the traffic from many users at once, who send the next request on each response.

    This is a closed load, so its latencies look better than they are.
    """
    process = psutil.Process(server.pid)
    traffic = schedule(server, tier="team")
    first = load(traffic, users=users, seconds=_seconds(5, 2), doing=f"{users} users, starting")
    before = process.memory_info().rss
    rest = load(traffic, users=users, seconds=_seconds(15, 3), doing=f"{users} users, continuing")
    after = process.memory_info().rss
    return Stress(Load.joined([first, rest]), users, before, after, session.is_short())


# --- an attack --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attack:
    """Honest clients and an attacker on one route.

    `most` is the largest number of the attacker's requests that the limit can let through.
    """

    load: Load
    most: int
    short: bool

    @property
    def honest_refused(self) -> int:
        """The number of honest clients' requests that were rejected."""
        return self.load.refused(HONEST)

    @property
    def refused(self) -> int:
        """The number of the attacker's requests that were rejected."""
        return self.load.refused(ATTACKER)

    @property
    def admitted(self) -> int:
        """The number of the attacker's requests that weren't rejected."""
        return self.sent(ATTACKER) - self.refused

    def sent(self, who: str) -> int:
        """Return the number of requests from `HONEST` or from `ATTACKER`."""
        return len(self.load.of(who))

    def table(self) -> pd.DataFrame:
        """Return requests, rejections and latencies of the honest clients and of the attacker."""
        rows = {who: _row(self.load, who) for who in (HONEST, ATTACKER)}
        return pd.DataFrame.from_dict(rows, orient="index")


def attack(server: Server) -> Attack:
    """Send ten times the limit as one client, while 20 honest clients stay at 75% of theirs."""
    seconds = _seconds(2 * ATTACK_WINDOW, 4)
    limit = ATTACK_LIMIT / ATTACK_WINDOW  # requests a second
    honest_rate, attack_rate = 0.75 * CLIENTS * limit, 10 * limit
    routes = [
        _free_tier(HONEST, list(range(1001, 1001 + CLIENTS)), honest_rate),
        _free_tier(ATTACKER, [666], attack_rate),
    ]
    start = time.time()
    sent = load(
        Schedule(server.url, routes),
        rate=honest_rate + attack_rate,
        seconds=seconds,
        doing="attack",
    )
    windows = time.time() // ATTACK_WINDOW - start // ATTACK_WINDOW + 1
    return Attack(sent, int(windows * ATTACK_LIMIT), session.is_short())


def _free_tier(name: str, users: list[int], rate: float) -> Route:
    headers = {"X-API-Key": "free-{}"}
    return Route("/api/events", users, rate, headers=headers, name=name)
