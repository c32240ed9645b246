"""Send the report card's traffic: a mix of requests, many users, and an attack.

    send_mix(server)    --> Load     10 requests a second, the same ones each time
    send_alone(server)  --> Load     the stats, one request at a time
    attack(server)      --> Attack   20 honest clients, and one that sends 20 requests a second
    stress(server)      --> Stress   128 users who never pause

All requests follow from fixed seeds. If `COURSE_SHORT` is set in the environment, as in the tests,
every measurement is shortened. A shortened result is marked, because its figures can't be compared
with those of a full run.
"""

import itertools
import time
from dataclasses import dataclass
from typing import Any

import pandas as pd
import psutil

from course_lib import api
from course_lib.lab import session, show
from course_lib.lab.bench import FEWEST_SAMPLES, percentiles
from course_lib.lab.load_generator import Load, Route, Schedule, load, zipf_users
from course_lib.lab.serve import Server
from course_lib.limiter import parse

STATS, LISTS, WRITES = "GET /api/stats", "GET /api/events", "POST /api/events"
USERS = 50  # active users; user k sends requests in proportion to 1 / k
RATE = 10  # requests a second
MIX_SECONDS = 30
LAST_WAIT = 3  # seconds after the last request of the mix, for responses that are still missing
PARSES = "POST /api/events/parse"
SHARES = {STATS: 25, LISTS: 60, WRITES: 10, api.LOGIN: 4, PARSES: 1}  # percent
# The P99 of mixed routes needs more samples than that of one route.
FEWEST = {**FEWEST_SAMPLES, 99: 1_000}

HONEST, ATTACKER = "honest clients", "the attacker"
CLIENTS = 20
ATTACK_SECONDS = 10
HONEST_RATE, ATTACK_RATE = 1.5, 20  # requests a second, of one client


def _seconds(full: float, short: float) -> float:
    return short if session.is_short() else full


def schedule(url: str, *, tier: str = "pro", seed: int = 1) -> Schedule:
    """Return the mix of requests in `SHARES`, sent to a server by users of one tier."""
    users = zipf_users(USERS, 2_000, seed=seed)
    key = {"X-API-Key": f"{tier}-{{}}"}
    bodies: dict[str, dict[str, Any]] = {
        WRITES: {"type": "view", "title": "Standup of user {}", "duration_ms": 900_000},
        api.LOGIN: {"account": "user{}@example.com", "password": "events"},
        PARSES: {"text": "Lunch with user {}, 45 min"},
    }
    routes = []
    for name, share in SHARES.items():
        method, path = name.split()
        headers = {} if name == api.LOGIN else key
        body = bodies.get(name)
        routes.append(Route(path, users, share, method, body, headers, name))
    return Schedule(url, routes, seed, poisson=True)


