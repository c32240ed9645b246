"""The process that sends a load: `python -m course_lib.lab.sender PLAN RESULT`, two JSON files.

The life of a request:

    due --> in `waiting`, with its intended start --> a connection: idle or new --> sent
        --> response read to its end --> an Answer with its status; the connection is idle again
        --> error, or no response within a minute --> an Answer with status 0
        --> the load ends first (open loads)      --> an Answer with status -1 and its age

It uses plain asyncio streams and imports nothing that's slow to load: with a shared httpx client,
we would measure the client.
"""

import asyncio
import itertools
import json
import math
import os
import random
import re
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

FLOOR_SECONDS = 0.3
MOST_CONNECTIONS = 900  # a process can usually have 1,024 open files
TIME_LIMIT = 60.0  # seconds for one response
LATE_SHARE = 0.1  # a schedule is kept if no more than this share of its requests starts late
LATE_SECONDS = 0.01  # beyond the gap to the next request
STATEMENTS = re.compile(r'db;dur=([\d.]+);desc="statements: (\d+)"')

FAILED = 0
UNFINISHED = -1

Requests = Iterator[tuple[int, bytes]]
"""The number of a route, and the bytes of a request to it."""


class Answer(NamedTuple):
    """The outcome of one request, with its latency in seconds.

    The status is 0 if it failed without a response, -1 if it was still waiting at the end.
    """

    route: int
    latency: float
    status: int
    cache: str
    cache_of_user: str
    statements: int
    database_seconds: float


class _Sender:
    """Sends requests to a server on a pool of connections, and keeps the answers."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.port = parts.port or 80
        self.answers: list[Answer] = []
        self.waiting: dict[int, tuple[int, float]] = {}
        """The route and the intended start of each request without a response, by number."""
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._numbers = itertools.count()
        self._connections = asyncio.Semaphore(MOST_CONNECTIONS)

    async def send(self, route: int, request: bytes, intended: float) -> None:
        """Send one request, on an idle connection if there is one, and keep its answer."""
        number = next(self._numbers)
        self.waiting[number] = route, intended
        status, head = FAILED, b""
        async with self._connections:
            try:
                async with asyncio.timeout(TIME_LIMIT):
                    status, head = await self._exchange(request)
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                pass  # the status stays FAILED; TimeoutError is an OSError
        del self.waiting[number]
        latency = time.perf_counter() - intended
        self.answers.append(_answer(route, latency, status, head))

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a request, read the response to its end, and return its status and its head."""
        reader, writer = await self._connect()
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            head = head.lower()
            if length := re.search(rb"\r\ncontent-length: *(\d+)", head):
                await reader.readexactly(int(length[1]))
            else:
                await _read_chunks(reader)
        except BaseException:
            writer.close()
            raise
        if b"\r\nconnection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))
        status = int(head.split(b" ", 2)[1])
        return status, head

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()  # a server closes what has been idle for some seconds
        return await asyncio.open_connection(self.host, self.port)


async def _read_chunks(reader: asyncio.StreamReader) -> None:
    """Read a chunked body to its end (RFC 9112, section 7.1)."""
    while size := await _read_chunk_size(reader):
        await reader.readexactly(size + 2)
    await reader.readline()


async def _read_chunk_size(reader: asyncio.StreamReader) -> int:
    """Read the line before a chunk and return the chunk's bytes; 0 after the last chunk."""
    line = await reader.readline()
    size, *_ = line.split(b";")
    return int(size, 16)


def _answer(route: int, latency: float, status: int, head: bytes) -> Answer:
    text = head.decode("latin-1")

    def header(name: str) -> str:
        match = re.search(rf"\r\n{name}: *([^\r]*)", text)
        return match[1] if match else ""

    statements, milliseconds = 0, 0.0
    if cost := STATEMENTS.fullmatch(header("server-timing")):
        milliseconds = float(cost[1])
        statements = int(cost[2])
    return Answer(
        route,
        latency,
        status,
        header("x-cache"),
        header("x-cache-user"),
        statements,
        milliseconds / 1000,
    )


def _requests(plan: dict[str, Any]) -> Requests:
    """Yield the plan's requests in order."""
    routes = plan["routes"]
    host = urlsplit(plan["url"]).netloc
    shares = [route["share"] for route in routes]
    keys = [route["keys"] for route in routes]
    order = in_order(shares, keys, plan["seed"])
    for number, key in itertools.islice(order, plan["requests"]):
        yield number, _bytes_of(routes[number], key, host)


