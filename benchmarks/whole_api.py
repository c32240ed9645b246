"""Measure the whole Events API beside the same API from the usual packages, and beside a bare one.

    python benchmarks/whole_api.py [--rounds 100]

Each runs under uvicorn, in a process of its own, on its own copy of the seeded table with the same
indexes. A round sends each of them the same mixture from the load generator, for a moment.
"""

import argparse
import random
import socket
import sys
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import httpx
from apps import BARE, NEEDED, OURS, PEERS
from tables import Contest, print_contest

from course_lib.lab import bench, events, lifeline, redis_server
from course_lib.lab.load_generator import Route, Schedule, load, zipf_users
from course_lib.optimizer.indexes import EVENTS_INDEXES
from course_lib.report_card import traffic

ROWS = 50_000
USERS = 32  # at once
SECONDS = 0.4
START_SECONDS = 60  # at most, on a busy machine
SERVE = Path(__file__).with_name("apps.py")
GOAL = 1.2  # times the bare app's requests a second

LEFT_OUT = ("POST /api/auth/login", "POST /api/events/parse")
"""Most of their time is a password hash and a wait of 200 ms, the same in each app."""


def contest(rounds, rows=None):
    """Send the mixture to each app in turn, in an order that changes, and compare their rates.

    A sample is the seconds per response of one load. Raises RuntimeError if a request fails.
    """
    names = [BARE, OURS]
    if all(find_spec(package) for package in NEEDED):
        names.append(PEERS)
    samples = {name: [] for name in names}
    with ExitStack() as stack:
        schedules = {}
        for name in names:
            table = stack.enter_context(events.copy(*EVENTS_INDEXES, rows=rows or ROWS))
            redis = stack.enter_context(redis_server.start())
            url = start(name, table.path, redis.url, stack)
            schedules[name] = mixture(url)
            send(name, schedules[name])  # fills the cache, not measured
        chance = random.Random(1)
        for _ in range(rounds):
            chance.shuffle(names)
            for name in names:
                samples[name].append(send(name, schedules[name]))
    comparison = bench.Comparison({name: tuple(sample) for name, sample in samples.items()})
    return Contest("The mixture", comparison, {OURS: GOAL}, is_rate=True)


def mixture(url):
    """Return the report card's requests, without the two that mostly wait."""
    users = zipf_users(traffic.USERS, 2_000)
    key = {"X-API-Key": "pro-{}"}
    event = {"type": "view", "title": "Standup of user {}", "duration_ms": 900_000}
    routes = []
    for name, share in shares().items():
        method, path = name.split()
        body = event if method == "POST" else None
        routes.append(Route(path, users, share, method, body, key, name))
    return Schedule(url, routes)


def shares():
    """Return the share of each request in the mixture, by route."""
    return {name: share for name, share in traffic.SHARES.items() if name not in LEFT_OUT}


def send(name, schedule):
    """Send a load and return its seconds per response. Raises RuntimeError if a request failed."""
    result = load(schedule, users=USERS, seconds=SECONDS)
    if result.errors:
        raise RuntimeError(f"{name}: {result}")
    return result.seconds / result.requests


def start(name, db_path, redis_url, stack):
    """Serve an app in a process that ends with the stack, and return its URL once it responds."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, SERVE, name, db_path, redis_url, str(port)]
    child = lifeline.start(command)
    stack.callback(child.end)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    while child.alive() and time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/health", trust_env=False).raise_for_status()
            return url
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"{name} didn't start; its log ends:\n{child.tail()}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    print_contest(contest(options.rounds, options.rows))


if __name__ == "__main__":
    main()
