"""Send an API the traffic of many users, and report what they experienced.

Two kinds of load (Schroeder, Wierman, Harchol-Balter, "Open Versus Closed", NSDI 2006):

- *Closed*: a fixed number of users, each of whom sends the next request after a response. A slow
  server gets fewer requests.
- *Open*: requests start at a `rate`, whatever happened to those before. Latency counts from the
  intended start, so a stall is felt by every user who should have arrived during it.

The requests are sent by a process of its own, `sender.py`.
"""

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
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
SERVER_ERROR = 500
LOCALHOST = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Route:
    """One kind of request, called by its `name`, or else by its path; `share` is its weight.

    The `keys` take turns to replace `{}` in the path, in the values of `headers` and in the text
    of `body`.
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
    """Requests to a server, by route. The same `seed` gives the same order, whatever it responds.

    `poisson`: with a rate, requests arrive at random, as from independent users, and not evenly.
    """

    url: str
    routes: Sequence[Route]
    seed: int = 1
    poisson: bool = False

    def in_order(self) -> Iterator[tuple[Route, Any]]:
        """Yield the route and the key of each request, without end."""
        shares = [route.share for route in self.routes]
        keys = [route.keys for route in self.routes]
        for number, key in sender.in_order(shares, keys, self.seed):
            yield self.routes[number], key


def zipf_users(users: int, requests: int, *, exponent: float = 1.0, seed: int = 1) -> list[int]:
    """Return which user sends each request, from 1 to `users`, skewed by Zipf's law.

    User k sends requests in proportion to k to the power -`exponent`.
    """
    weights = np.arange(1, users + 1) ** -exponent
    probabilities = weights / weights.sum()
    chosen = np.random.default_rng(seed).choice(users, size=requests, p=probabilities)
    return [int(user) + 1 for user in chosen]


@dataclass(frozen=True)
class Load:
    """The experience of a load's users."""

    answers: Sequence[Answer] = field(repr=False)
    seconds: float
    names: Sequence[str]
    floor: float
    """The median latency of an empty route at the same load, in seconds; nan if there is none."""
    on_schedule: bool
    """True if the requests started when they were meant to."""

    def __repr__(self) -> str:
        text = (
            f"{self.requests:,} requests in {show.duration(self.seconds)}, {self.errors:,} errors"
        )
        if self.unanswered():
            text += f", {self.unanswered():,} unanswered"
        if not math.isnan(self.floor):
            text += f"; an empty route at the same load takes {show.duration(self.floor)}"
        if not self.on_schedule:
            text += "; THE LOAD GENERATOR FELL BEHIND: lower the rate, or close other programs"
        return text

    @property
    def requests(self) -> int:
        """The number of requests that were sent."""
        return len(self.answers)

    @property
    def errors(self) -> int:
        """The number of requests that failed, or had a response with a status of 400 or more."""
        return sum(map(_is_error, self.answers))

    def of(self, route: str | None) -> Sequence[Answer]:
        """Return the answers of one route, by its name, or all of them.

        Raises ValueError if there's no such route.
        """
        if route is None:
            return self.answers
        if route not in self.names:
            raise ValueError(f"there is no route {route!r}; there are {', '.join(self.names)}")
        return [answer for answer in self.answers if self.names[answer.route] == route]

    def latencies(self, route: str | None = None) -> list[float]:
        """Return the seconds from each intended start to its response, errors left out.

        Requests without a response at the end count, with the time that they had waited by then.
        """
        answers = self.of(route)
        return [answer.latency for answer in answers if _unfinished_or_good(answer)]

    def hit_rate(self, *, of_users: bool = False) -> float:
        """Return the share of cache lookups that were hits; nan if there were no lookups.

        Counts the outcomes in the header X-Cache, or with `of_users` in X-Cache-User.
        """
        outcomes = []
        for answer in self.answers:
            outcome = answer.cache_of_user if of_users else answer.cache
            if outcome:
                outcomes.append(outcome)
        if not outcomes:
            return math.nan
        return outcomes.count("hit") / len(outcomes)

    def statements_per_thousand(self, route: str | None = None) -> float:
        """Return the number of database statements per 1,000 responses; nan without responses."""
        responses = [answer for answer in self.of(route) if answer.status > 0]
        if not responses:
            return math.nan
        statements = sum(answer.statements for answer in responses)
        return 1000 * statements / len(responses)

    def rejected(self, route: str | None = None) -> int:
        """Return how many requests a limit rejected with 429."""
        return sum(answer.status == TOO_MANY_REQUESTS for answer in self.of(route))

    def unanswered(self, route: str | None = None) -> int:
        """Return how many requests were still waiting for their response at the end."""
        return sum(answer.status == sender.UNFINISHED for answer in self.of(route))

    def answered_share(self, route: str | None = None) -> float:
        """Return the share of the requests that got a response, from 0 to 1; nan without any."""
        answers = self.of(route)
        if not answers:
            return math.nan
        return sum(answer.status > 0 for answer in answers) / len(answers)

    def failures(self, route: str | None = None) -> int:
        """Return how many requests got no response, or an error of the server's, 500 or more."""
        return sum(map(_is_failure, self.of(route)))

    @classmethod
    def joined(cls, loads: Sequence["Load"]) -> "Load":
        """Return loads of the same routes as one."""
        answers = [answer for load in loads for answer in load.answers]
        seconds = sum(load.seconds for load in loads)
        floors = [load.floor for load in loads if not math.isnan(load.floor)]
        floor = percentile(floors, 50) if floors else math.nan
        on_schedule = all(load.on_schedule for load in loads)
        return cls(answers, seconds, loads[0].names, floor, on_schedule)

    def table(self) -> pd.DataFrame:
        """Return requests, errors, unanswered requests, mean and percentiles, by route and overall.

        The times are those of `latencies`: without the errors, and a request that's unanswered at
        the end counts with its wait so far. A dash marks a percentile of too few requests.
        """
        rows = {name: self._row(name) for name in self.names}
        if len(rows) > 1:
            rows["all"] = self._row(None)
        return pd.DataFrame.from_dict(rows, orient="index")

    def _row(self, route: str | None) -> dict[str, object]:
        requests = len(self.of(route))
        latencies = self.latencies(route)
        mean = "-"
        if latencies:
            mean = show.duration(sum(latencies) / len(latencies))
        return {
            "requests": requests,
            "errors": requests - len(latencies),
            "unanswered": self.unanswered(route),
            "mean": mean,
            **percentiles(latencies),
        }


