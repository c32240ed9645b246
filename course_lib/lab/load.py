"""Send an API the traffic of many users, and say what they met.

Two kinds of load (Schroeder, Wierman, Harchol-Balter, "Open Versus Closed", NSDI 2006). *Closed*: so many users, each
of whom asks again when answered; a slow server is asked less. *Open*: requests start at a `rate`, whatever becomes of
those before; latency counts from the intended start, so that a stall is felt by all who should have come meanwhile.
"""

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from tqdm import tqdm

from course_lib.lab import lifeline, sender, show
from course_lib.lab.bench import percentile, percentiles
from course_lib.lab.sender import Answer

BAD_REQUEST, TOO_MANY_REQUESTS = 400, 429


@dataclass(frozen=True)
class Route:
    """One kind of request, called by its `name`, else by its path; `share` is its weight.

    Each of `keys` in turn takes the place of `{}` in the path, the values of `headers` and the text of `body`.
    """

    path: str
    keys: Sequence[Any] = ()
    share: float = 1.0
    method: str = "GET"
    body: dict[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class Schedule:
    """Requests to a server, by route: the same order for the same `seed`, whatever the server answers.

    `poisson`: with a rate they come at random, as from people who know nothing of one another, and not evenly.
    """

    url: str
    routes: Sequence[Route]
    seed: int = 1
    poisson: bool = False


def zipf_users(users: int, requests: int, *, exponent: float = 1.0, seed: int = 1) -> list[int]:
    """Who sends each request: of the users 1 to `users`, number k comes as often as k to the power -`exponent`."""
    weights = np.arange(1, users + 1) ** -exponent
    chosen = np.random.default_rng(seed).choice(users, size=requests, p=weights / weights.sum())
    return [int(user) + 1 for user in chosen]


@dataclass(frozen=True)
class Load:
    """What the users met. `floor` is the median of an empty route at the same load, in seconds; nan without one."""

    answers: Sequence[Answer] = field(repr=False)
    seconds: float
    names: Sequence[str]
    floor: float
    kept: bool
    """Whether the requests began when they were meant to."""

    def __repr__(self) -> str:
        floor = "" if math.isnan(self.floor) else f"; an empty route at the same load takes {show.duration(self.floor)}"
        late = "" if self.kept else "; THE SCHEDULE WAS NOT KEPT: send less, or let nothing else run"
        return f"{self.requests:,} requests in {show.duration(self.seconds)}, {self.errors:,} errors{floor}{late}"

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return len(self.answers)

    @property
    def errors(self) -> int:
        """How many failed, or were answered by a status of 400 and more."""
        return sum(answer.status == 0 or answer.status >= BAD_REQUEST for answer in self.answers)

    def of(self, route: str | None) -> Sequence[Answer]:
        """The answers of one route, by its name, or of all. ValueError for a route that was not sent."""
        if route is None:
            return self.answers
        if route not in self.names:
            raise ValueError(f"there is no route {route!r}; there are {', '.join(self.names)}")
        return [answer for answer in self.answers if self.names[answer.route] == route]

    def latencies(self, route: str | None = None) -> list[float]:
        """Seconds from the intended start, of the answers that were no errors (of one route, by its name)."""
        return [answer.latency for answer in self.of(route) if answer.status == -1 or 0 < answer.status < BAD_REQUEST]

    def hit_rate(self, *, of_users: bool = False) -> float:
        """The share of lookups that were hits, by X-Cache, or `of_users` by X-Cache-User; nan where there were none."""
        seen = [answer.cache_of_user if of_users else answer.cache for answer in self.answers]
        lookups = [each for each in seen if each]
        return lookups.count("hit") / len(lookups) if lookups else math.nan

    def statements_per_thousand(self, route: str | None = None) -> float:
        """How many statements the database ran for 1,000 answered requests (of one route, by its name)."""
        answered = [answer for answer in self.of(route) if answer.status > 0]
        return 1000 * sum(answer.statements for answer in answered) / len(answered) if answered else math.nan

    def refused(self, route: str | None = None) -> int:
        """How many were refused by a limit (of one route, by its name)."""
        return sum(answer.status == TOO_MANY_REQUESTS for answer in self.of(route))

    def failures(self, route: str | None = None) -> int:
        """How many got no answer, or an error of the server's own, 500 and more (of one route, by its name)."""
        return sum(answer.status <= 0 or answer.status >= 500 for answer in self.of(route))

    @classmethod
    def joined(cls, loads: Sequence["Load"]) -> "Load":
        """Loads of the same routes as one."""
        floors = [each.floor for each in loads if not math.isnan(each.floor)]
        return cls(
            [answer for each in loads for answer in each.answers],
            sum(each.seconds for each in loads),
            loads[0].names,
            percentile(floors, 50) if floors else math.nan,
            all(each.kept for each in loads),
        )

    def table(self) -> pd.DataFrame:
        """Requests, errors, mean and percentiles, by route and in all; a dash where there are too few for one."""
        rows = {name: self._row(name) for name in self.names}
        return pd.DataFrame.from_dict(rows | ({"all": self._row(None)} if len(rows) > 1 else {}), orient="index")

    def _row(self, route: str | None) -> dict[str, object]:
        requests, latencies = len(self.of(route)), self.latencies(route)
        return {
            "requests": requests,
            "errors": requests - len(latencies),
            "mean": show.duration(sum(latencies) / len(latencies)) if latencies else "-",
            **percentiles(latencies),
        }


def load(
    target: str | Schedule,
    *,
    users: int = 1,
    seconds: float = 5.0,
    requests: int | None = None,
    rate: float | None = None,
    doing: str = "sending",
) -> Load:
    """Send a load to a URL or by a schedule, for `seconds` or so many `requests`, whichever ends first.

    Closed, with so many `users` at once; with a `rate` (requests a second) open, with users enough; so many `requests`
    are all waited for until the `seconds` are over. `doing` stands before the bar. Beforehand the same
    load is sent to `/health` for a moment. ValueError for another machine than this one, or a load that makes no sense.
    """
    if isinstance(target, str):
        parts = urlsplit(target)
        target = Schedule(
            f"{parts.scheme}://{parts.netloc}", [Route(target.removeprefix(f"http://{parts.netloc}") or "/")]
        )
    if urlsplit(target.url).hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise ValueError(f"{target.url} is not on this machine: load goes to http://127.0.0.1 only")
    if (
        not 1 <= users <= sender.MOST_CONNECTIONS
        or seconds <= 0
        or (rate is not None and rate <= 0)
        or not target.routes
    ):
        raise ValueError(
            f"a load has 1 to {sender.MOST_CONNECTIONS} users, some seconds, a rate above 0, and a route or more"
        )
    plan = asdict(target) | {"users": users, "seconds": seconds, "requests": requests, "rate": rate}
    result = lifeline.folder() / f"load-{time.monotonic_ns()}.json"
    order = result.with_suffix(".plan")
    order.write_text(json.dumps(plan))
    child = lifeline.start([sys.executable, "-m", sender.__name__, order, result])
    try:
        expected = min(seconds, requests / rate if requests and rate else math.inf)
        _wait(child, result, expected + sender.FLOOR_SECONDS, doing)
    finally:  # also where the Stop button ends the wait
        child.end()
    found = json.loads(result.read_text())
    result.unlink()
    order.unlink()
    answers = [Answer(*answer) for answer in found["answers"]]
    names = [route.name or route.path for route in target.routes]
    return Load(answers, found["seconds"], names, found["floor"], found["kept"])


def _wait(child: lifeline.Child, result: Path, seconds: float, doing: str) -> None:
    began = time.monotonic()
    with tqdm(total=100, desc=doing, **(show.BAR | {"delay": 2})) as bar:
        while child.alive() and not result.exists():
            time.sleep(0.02)
            bar.update(min(100 * (time.monotonic() - began) / seconds, 100) - bar.n)
    if not result.exists():
        raise RuntimeError(f"the load ended early; its log ends:\n{child.tail()}")
