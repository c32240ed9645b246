"""Break Redis under the Events API, in each way we know, and print what its clients experience.

    python benchmarks/faults.py [fault ...]

Two workers serve the Events API with everything on, through a proxy to one Redis. Each user sends
GET, POST, GET, GET for as long as a fault lasts and a few seconds more. A fault's row has:

    answers     requests by status; "cut" are those without a response
    longest     the longest wait for a response, in seconds
    recovery    seconds from the end of the fault until both workers serve hits again
    stale       reads of totals without an event that the same worker had acknowledged before.
                There must be none, except with an eviction policy that drops indexes
    elsewhere   the same for reads from the other worker, which may be stale until the removal
                that Redis missed is made up for
    lines       lines in the logs of both workers, apart from the monitor's about slow requests
"""

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis
from fault_kinds import FAULTS, Context
from fault_proxy import FaultProxy

from course_lib.lab import events, lifeline, redis_server, serve

USERS = 8
FIRST_USER = 900_001  # without events of their own
AFTER = 4.0  # seconds of traffic after a fault
PAUSE = 0.02  # seconds between two requests of a user
EVENT = {"type": "view", "title": "faults"}


@dataclass
class Row:
    """The experience of clients during one fault and after it."""

    answers: Counter[object] = field(default_factory=Counter)
    longest: float = 0.0
    stale: int = 0
    elsewhere: int = 0
    hits: list[tuple[float, int]] = field(default_factory=list)  # time and worker


class User:
    """A client with an API key of its own, so it knows how many events its totals must have."""

    def __init__(self, number: int, urls: list[str]) -> None:
        self.home = number % len(urls)
        self.acknowledged = 0
        headers = {"X-API-Key": f"pro-{FIRST_USER + number}"}
        options = {"headers": headers, "timeout": 30, "trust_env": False}
        self._clients = [httpx.AsyncClient(base_url=url, **options) for url in urls]

    async def send_until(self, end: float, row: Row) -> None:
        other = (self.home + 1) % len(self._clients)
        while time.monotonic() < end:
            await self.read(self.home, row)
            if await self.send(self.home, row, "POST", "/api/events", json=EVENT):
                self.acknowledged += 1
            await self.read(self.home, row)
            await self.read(self.home, row)
            await self.read(other, row)

    async def read(self, worker: int, row: Row) -> None:
        expected = self.acknowledged
        response = await self.send(worker, row, "GET", "/api/stats")
        if response is None:
            return
        is_stale = response.json()["user"]["events"] < expected
        if worker == self.home:
            row.stale += is_stale
        else:
            row.elsewhere += is_stale
        if response.headers.get("X-Cache-User") == "hit":
            row.hits.append((time.monotonic(), worker))

    async def send(self, worker, row, method, path, **options) -> httpx.Response | None:
        """Send a request; return the response if it's a success."""
        await asyncio.sleep(PAUSE)
        start = time.monotonic()
        try:
            response = await self._clients[worker].request(method, path, **options)
        except httpx.HTTPError:
            row.answers["cut"] += 1
            return None
        finally:
            row.longest = max(row.longest, time.monotonic() - start)
        row.answers[response.status_code] += 1
        return response if response.is_success else None

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


async def run_fault(fault, users: list[User], context) -> tuple[Row, float]:
    """Send requests while a fault lasts and afterwards; return its row, and when it ended."""
    row = Row()
    end = time.monotonic() + 0.5 + fault.seconds + AFTER
    sending = [asyncio.create_task(user.send_until(end, row)) for user in users]
    await asyncio.sleep(0.5)
    await asyncio.to_thread(fault.run, context)
    ended = time.monotonic()
    await asyncio.gather(*sending)
    return row, ended


def recovery(row: Row, ended: float) -> str:
    seconds = []
    for worker in (0, 1):
        after = [at for at, served_by in row.hits if served_by == worker and at >= ended]
        if not after:
            return f"over {AFTER:g} s"
        seconds.append(after[0] - ended)
    return f"{max(seconds):.1f} s"


def lines_in(logs: list[Path]) -> int:
    """Return the number of lines, without the monitor's own about slow requests."""
    number = 0
    for log in logs:
        for line in log.read_text().splitlines():
            number += not line.startswith('{"time"')
    return number


async def measure(faults, urls: list[str], logs: list[Path], context: Context) -> None:
    users = [User(number, urls) for number in range(USERS)]
    columns = "| fault | answers | longest | recovery | stale | elsewhere | lines |"
    print(columns, "|---" * 7 + "|", sep="\n")
    for fault in faults:
        await asyncio.to_thread(context.admin.flushall)  # what a fault left mustn't count again
        before = lines_in(logs)
        row, ended = await run_fault(fault, users, context)
        answers = [f"{count} x {status}" for status, count in row.answers.most_common()]
        cells = [
            fault.name,
            ", ".join(answers),
            f"{row.longest:.2f} s",
            recovery(row, ended),
            row.stale,
            row.elsewhere,
            lines_in(logs) - before,
        ]
        print("|", " | ".join(map(str, cells)), "|", flush=True)
    for user in users:
        await user.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("fault", nargs="*", help="part of a fault's name; without one, all run")
    parser.add_argument("--logs", action="store_true", help="print the workers' logs at the end")
    arguments = parser.parse_args()
    words = arguments.fault or [""]
    faults = [fault for fault in FAULTS if any(word in fault.name for word in words)]
    with tempfile.TemporaryDirectory() as folder, redis_server.start() as server:
        table = events.seed(f"{folder}/events.db", 20_000)
        proxy = FaultProxy(server.path)
        switches = {
            "indexes": True,
            "cache": True,
            "limits": {"*": "1000000/minute"},
            "monitor": True,
            "redis_url": proxy.url,
            "namespace": "faults",
        }
        earlier = set(lifeline.folder().glob("*.log"))
        workers = [serve.start(table, **switches) for _ in range(2)]
        logs = sorted(set(lifeline.folder().glob("*.log")) - earlier)
        with redis.Redis.from_url(server.url) as admin:
            context = Context(server, proxy, admin)
            asyncio.run(measure(faults, [worker.url for worker in workers], logs, context))
        if arguments.logs:
            print(*(log.read_text() for log in logs), sep="\n---\n")
        for worker in workers:
            worker.stop()


if __name__ == "__main__":
    main()
