"""The process that sends a load: `python -m course_lib.lab.sender PLAN RESULT`, both files of JSON.

On plain asyncio streams, and with nothing imported that takes long to start: a shared httpx client would be the thing
measured.
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
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

FLOOR_SECONDS = 0.3
MOST_CONNECTIONS = 900  # a process may usually have 1,024 files open
TIME_LIMIT = 60.0  # seconds for an answer
LATE = 0.1  # of the requests: with more of them begun late, the schedule was not kept
STATEMENTS = re.compile(r'db;dur=([\d.]+);desc="statements: (\d+)"')


class Answer(NamedTuple):
    """What became of one request; latency in seconds. Status 0 is an error before any answer, -1 one still awaited."""

    route: int
    latency: float
    status: int
    cache: str
    cache_of_user: str
    statements: int
    database_seconds: float


class _Sender:
    """Sends requests of a plan to a server, and keeps the answers."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.answers: list[Answer] = []
        self.awaited: dict[int, tuple[int, float]] = {}  # by number: route and intended start
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._numbers = itertools.count()
        self._room = asyncio.Semaphore(MOST_CONNECTIONS)

    async def send(self, route: int, request: bytes, intended: float) -> None:
        """Send one request, on an idle connection if there is one."""
        number = next(self._numbers)
        self.awaited[number] = route, intended
        status, headers = 0, b""
        async with self._room:
            try:
                async with asyncio.timeout(TIME_LIMIT):
                    status, headers = await self._exchange(request)
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                pass  # it stays an error; a TimeoutError is an OSError
        del self.awaited[number]
        self.answers.append(_answer(route, time.perf_counter() - intended, status, headers))

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        reader, writer = await self._connection()
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
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
        return int(head.split(b" ", 2)[1]), head

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()  # a server ends what has been idle for some seconds, as a client has to know
        return await asyncio.open_connection(self.host, self.port)


async def _read_chunks(reader: asyncio.StreamReader) -> None:
    """RFC 9112, section 7.1."""
    while size := int((await reader.readline()).split(b";")[0], 16):
        await reader.readexactly(size + 2)
    await reader.readline()


def _answer(route: int, latency: float, status: int, head: bytes) -> Answer:
    text = head.decode("latin-1")

    def header(name: str) -> str:
        found = re.search(rf"\r\n{name}: *([^\r]*)", text)
        return found[1] if found else ""

    cost = STATEMENTS.fullmatch(header("server-timing"))
    statements, milliseconds = (int(cost[2]), float(cost[1])) if cost else (0, 0.0)
    return Answer(route, latency, status, header("x-cache"), header("x-cache-user"), statements, milliseconds / 1000)


def _requests(plan: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
    """The plan's requests in their order, each with the number of its route."""
    routes, chance = plan["routes"], random.Random(plan["seed"])
    keys = [itertools.cycle(route["keys"] or [None]) for route in routes]
    shares = [route["share"] for route in routes]
    for _ in itertools.repeat(None) if plan["requests"] is None else range(plan["requests"]):
        (number,) = chance.choices(range(len(routes)), shares)
        route, key = routes[number], next(keys[number])
        body = "" if route["body"] is None else json.dumps(route["body"])
        body = body if key is None else body.replace("{}", str(key))
        headers = {"Host": urlsplit(plan["url"]).netloc, **route["headers"]}
        if body:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{route['method']} {route['path']} HTTP/1.1\r\n{fields}\r\n"
        yield number, ((head if key is None else head.replace("{}", str(key))) + body).encode()


def _gaps(plan: dict[str, Any]) -> Iterator[float]:
    """Seconds from each request's start to the next one's: even, or as people come who know nothing of one another."""
    rate, chance = plan["rate"], random.Random(plan["seed"])
    return iter(lambda: chance.expovariate(rate), None) if plan["poisson"] else itertools.repeat(1 / rate)


async def _closed(sender: _Sender, requests: Iterator[tuple[int, bytes]], users: int, end: float) -> bool:
    async def user() -> None:
        for route, request in requests:
            await sender.send(route, request, time.perf_counter())
            if time.perf_counter() >= end:
                return

    await asyncio.gather(*[user() for _ in range(users)])
    return True


async def _open(sender: _Sender, requests: Iterator[tuple[int, bytes]], gaps: Iterator[float], end: float) -> bool:
    """Start each request when it is due; what is unfinished at the end counts with its age. Whether that was kept."""
    due, late, tasks = time.perf_counter(), 0.0, set()
    for (route, request), gap in zip(requests, gaps, strict=False):
        if due >= end:
            break
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        if time.perf_counter() >= end:
            late = math.inf
            break
        late += time.perf_counter() - due > gap + 0.01
        task = asyncio.create_task(sender.send(route, request, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        due += gap
    if tasks:  # the last answers are on their way
        await asyncio.wait(tasks, timeout=max(end - time.perf_counter(), 0))
    now, awaited = time.perf_counter(), list(sender.awaited.values())
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    sender.answers += [Answer(route, now - intended, -1, "", "", 0, 0.0) for route, intended in awaited]
    return late <= LATE * len(sender.answers)


async def _drive(plan: dict[str, Any]) -> tuple[list[Answer], float, bool]:
    sender, requests = _Sender(plan["url"]), _requests(plan)
    began = time.perf_counter()
    end = began + plan["seconds"]
    if plan["rate"]:
        kept = await _open(sender, requests, _gaps(plan), end)
    else:
        kept = await _closed(sender, requests, plan["users"], end)
    return sender.answers, time.perf_counter() - began, kept


async def _main(order: str, result: str) -> None:
    plan = json.loads(Path(order).read_text())
    empty = {"path": "/health", "keys": [], "share": 1, "method": "GET", "body": None, "headers": {}}
    answers, _, _ = await _drive(plan | {"routes": [empty], "seconds": FLOOR_SECONDS, "requests": None})
    latencies = [answer.latency for answer in answers if answer.status == 200]
    answers, seconds, kept = await _drive(plan)
    found = {
        "answers": answers,
        "seconds": seconds,
        "floor": statistics.median_low(latencies) if latencies else math.nan,
        "kept": kept,
    }
    unfinished = Path(result + ".part")
    unfinished.write_text(json.dumps(found))
    os.replace(unfinished, result)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
