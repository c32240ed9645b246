"""Run our library beside its peers, and write what was measured to benchmarks/README.md.

    make bench                                     # everything, and write the page
    python benchmarks/page.py [subject ...] [--rounds 100]

The subjects are caching, limiting, unavailable, monitoring and api. If any are named, the page has
only those and is printed, not written. Run nothing else at the same time.
"""

import argparse
import asyncio
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import caching
import limiter
import monitor
import tables
import unavailable
import whole_api
from redis import Redis

from course_lib.lab import redis_server
from course_lib.optimizer.indexes import EVENTS_INDEXES

PAGE = Path(__file__).with_name("README.md")
ROUNDS = 100
FAST = 3  # times as many rounds, for calls that take microseconds

INTRODUCTION = """\
# Benchmarks

`make bench` wrote this page: every figure and every verdict on it is from one run. Each table is
one interleaved run: in a round, every variant is measured once, in random order, so a slow moment
of the machine slows them all. A ratio is one of medians, with its 95% interval from resampling the
rounds. Our own variants are in bold.
"""

HITS = """\
The floor of each operation is what you would write by hand with redis-py, on a connection like
ours. The value is a list of {rows} objects, and every peer stores it as JSON. A miss calls a loader
that returns at once. Only ours then lets a single caller load, and never stores a value from before
an invalidation; that takes a third round trip."""

DECISIONS = """\
One decision by each algorithm, none of them a rejection. The floor is a script that only returns 1.
Three limits are one script too. `limits`, which slowapi uses, is measured on its own connections,
which have no time limits, and on connections like ours. The other peers use their own. "A request"
is one to a limited endpoint, in process; its floor is the same endpoint without a limit. slowapi
blocks the event loop while it waits for Redis; ours doesn't."""

REQUESTS = """\
A request through each middleware, in process, to the last of {routes} routes. The floor is the app
without middleware."""

WHOLE = """\
Requests a second of the Events API, under uvicorn, from {users} concurrent users of the lab's load
generator. Each app has its own copy of the same SQLite file ({rows:,} events), its own Redis, and
the same indexes:

{indexes}

The mixture is the report card's, without the login and the model, whose password hash and wait are
the same in every app:

{shares}

A small table favors the bare app: with a million rows its queries take longer, and hits don't. All
limits are on, and none is reached. The peers' API has the same routes and the same database, caches
the same two parts of a response, and deletes a user's part after a write."""


def measure_caching(rounds):
    contests = asyncio.run(caching.contests(FAST * rounds))
    return tables.markdown("Caching", HITS.format(rows=len(caching.ROWS)), contests)


def measure_limiting(rounds):
    contests = asyncio.run(limiter.contests(FAST * rounds))
    return tables.markdown("Rate limiting", DECISIONS, contests)


def measure_unavailable(_):
    return unavailable.markdown(asyncio.run(unavailable.outages()))


def measure_monitoring(rounds):
    text = REQUESTS.format(routes=monitor.ROUTES)
    return tables.markdown("Monitoring", text, [monitor.contest(rounds)])


def measure_api(rounds):
    shares = [f"- `{name}`: {share}" for name, share in whole_api.shares().items()]
    text = WHOLE.format(
        users=whole_api.USERS,
        rows=whole_api.ROWS,
        indexes="\n".join(f"- `{statement}`" for statement in EVENTS_INDEXES),
        shares="\n".join(shares),
    )
    return tables.markdown("The whole API", text, [whole_api.contest(rounds)])


SUBJECTS = {
    "caching": measure_caching,
    "limiting": measure_limiting,
    "unavailable": measure_unavailable,
    "monitoring": measure_monitoring,
    "api": measure_api,
}


def page(subjects, rounds, command):
    """Measure subjects and return the page."""
    sections = []
    for subject in subjects:
        print(f"measuring: {subject}", file=sys.stderr, flush=True)
        sections.append(SUBJECTS[subject](rounds))
    return "\n".join([INTRODUCTION, measured_with(rounds, command), "", *sections])


def measured_with(rounds, command):
    """Return a list of what the figures depend on."""
    rounds_of_calls = FAST * rounds
    facts = {
        "Command": f"`{command}`, {datetime.now(UTC):%Y-%m-%d}",
        "Rounds": f"{rounds}; for caching and limiting {rounds_of_calls}, of {tables.CALLS} calls",
        "Machine": tables.machine(),
        "Server": redis_version(),
        "Packages": tables.versions(),
    }
    return "\n".join(f"- {name}: {text}" for name, text in facts.items())


def redis_version():
    """Return the name and the version of the Redis server that the lab starts."""
    with redis_server.start() as server, Redis.from_url(server.url) as redis:
        info = redis.info("server")
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}, on a Unix socket"
    return f"Redis {info['redis_version']}, on a Unix socket"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subjects", nargs="*", choices=[[], *SUBJECTS], help="all by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    logging.disable()  # the monitor's line for each request, and the breaker's warnings
    command = "make bench"
    if options.rounds != ROUNDS:
        command += f" ROUNDS={options.rounds}"
    text = page(options.subjects or SUBJECTS, options.rounds, command)
    if options.subjects:
        print(text)
    else:
        PAGE.write_text(text)
        print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