def _unfinished_or_good(answer: Answer) -> bool:
    return answer.status == sender.UNFINISHED or 0 < answer.status < BAD_REQUEST


def _is_error(answer: Answer) -> bool:
    return answer.status == sender.FAILED or answer.status >= BAD_REQUEST


def _is_failure(answer: Answer) -> bool:
    return answer.status <= 0 or answer.status >= SERVER_ERROR


def load(
    target: str | Schedule,
    *,
    users: int = 1,
    seconds: float = 5.0,
    requests: int | None = None,
    rate: float | None = None,
    label: str = "sending",
) -> Load:
    """Send a load to a URL, or by a schedule, and return what its users experienced.

    Stops after `seconds` or after that many `requests`, whichever comes first. Without a `rate`
    the load is closed, with that many concurrent `users`. With one, in requests a second, it's
    open, with as many users as it takes. With both `rate` and `requests` it waits for every
    response until the `seconds` are over. `label` is shown beside the progress bar. Before it
    starts it sends the same load to `/health` for a moment, to measure the floor.

    Raises ValueError if the URL is on another machine or an argument is out of range, RuntimeError
    if the sending process ends early.
    """
    if isinstance(target, str):
        target = _schedule_of(target)
    _check_arguments(target, users, seconds, rate)
    plan = asdict(target) | {"users": users, "seconds": seconds, "requests": requests, "rate": rate}
    result_file = lifeline.folder() / f"load-{time.monotonic_ns()}.json"
    plan_file = result_file.with_suffix(".plan")
    plan_file.write_text(json.dumps(plan))
    child = lifeline.start([sys.executable, "-m", sender.__name__, plan_file, result_file])
    try:
        expected = seconds
        if requests and rate:
            expected = min(seconds, requests / rate)
        _wait(child, result_file, expected + sender.FLOOR_SECONDS, label)
    finally:  # also if the Stop button interrupts the wait
        child.end()
    result = json.loads(result_file.read_text())
    result_file.unlink()
    plan_file.unlink()
    answers = [Answer(*answer) for answer in result["answers"]]
    names = [route.name or route.path for route in target.routes]
    return Load(answers, result["seconds"], names, result["floor"], result["on_schedule"])


def _schedule_of(url: str) -> Schedule:
    parts = urlsplit(url)
    path = url.removeprefix(f"http://{parts.netloc}") or "/"
    return Schedule(f"{parts.scheme}://{parts.netloc}", [Route(path)])


def _check_arguments(schedule: Schedule, users: int, seconds: float, rate: float | None) -> None:
    if urlsplit(schedule.url).hostname not in LOCALHOST:
        raise ValueError(
            f"{schedule.url} is not on this machine: send load to http://127.0.0.1 only"
        )
    has_users = 1 <= users <= sender.MOST_CONNECTIONS
    has_rate = rate is None or rate > 0
    if not (has_users and has_rate and seconds > 0 and schedule.routes):
        raise ValueError(
            f"a load has 1 to {sender.MOST_CONNECTIONS} users, more than 0 seconds, "
            "a rate above 0 if it has one, and at least one route"
        )


def _wait(child: lifeline.Child, result_file: Path, seconds: float, label: str) -> None:
    """Show a progress bar until the result is written, which should take that many seconds."""
    start = time.monotonic()
    with tqdm(total=100, desc=label, **(show.BAR | {"delay": 2})) as bar:
        while child.alive() and not result_file.exists():
            time.sleep(0.02)
            percent = 100 * (time.monotonic() - start) / seconds
            bar.update(min(percent, 100) - bar.n)
    if not result_file.exists():
        raise RuntimeError(f"the load ended early; its log ends:\n{child.tail()}")
