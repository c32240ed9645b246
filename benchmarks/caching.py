"""Measure the cache, what it runs on, and lesson 1. Print each figure with its bar.

    python benchmarks/caching.py [part ...]

The parts are calls, stampede, invalidation, api, lab and lesson; all of them by
default. Run nothing else at the same time.

If the usual packages are installed, they're measured too: `uv pip install -e '.[bench]'`.
"""

import argparse
import asyncio
import itertools
import json
import subprocess
import sys
import time
from importlib.util import find_spec

from fastapi import FastAPI
from fastapi.responses import Response
from redis import Redis
from tables import ROUNDS, Contest, interleaved, print_contest

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.lab import bench, events, redis_server, serve, show
from course_lib.lab.load_generator import Route, Schedule, load, zipf_users

ROWS = [{"id": 1_000 + n, "type": "view", "title": f"Open Demo #{n}"} for n in range(48)]
DOCUMENT = {"rows": ROWS}


# --- one call -------------------------------------------------------------------------------------


async def calls():
    """Print what `contests` compares."""
    for contest in await contests(ROUNDS):
        print_contest(contest)


async def contests(rounds):
    """Compare a hit, a set and a miss with the plain commands, and with other packages."""
    with redis_server.start() as server:
        redis = redis_client.connect(server.url)
        cache, numbers = Cache(redis), itertools.count()
        await cache.set("document", DOCUMENT)
        await redis.set("bare", json.dumps(DOCUMENT, separators=(",", ":")))
        hits = {
            "GET and json.loads": lambda: get_and_decode(redis),
            "get": lambda: cache.get("document"),
            "get_or_set": lambda: cache.get_or_set("document", load_document),
            "get_or_set, raw=True": lambda: cache.get_or_set("document", load_document, raw=True),
        }
        sets = {
            "json.dumps and SET": lambda: redis.set("bare", json.dumps(DOCUMENT), ex=300),
            "set, without an index": lambda: cache.set("document", DOCUMENT),
            "set, with a user's index": lambda: cache.set("document", DOCUMENT, user_id=7),
        }
        misses = {
            "GET, then SET": lambda: get_then_set(redis, f"bare:{next(numbers)}"),
            "get_or_set, without an index": lambda: cache.get_or_set(
                f"{next(numbers)}", load_document
            ),
            "get_or_set, with a user's index": lambda: cache.get_or_set(
                f"{next(numbers)}", load_document, user_id=7
            ),
        }
        bars = (
            {"get": 1.10, "get_or_set": None, "get_or_set, raw=True": None},
            {"set, without an index": None, "set, with a user's index": 1.25},
            {"get_or_set, without an index": 2.0, "get_or_set, with a user's index": None},
        )
        close_peers = add_peers(server.url, hits, sets, misses, numbers)
        results = []
        for name, variants, ours in zip(
            ("A hit", "A set", "A miss"), (hits, sets, misses), bars, strict=True
        ):
            results.append(Contest(name, await interleaved(variants, rounds), ours))
        for close in close_peers:
            await close()
        await redis.aclose()
    return results


async def get_and_decode(redis):
    return json.loads(await redis.get("bare"))


async def get_then_set(redis, key):
    if await redis.get(key) is None:
        await redis.set(key, json.dumps(DOCUMENT), ex=300)


async def load_document():
    return DOCUMENT


def add_peers(url, hits, sets, misses, numbers):
    """Add the installed peers to the variants, and return functions that close them."""
    peers = {"aiocache": add_aiocache, "cashews": add_cashews, "fastapi_cache": add_fastapi_cache}
    close_peers = []
    for package, add in peers.items():
        if find_spec(package):
            close_peers.append(add(url, hits, sets, misses, numbers))
    return close_peers


def add_aiocache(url, hits, sets, misses, numbers):
    from aiocache import RedisCache
    from aiocache.serializers import JsonSerializer

    peer = RedisCache(serializer=JsonSerializer())
    peer.client = redis_client.connect(url)

    async def get_or_set(key):
        if await peer.get(key) is None:
            await peer.set(key, DOCUMENT, ttl=300)

    hits["aiocache"] = lambda: get_or_set("a")
    sets["aiocache"] = lambda: peer.set("a", DOCUMENT, ttl=300)
    misses["aiocache"] = lambda: get_or_set(f"a:{next(numbers)}")
    return peer.close