def mix() -> pd.DataFrame:
    """Return the mix of requests as a table: each route's share, and who sends it."""
    senders = dict.fromkeys(SHARES, f"{USERS} users, user k in proportion to 1 / k")
    senders[api.LOGIN] = "the same users, by account"
    rows = {}
    for name, share in SHARES.items():
        rows[name] = {"share": f"{share}%", "sent by": senders[name]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("request")


def _row(sent: Load, route: str) -> dict[str, object]:
    """Return requests, failures, rejections and percentiles of a route of a load."""
    return {
        "requests": len(sent.of(route)),
        "failed": sent.failures(route),
        "rejected": sent.rejected(route),
        **percentiles(sent.latencies(route), FEWEST),
    }


# --- the mix ----------------------------------------------------------------------------------


def send_mix(server: Server, label: str) -> Load:
    """Send the mix at `RATE`, however slowly the server responds: the same requests each time.

    Arrivals are random (Poisson). A request that's unanswered 3 seconds after the last one counts
    with its age as its latency.
    """
    seconds = _seconds(MIX_SECONDS, 3)
    return load(
        schedule(server.url),
        rate=RATE,
        requests=round(RATE * seconds),
        seconds=seconds + _seconds(LAST_WAIT, 1),
        label=label,
    )


def possible_hits(requests: int) -> int:
    """Return how many lookups of users' keys can be hits among that many requests of the mix.

    Even a cache in which nothing expires misses a user's first lookup, and the first one after
    each write of that user. A concurrent write may change this by a few.
    """
    possible = 0
    cached = set()
    for route, user in itertools.islice(schedule("").in_order(), requests):
        if route.name == WRITES:
            cached.discard(user)
        if route.name == STATS:
            possible += user in cached
            cached.add(user)
    return possible


def send_alone(server: Server, label: str) -> Load:
    """Request the stats of three users one at a time, so that no request waits for another."""
    users = [1, 2, 3]
    route = Route("/api/stats", users, headers={"X-API-Key": "pro-{}"}, name=STATS)
    times_each = int(_seconds(3, 1))
    requests = times_each * len(users)
    return load(Schedule(server.url, [route]), requests=requests, seconds=30, label=label)


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
        failures, rejected = self.load.failures(), self.load.rejected()
        throughput = (self.load.requests - failures) / self.load.seconds
        p90 = percentiles(self.load.latencies())["P90"]
        before, after = self.bytes_before / 1e6, self.bytes_after / 1e6
        return (
            f"{self.users} users at once: {throughput:,.0f} responses a second, P90 {p90}, "
            f"{failures} failures, {rejected:,} rejected by a limit; "
            f"memory {before:.0f} MB at the start, {after:.0f} MB at the end"
        )

    def _repr_html_(self) -> str:
        # JupyterLab breaks a line of plain text in the middle of a word.
        return f"<p>{show.prose(repr(self))}</p>"


def stress(server: Server, *, users: int = 128) -> Stress:
    """Send the traffic of many users at once, who each send a request after every response.

    This is a closed load, so its latencies look better than they are.
    """
    process = psutil.Process(server.pid)
    traffic = schedule(server.url, tier="team")
    first = load(traffic, users=users, seconds=_seconds(5, 1), label=f"{users} users, starting")
    before = process.memory_info().rss
    rest = load(traffic, users=users, seconds=_seconds(10, 2), label=f"{users} users, continuing")
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
    def honest_rejected(self) -> int:
        """The number of honest clients' requests that were rejected."""
        return self.load.rejected(HONEST)

    @property
    def rejected(self) -> int:
        """The number of the attacker's requests that were rejected."""
        return self.load.rejected(ATTACKER)

    @property
    def admitted(self) -> int:
        """The number of the attacker's requests that weren't rejected."""
        return self.sent(ATTACKER) - self.rejected

    @property
    def admitted_share(self) -> float:
        """The share of the attacker's requests that weren't rejected."""
        return self.admitted / self.sent(ATTACKER)

    def sent(self, who: str) -> int:
        """Return the number of requests from `HONEST` or from `ATTACKER`."""
        return len(self.load.of(who))

    def table(self) -> pd.DataFrame:
        """Return requests, rejections and latencies of the honest clients and of the attacker."""
        rows = {who: _row(self.load, who) for who in (HONEST, ATTACKER)}
        return pd.DataFrame.from_dict(rows, orient="index")


def attack(server: Server, limit: str | None = None, label: str = "attack") -> Attack:
    """Send 20 requests a second as one client, beside 20 honest ones who each send 1.5.

    `limit` is the limit of the server's free tier, which all of them are in.
    """
    seconds = _seconds(ATTACK_SECONDS, 3)
    all_honest = CLIENTS * HONEST_RATE
    routes = [
        _free_tier(HONEST, list(range(1001, 1001 + CLIENTS)), all_honest),
        _free_tier(ATTACKER, [666], ATTACK_RATE),
    ]
    start = time.time()
    sent = load(
        Schedule(server.url, routes),
        rate=all_honest + ATTACK_RATE,
        seconds=seconds,
        label=label,
    )
    most = _most(limit, start, time.time()) if limit else sent.requests
    return Attack(sent, most, session.is_short())


def _most(limit: str, start: float, end: float) -> int:
    """Return how many requests a limit lets through at most, whichever algorithm counts them.

    A window lets the whole limit through each time that it begins; a bucket lets its burst through,
    and then its rate.
    """
    allowances = []
    for rule in parse(limit):
        windows = end // rule.window - start // rule.window + 1
        refilled = (end - start) * rule.requests / rule.window
        by_bucket = (rule.burst or rule.requests) + refilled
        allowances.append(int(max(windows * rule.requests, by_bucket)))
    return min(allowances)


def _free_tier(name: str, users: list[int], rate: float) -> Route:
    headers = {"X-API-Key": "free-{}"}
    return Route("/api/events", users, rate, headers=headers, name=name)
