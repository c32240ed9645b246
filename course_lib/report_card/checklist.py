"""Ready for production: eight points that check themselves against a running Events API, each with its remedy."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import redis

from course_lib.api.app import LARGEST_INTEGER
from course_lib.lab import show
from course_lib.lab.serve import Server
from course_lib.optimizer import EVENTS_INDEXES
from course_lib.optimizer.database import connected
from course_lib.optimizer.indexes import definition
from course_lib.report_card.traffic import Attack, Stress

LEAST_HIT_RATE = 0.7  # the alarm in production; the target of the card's own traffic is 80%
SLOW = 0.5  # seconds
MOST_FREE_PAGES = 0.1  # of the file
MANY_USERS = 100

Figures = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Point:
    """One point: whether it is met, what was seen, and what to do where it is not."""

    name: str
    met: bool
    seen: str
    remedy: str

    def __str__(self) -> str:
        return f"{'met' if self.met else 'NOT MET'}: {self.name} ({self.seen})" + f". {self.remedy}" * (not self.met)


@dataclass(frozen=True)
class Checklist:
    """The eight points, as text and as a table."""

    points: tuple[Point, ...]

    @property
    def met(self) -> int:
        """How many are met."""
        return sum(point.met for point in self.points)

    def __repr__(self) -> str:
        return "\n".join(map(str, self.points))

    def _repr_html_(self) -> str:
        return show.table(["", "point", "seen", "what to do"], map(_html_row, self.points), style="text-align:left")


def _html_row(point: Point) -> list[str]:
    # A sign and a word beside the colour, for who cannot tell the colours.
    tone, word = ("good", "&#10003;&nbsp;met") if point.met else ("bad", "&#10007;&nbsp;not&nbsp;met")
    remedy = "" if point.met else point.remedy
    return [
        f"<strong style='color:{show.TONES[tone]}'>{word}</strong>",
        *map(show.prose, [point.name, point.seen, remedy]),
    ]


def check(api: Server, *, attack: Attack | None = None, stress: Stress | None = None) -> Checklist:
    """Check the eight points against an API that `serve.start` runs, and what an attack and a stress run on it showed.

    A point that cannot be looked at is not met, and says why; it is no error.
    """
    figures = cache(lambda: _figures(api))  # asked for once, and only by who looks at them
    looks: list[tuple[str, Callable[[], tuple[bool, str]], str]] = [
        ("all indexes are made at start-up", lambda: _indexes(api), "Start it with `indexes=True`."),
        (
            f"cache hit rate over {LEAST_HIT_RATE:.0%}",
            lambda: _hit_rate(figures),
            "Start it with `cache=True`; then ask, with lesson 1: is Redis up, does the key differ each time?",
        ),
        (
            "limits are set, and nobody is refused who keeps to them",
            lambda: _limits(api, attack),
            "Start it with `limits=`, and attack it; where honest clients are refused, give bursts room (lesson 3).",
        ),
        (
            "monitoring is on",
            lambda: _monitoring(api, figures),
            "Start it with `monitor=True`, and let Prometheus ask `/metrics`.",
        ),
        (
            f"requests over {SLOW * 1000:.0f} ms are logged",
            lambda: _slow_log(figures),
            f"`PerformanceMonitor(slow={SLOW})`, and send the logger `course_lib.monitor` somewhere (lesson 4).",
        ),
        (
            "Redis keeps its data through a restart",
            lambda: _persistence(api),
            "Let it write an append-only file: `appendonly yes` in redis.conf.",
        ),
        (
            "the database is vacuumed",
            lambda: _vacuumed(api),
            "`vacuum_database(path)` at a quiet hour: it needs a lock, and up to twice the room.",
        ),
        (
            f"a load test with more than {MANY_USERS} users at once was passed",
            lambda: _load_test(stress),
            "Send it `traffic.stress(api)`; where requests failed, its log and lesson 4 say which.",
        ),
    ]
    return Checklist(tuple(_point(*each) for each in looks))


def _point(name: str, look: Callable[[], tuple[bool, str]], remedy: str) -> Point:
    try:
        met, seen = look()
    except (httpx.HTTPError, redis.RedisError, sqlite3.Error, OSError) as error:
        met, seen = False, f"could not be looked at: {error}"
    return Point(name, met, seen, remedy)


def _indexes(api: Server) -> tuple[bool, str]:
    wanted = set(map(definition, EVENTS_INDEXES))
    with connected(api.db or "", mode="ro") as connection:
        found = {definition(sql) for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index'")}
    return wanted <= found, f"{len(wanted & found)} of {len(wanted)} are there"


def _hit_rate(figures: Figures) -> tuple[bool, str]:
    counts = figures().get("counts", {})
    hits, misses = counts.get("cache_hit", 0), counts.get("cache_miss", 0)
    if not hits + misses:
        return False, "no lookup was counted"
    rate = hits / (hits + misses)
    return rate > LEAST_HIT_RATE, f"{rate:.0%} of {hits + misses:,} lookups, of all keys together"


def _limits(api: Server, attack: Attack | None) -> tuple[bool, str]:
    # A caller of our own, so that the look spends nobody's limit.
    answer = api.client.get("/api/events", headers={"X-API-Key": f"free-{LARGEST_INTEGER // 10}"})
    if "x-ratelimit-limit" not in answer.headers:
        return False, "the answers carry no X-RateLimit-Limit"
    if attack is None:
        return False, "no attack has tried them yet"
    seen = f"{attack.refused:,} refused of the attacker, {attack.honest_refused:,} of the others"
    return attack.honest_refused == 0 < attack.refused, seen


def _monitoring(api: Server, figures: Figures) -> tuple[bool, str]:
    if (status := api.get("/metrics").status_code) != httpx.codes.OK:
        return False, f"/metrics answers {status}"
    return True, f"/metrics answers, and knows {len(figures()['endpoints'])} endpoints"


def _slow_log(figures: Figures) -> tuple[bool, str]:
    slow = figures().get("slow")
    if slow is None:
        return False, "nobody looks at how long requests take"
    return slow <= SLOW, f"a warning from {slow * 1000:.0f} ms on"


def _persistence(api: Server) -> tuple[bool, str]:
    if api.redis_url is None:
        return False, "it uses no Redis"
    with redis.Redis.from_url(api.redis_url, socket_timeout=1.0) as client:
        about: dict[str, Any] = client.info("persistence")
    if not about.get("aof_enabled"):
        return False, "no append-only file: what Redis holds is gone when it ends"
    return about.get("aof_last_write_status") == "ok", f"append-only file, last write: {about['aof_last_write_status']}"


def _vacuumed(api: Server) -> tuple[bool, str]:
    with connected(api.db or "", mode="ro") as connection:
        (free,), (pages,) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_count")
        )
    return free <= MOST_FREE_PAGES * pages, f"{free / pages:.0%} of the file is empty pages"


def _load_test(stress: Stress | None) -> tuple[bool, str]:
    if stress is None:
        return False, "none was done"
    failures = stress.load.failures()
    return (
        stress.users > MANY_USERS and failures == 0,
        f"{stress.users} users, {stress.load.requests:,} requests, {failures:,} failures",
    )


def _figures(api: Server) -> dict[str, Any]:
    """What the API's monitor knows; nothing where it has none."""
    answer = api.get("/dashboard/figures")
    found: dict[str, Any] = answer.json() if answer.status_code == httpx.codes.OK else {}
    return found