def add_cashews(url, hits, sets, misses, numbers):
    from cashews import Cache as Cashews

    peer = Cashews()
    # Its first argument can't be a unix:// address, so the address is passed apart.
    peer.setup("redis://", address=url, pickle_type="json")

    async def get_or_set(key):
        if await peer.get(key) is None:
            await peer.set(key, DOCUMENT, expire=300)

    hits["cashews"] = lambda: get_or_set("c")
    sets["cashews"] = lambda: peer.set("c", DOCUMENT, expire=300)
    misses["cashews"] = lambda: get_or_set(f"c:{next(numbers)}")
    return peer.close


def add_fastapi_cache(url, hits, _sets, _misses, _numbers):
    from fastapi_cache import FastAPICache
    from fastapi_cache.backends.redis import RedisBackend
    from fastapi_cache.decorator import cache

    client = redis_client.connect(url)
    FastAPICache.init(RedisBackend(client), expire=300)
    hits["fastapi-cache2"] = cache()(load_document)
    return client.aclose


# --- many callers at once -------------------------------------------------------------------------

PROCESSES, CALLERS, LOAD_SECONDS = 4, 25, 0.05


async def stampede():
    """Let 100 callers in 4 processes share a load, and measure when the last one gets its value."""
    with redis_server.start() as server:
        command = [sys.executable, __file__, "--call-together", server.url]
        processes = [
            subprocess.Popen(command, stdin=-1, stdout=-1, text=True) for _ in range(PROCESSES)
        ]
        waits, loads = [], []
        for number in range(100):
            start = time.time() + 0.03
            for process in processes:
                process.stdin.write(f"{number} {start}\n")
                process.stdin.flush()
            results = [json.loads(process.stdout.readline()) for process in processes]
            load_ends = [result["load ended"] for result in results if result["load ended"]]
            (load_ended,) = load_ends or [0.0]
            loads.append(sum(result["loads"] for result in results))
            waits.append(max(result["last value"] for result in results) - load_ended)
        for process in processes:
            process.stdin.close()
            process.wait()
    print(f"\n{CALLERS} callers in each of {PROCESSES} processes, 100 times:")
    print(f"  loads each time, at most: {max(loads)}   (bar: 1)")
    for percent in (50, 90, 99):
        waited = show.duration(bench.percentile(waits, percent))
        print(
            f"  from the load's end to the last caller's value, P{percent}: {waited}   (bar: 15 ms)"
        )


async def call_together(url):
    """Call `get_or_set` many times at the times given on standard input, and print the results."""
    cache = Cache(redis_client.connect(url))
    for line in sys.stdin:
        key, start = line.split()
        ended = 0.0

        async def load_slowly():
            nonlocal ended
            await asyncio.sleep(LOAD_SECONDS)
            ended = time.time()
            return DOCUMENT

        before = cache.loads
        await asyncio.sleep(max(float(start) - time.time(), 0))
        await asyncio.gather(*[cache.get_or_set(key, load_slowly) for _ in range(CALLERS)])
        loads = cache.loads - before
        result = {"loads": loads, "load ended": ended, "last value": time.time()}
        print(json.dumps(result), flush=True)


async def invalidation():
    """Measure how long it takes to remove 10,000 entries of a user, and how long others wait."""
    with redis_server.start() as server:
        cache = Cache(redis_client.connect(server.url))
        command = [sys.executable, __file__, "--ping", server.url]
        waits, durations, floors = [], [], []
        for _ in range(10):
            for first in range(0, 10_000, 500):
                keys = [f"{number}" for number in range(first, first + 500)]
                await asyncio.gather(*[cache.set(key, DOCUMENT, user_id=7) for key in keys])
            with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as pinger:
                floors.append(float(pinger.stdout.readline()))
                start = time.perf_counter()
                removed = await cache.invalidate_user_cache(7)
                durations.append(time.perf_counter() - start)
                assert removed == 10_000, removed
                waits.append(float(pinger.communicate()[0]))
    print(f"\n10,000 entries of a user removed, 10 times: {median_and_worst(durations)}")
    print(f"  longest wait of another client: {median_and_worst(waits)}   (bar: 3 ms)")
    print(f"  with nothing removed: {median_and_worst(floors)}")


def median_and_worst(durations):
    """Return the median and the maximum of durations (seconds) as text."""
    median = show.duration(bench.percentile(durations, 50))
    return f"median {median}, worst {show.duration(max(durations))}"


def ping(url):
    """Print the longest of 1,000 PINGs, then of 3,000 during the removal."""
    with Redis.from_url(url) as redis:
        print(longest(redis, 1_000), flush=True)
        print(longest(redis, 3_000), flush=True)


