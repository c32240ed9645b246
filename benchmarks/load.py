"""Send the Events API the load of hundreds of users, with one worker and with two. Print a table.

    python benchmarks/load.py [--users 128 512] [--workers 1 2] [--seconds 30]

Each worker is a process with everything on: indexes, cache, limits and monitor, on a copy of the
million-row table. All share one Redis and one file. The traffic is the report card's mix, from
users who send the next request after each response; their number is split between the workers.
The longest wait has a column without the requests to the model, and one of the model's alone: it
handles one call at a time, so they wait in line, and longer the busier the service is.
The bar: no request fails. Run nothing else at the same time.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psutil

from course_lib import api
from course_lib.lab import events, redis_server, serve, show
from course_lib.lab.bench import percentile
from course_lib.lab.load_generator import Load, load
from course_lib.report_card import traffic

# The usual limits protect the login and the model; other routes have one that is never reached.
LIMITS = {**api.LIMITS, "*": "1000000/minute"}
COLUMNS = (
    "users",
    "workers",
    "requests",
    "a second",
    "failed",
    "rejected",
    "P50",
    "P99",
    "longest",
    "model",
)


def servers(stack: ExitStack, workers: int) -> list[serve.Server]:
    """Start the workers on a copy of the table, and fill the cache."""
    table = stack.enter_context(events.copy())
    namespace = redis_server.namespace("load")
    options: dict[str, Any] = {
        "redis_url": redis_server.url(),
        "namespace": namespace,
        "indexes": True,
        "cache": True,
        "limits": LIMITS,
        "monitor": True,
    }
    started = [stack.enter_context(serve.start(table, **options)) for _ in range(workers)]
    for server in started:
        server.get("/api/stats").raise_for_status()
    return started


def sender(users: int, seconds: float) -> Callable[[serve.Server], Load]:
    def send(server: serve.Server) -> Load:
        return load(traffic.schedule(server.url), users=users, seconds=seconds)

    return send


def longest_waits(together: Load) -> tuple[float, float]:
    """Return the longest latencies in seconds: without the model's, and of the model's alone."""
    waits: dict[str, float] = {}
    for answer in together.answers:
        kind = "model" if together.names[answer.route] == traffic.PARSES else "others"
        waits[kind] = max(waits.get(kind, 0.0), answer.latency)
    return waits.get("others", 0.0), waits.get("model", 0.0)


def measure(users: int, workers: int, seconds: float) -> list[str]:
    """Return a row of the table, and print the memory of the workers at the end."""
    with ExitStack() as stack:
        started = servers(stack, workers)
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        loads = list(pool.map(sender(users // workers, seconds), started))
        memory = [psutil.Process(server.pid).memory_info().rss / 1e6 for server in started]
    together = Load.joined(loads)
    latencies = together.latencies()
    times = [percentile(latencies, 50), percentile(latencies, 99), *longest_waits(together)]
    print("memory:", ", ".join(f"{size:.0f} MB" for size in memory))
    return [
        *(f"{users}", f"{workers}", f"{together.requests:,}"),
        f"{together.requests / max(side.seconds for side in loads):,.0f}",
        *(f"{together.failures():,}", f"{together.rejected():,}"),
        *map(show.duration, times),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Send the Events API the load of many users.")
    parser.add_argument("--users", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    rows = [
        measure(users, workers, options.seconds)
        for users in options.users
        for workers in options.workers
    ]
    for row in [COLUMNS, *rows]:
        print("".join(f"{cell:>10}" for cell in row))


if __name__ == "__main__":
    main()