def in_order(
    shares: Sequence[float], keys: Sequence[Sequence[Any]], seed: int
) -> Iterator[tuple[int, Any]]:
    """Yield the number of a route and its key, without end: routes at random, keys in turn."""
    generator = random.Random(seed)
    next_keys = [itertools.cycle(of_route or [None]) for of_route in keys]
    numbers = range(len(shares))
    while True:
        (number,) = generator.choices(numbers, shares)
        yield number, next(next_keys[number])


def _bytes_of(route: dict[str, Any], key: Any, host: str) -> bytes:
    """Return a request to a route, with the key in place of each `{}`."""
    body = "" if route["body"] is None else json.dumps(route["body"])
    if key is not None:
        body = body.replace("{}", str(key))
    headers = {"Host": host, **route["headers"]}
    if body:
        headers["Content-Type"] = "application/json"
        headers["Content-Length"] = str(len(body))
    start_line = f"{route['method']} {route['path']} HTTP/1.1\r\n"
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"{start_line}{fields}\r\n"
    if key is not None:
        head = head.replace("{}", str(key))
    return (head + body).encode()


def _gaps(plan: dict[str, Any]) -> Iterator[float]:
    """Yield the seconds between the starts of requests: even, or as of independent users."""
    rate = plan["rate"]
    generator = random.Random(plan["seed"])
    while True:
        yield generator.expovariate(rate) if plan["poisson"] else 1 / rate


async def _send_closed(sender: _Sender, requests: Requests, users: int, end: float) -> None:
    """Let each user send the next request after a response, until the end."""

    async def user() -> None:
        for route, request in requests:
            await sender.send(route, request, time.perf_counter())
            if time.perf_counter() >= end:
                return

    await asyncio.gather(*[user() for _ in range(users)])


async def _send_open(
    sender: _Sender, requests: Requests, gaps: Iterator[float], end: float
) -> bool:
    """Start each request when it's due, until the end; return True if the schedule was kept.

    A request that's unfinished at the end counts with its age.
    """
    due = time.perf_counter()
    late = 0.0
    tasks: set[asyncio.Task[None]] = set()
    for (route, request), gap in zip(requests, gaps, strict=False):
        if due >= end:
            break
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        now = time.perf_counter()
        if now >= end:  # so late that requests before the end were never started
            late = math.inf
            break
        if now - due > gap + LATE_SECONDS:
            late += 1
        task = asyncio.create_task(sender.send(route, request, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        due += gap
    await _finish(sender, tasks, end)
    return late <= LATE_SHARE * len(sender.answers)


async def _finish(sender: _Sender, tasks: set[asyncio.Task[None]], end: float) -> None:
    """Wait for the last responses until the end, then record what is unfinished."""
    if tasks:
        await asyncio.wait(tasks, timeout=max(end - time.perf_counter(), 0))
    now = time.perf_counter()
    unfinished = list(sender.waiting.values())
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
    for route, intended in unfinished:
        age = now - intended
        sender.answers.append(Answer(route, age, UNFINISHED, "", "", 0, 0.0))


async def _send(plan: dict[str, Any]) -> tuple[list[Answer], float, bool]:
    """Send a plan; return the answers, the seconds that it took, and if the schedule was kept."""
    sender = _Sender(plan["url"])
    requests = _requests(plan)
    start = time.perf_counter()
    end = start + plan["seconds"]
    on_schedule = True
    if plan["rate"]:
        on_schedule = await _send_open(sender, requests, _gaps(plan), end)
    else:
        await _send_closed(sender, requests, plan["users"], end)
    return sender.answers, time.perf_counter() - start, on_schedule


async def _measure_floor(plan: dict[str, Any]) -> float:
    """Return the median latency of an empty route at the same load, in seconds; nan without one."""
    empty = {
        "path": "/health",
        "keys": [],
        "share": 1,
        "method": "GET",
        "body": None,
        "headers": {},
    }
    changes = {"routes": [empty], "seconds": FLOOR_SECONDS, "requests": None}
    answers, _, _ = await _send(plan | changes)
    latencies = [answer.latency for answer in answers if answer.status == 200]
    return statistics.median_low(latencies) if latencies else math.nan


async def _main(plan_file: str, result_file: str) -> None:
    plan = json.loads(Path(plan_file).read_text())
    floor = await _measure_floor(plan)
    answers, seconds, on_schedule = await _send(plan)
    result = {"answers": answers, "seconds": seconds, "floor": floor, "on_schedule": on_schedule}
    unfinished = Path(result_file + ".part")
    unfinished.write_text(json.dumps(result))
    os.replace(unfinished, result_file)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