def longest(redis, times):
    longest = 0.0
    for _ in range(times):
        start = time.perf_counter()
        redis.ping()
        longest = max(longest, time.perf_counter() - start)
    return longest


# --- over HTTP ------------------------------------------------------------------------------------


async def api():
    """Alternate between hits returned as stored bytes and hits that are decoded and encoded."""
    small = events.copy(rows=50_000)
    app = FastAPI()
    cache = Cache(redis_server.client("api"))

    async def load_stats():
        with serve.start(small) as source:
            return source.get("/api/stats", user_id=7).json()

    @app.get("/bytes")
    async def as_bytes():
        content = await cache.get_or_set("stats", load_stats, raw=True)
        return Response(content, media_type="application/json")

    @app.get("/decoded")
    async def decoded():
        return await cache.get_or_set("stats", load_stats)

    @app.get("/health")
    async def health():
        return {}

    rates = {"/decoded": [], "/bytes": []}
    with serve.here(app) as server:
        for _ in range(10):
            for path, measured in rates.items():
                run = await asyncio.to_thread(load, server.url + path, users=32, seconds=0.5)
                measured.append(run.requests / run.seconds)
    decoded_rate, bytes_rate = (bench.percentile(measured, 50) for measured in rates.values())
    print(f"\nhits a second, 32 users: decoded {decoded_rate:,.0f}, as bytes {bytes_rate:,.0f}")
    print(f"  {bytes_rate / decoded_rate:.2f} times as many")
    with serve.start(small, cache=True) as server:
        url = server.url + "/api/stats?user_id=7"
        run = await asyncio.to_thread(load, url, users=512, requests=512, seconds=30)
    statements = run.statements_per_thousand() * run.requests / 1_000
    responses = run.requests - run.errors
    print(f"512 users at once: {responses} responses, {statements:.0f} statements   (bar: 512)")


async def lab():
    """Measure the start of a private Redis, and whether the load generator keeps its rate."""
    durations = []
    for _ in range(20):
        start = time.perf_counter()
        redis_server.start().stop()
        durations.append(time.perf_counter() - start)
    print(f"\na private Redis, started and stopped: {median_and_worst(durations)}")
    print("  (bar: well under a second)")
    with serve.start(events.copy(rows=50_000)) as server:
        run = load(server.url + "/health", rate=2_000, seconds=10)
    print(f"2,000 requests a second to an empty route for 10 s: {run}   (bar: kept)")


async def lesson():
    """Measure what lesson 1 claims, in longer runs than the lesson's."""
    with serve.start(events.copy()) as plain, serve.start(events.copy(), cache=True) as cached:
        variants = {
            "neither cache nor indexes": lambda: plain.get("/api/stats", user_id=123),
            "a hit": lambda: cached.get("/api/stats", user_id=123),
        }
        hit = bench.compare(variants, rounds=100, seconds=600)
    print("\n/api/stats, a hit compared with neither cache nor indexes:")
    print(f"  {hit.ratio()} times faster   (bar: 100)")
    small = events.copy(rows=50_000)
    with serve.start(small) as plain, serve.start(small, cache=True) as cached:
        route = Route("/api/stats?user_id={}", zipf_users(200, 2_000))
        before = load(Schedule(plain.url, [route]), requests=20).statements_per_thousand()
        after = load(Schedule(cached.url, [route]), users=4, requests=2_000, seconds=60)
    cached_statements = after.statements_per_thousand()
    saved = 1 - cached_statements / before
    print("200 users by Zipf's law, 2,000 requests, statements per 1,000 requests:")
    print(f"  {before:.0f} without a cache")
    print(f"  {cached_statements:.0f} with a key for each part: {saved:.1%} fewer   (bar: 80%)")
    print(f"  hit rate of the platform's key {after.hit_rate():.1%}   (bar: 80%)")
    print(f"  hit rate of the users' keys {after.hit_rate(of_users=True):.1%}")


FUNCTIONS = (calls, stampede, invalidation, api, lab, lesson)
PARTS = {function.__name__: function for function in FUNCTIONS}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all parts by default")
    parser.add_argument("--call-together", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--ping", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.call_together:
        asyncio.run(call_together(options.call_together))
    elif options.ping:
        ping(options.ping)
    else:
        for part in options.parts or PARTS:
            asyncio.run(PARTS[part]())


if __name__ == "__main__":
    main()
