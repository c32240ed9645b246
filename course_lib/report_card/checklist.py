"""Check eight points of a running Events API before it goes to production, each with its remedy."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import httpx
import redis

from course_lib.api import LARGEST_INTEGER
from course_lib.lab import show
from course_lib.lab.bench import percentiles
from course_lib.lab.serve import Server
from course_lib.optimizer import EVENTS_INDEXES
from course_lib.optimizer.database import connected
from course_lib.optimizer.indexes import definition
from course_lib.report_card.traffic import Attack, Stress

LEAST_HIT_RATE = 0.7  # where production would raise an alert; the report card's target is 80%
SLOW = 0.5  # seconds
MOST_FREE_PAGES = 0.1  # as a share of the file
MANY_USERS = 100
NO_MONITOR = "the monitor is off"
# No user of the lessons has this key, so the check doesn't use up a user's limit.
UNUSED_KEY = f"free-{LARGEST_INTEGER // 10}"

Figures = Callable[[], dict[str, Any]]
Outcome = tuple[bool, str]
"""True if a point is met, and what was found."""


@dataclass(frozen=True)
class Point:
    """One point: whether it's met, what was found, and what to do if it isn't met."""

    name: str
    met: bool
    seen: str
    remedy: str

    def __str__(self) -> str:
        if self.met:
            return f"met: {self.name} ({self.seen})"
        return f"NOT MET: {self.name} ({self.seen}). {self.remedy}"


@dataclass(frozen=True)
class Checklist:
    """The eight points, as text and as a table."""

    points: tuple[Point, ...]

    @property
    def met(self) -> int:
        """The number of points that are met."""
        return sum(point.met for point in self.points)

    def __repr__(self) -> str:
        return "\n".join(map(str, self.points))

    def _repr_html_(self) -> str:
        head = ["", "point", "found", "what to do"]
        return show.table(head, map(_html_row, self.points), style="text-align:left")


def _html_row(point: Point) -> list[str]:
    # A sign and a word beside the color, for readers who can't tell the colors apart.
    if point.met:
        tone, word, remedy = "good", "&#10003;&nbsp;met", ""
    else:
        tone, word, remedy = "bad", "&#10007;&nbsp;not&nbsp;met", point.remedy
    met = f"<strong style='color:{show.TONES[tone]}'>{word}</strong>"
    return [met, *map(show.prose, [point.name, point.seen, remedy])]


def check(api: Server, *, attack: Attack | None = None, stress: Stress | None = None) -> Checklist:
    """Check the eight points of an API that `serve.start` runs.

    `attack` and `stress` are the results of `traffic.attack` and `traffic.stress` on it. A point
    that can't be checked counts as not met, with the reason; it doesn't raise.
    """
    figures = cache(partial(_figures, api))  # read once, and only if a point needs them
    points = (
        _point(
            "all indexes are created at start-up",
            lambda: _indexes(api),
            "Start it with `indexes=True`.",
        ),
        _point(
            f"cache hit rate over {LEAST_HIT_RATE:.0%}",
            lambda: _hit_rate(figures),
            "Start it with `cache=True` and `monitor=True`. If both are on: is Redis up, and do "
            "repeated requests share a key (lesson 1)?",
        ),
        _point(
            "limits are set, and no client that keeps to them is rejected",
            lambda: _limits(api, attack),
            "Start it with `limits=`, and attack it. If honest clients are rejected, allow "
            "larger bursts (lesson 3).",
        ),
        _point(
            "monitoring is on",
            lambda: _monitoring(api, figures),
            "Start it with `monitor=True`, and let Prometheus scrape `/metrics`.",
        ),
        _point(
            f"requests over {SLOW * 1000:.0f} ms are logged",
            lambda: _slow_log(figures),
            "Start it with `monitor=True`. In your own app, use "
            f"`PerformanceMonitor(slow={SLOW})`, and add a handler to the logger "
            "`course_lib.monitor` (lesson 4).",
        ),
        _point(
            "Redis keeps its data through a restart",
            lambda: _persistence(api),
            "Turn on the append-only file: `appendonly yes` in redis.conf.",
        ),
        _point(
            "the database is vacuumed",
            lambda: _vacuumed(api),
            "Run `vacuum_database(path)` when traffic is low: it needs a lock, and up to twice "
            "the disk space.",
        ),
        _point(
            f"no request fails with more than {MANY_USERS} users at once",
            lambda: _load_test(stress),
            "Run `traffic.stress(api)`. If requests failed, the server's log shows which "
            "(lesson 4).",
        ),
    )
    return Checklist(points)


def _point(name: str, find_out: Callable[[], Outcome], remedy: str) -> Point:
    try:
        met, seen = find_out()
    except (httpx.HTTPError, redis.RedisError, sqlite3.Error, OSError) as error:
        met, seen = False, f"could not be checked: {error}"
    return Point(name, met, seen, remedy)


def _indexes(api: Server) -> Outcome:
    wanted = set(map(definition, EVENTS_INDEXES))
    with connected(api.db or "", mode="ro") as connection:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index'").fetchall()
    existing = {definition(sql) for (sql,) in rows}
    found = wanted & existing
    return found == wanted, f"{len(found)} of {len(wanted)} exist"


def _hit_rate(figures: Figures) -> Outcome:
    if not figures():
        return False, f"lookups aren't counted: {NO_MONITOR}"
    counts = figures().get("counts", {})
    hits = counts.get("cache_hit", 0)
    misses = counts.get("cache_miss", 0)
    # How many lookups wait for another request's load depends on how many users came at once.
    waits = counts.get("cache_wait", 0)
    lookups = hits + misses - waits
    if not lookups:
        return False, "no lookup was counted"
    rate = hits / lookups
    seen = f"{rate:.0%} of {lookups:,} lookups, all keys, since its start"
    if waits:
        seen += f"; {waits:,} others shared a load that was already running"
    return rate > LEAST_HIT_RATE, seen


def _limits(api: Server, attack: Attack | None) -> Outcome:
    response = api.client.get("/api/events", headers={"X-API-Key": UNUSED_KEY})
    if "x-ratelimit-limit" not in response.headers:
        return False, "responses have no X-RateLimit-Limit header"
    if attack is None:
        return False, "not tested by an attack yet"
    honest, attacker = attack.honest_rejected, attack.rejected
    met = honest == 0 and attacker > 0
    return met, f"rejected {attacker:,} of the attacker's, {honest:,} of the others'"


def _monitoring(api: Server, figures: Figures) -> Outcome:
    status = api.get("/metrics").status_code
    if status != httpx.codes.OK:
        return False, f"/metrics responds with {status}"
    return True, f"/metrics responds, with {len(figures()['endpoints'])} endpoints"


def _slow_log(figures: Figures) -> Outcome:
    if not figures():
        return False, f"requests aren't timed: {NO_MONITOR}"
    slow = figures()["slow"]
    return slow <= SLOW, f"requests over {slow * 1000:.0f} ms are logged as a warning"


def _persistence(api: Server) -> Outcome:
    if api.redis_url is None:
        return False, "it uses no Redis"
    with redis.Redis.from_url(api.redis_url, socket_timeout=1.0) as client:
        info: dict[str, Any] = client.info("persistence")
    if not info.get("aof_enabled"):
        return False, "no append-only file: if Redis ends, its data is lost"
    status = info.get("aof_last_write_status")
    return status == "ok", f"append-only file, last write: {status}"


def _vacuumed(api: Server) -> Outcome:
    with connected(api.db or "", mode="ro") as connection:
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    return free <= MOST_FREE_PAGES * pages, f"{free / pages:.0%} of the file is empty pages"


def _load_test(stress: Stress | None) -> Outcome:
    if stress is None:
        return False, "not done yet"
    failures = stress.load.failures()
    met = stress.users > MANY_USERS and failures == 0
    p90 = percentiles(stress.load.latencies())["P90"]
    seen = f"{stress.users} users, {stress.load.requests:,} requests, {failures:,} failures"
    return met, f"{seen}, P90 {p90}"


def _figures(api: Server) -> dict[str, Any]:
    """Return what the API's monitor reports, or an empty dict if it has no monitor."""
    response = api.get("/dashboard/figures")
    if response.status_code != httpx.codes.OK:
        return {}
    figures: dict[str, Any] = response.json()
    return figures
