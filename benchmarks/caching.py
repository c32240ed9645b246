"""The figures of the cache, of what it runs on and of lesson 1, each beside its bar. Run nothing beside it.

    python benchmarks/caching.py [part ...]    # calls, stampede, invalidation, away, api, lab, lesson; without one all

Each ratio is of medians, in one interleaved run; the interval resamples its rounds. The packages that people would
otherwise install are measured beside ours where they are installed: `uv pip install aiocache cashews`.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import subprocess
import sys
import time
from importlib.util import find_spec

from fastapi import FastAPI
from fastapi.responses import Response
from redis import Redis

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.lab import bench, events, redis_server, serve, show
from course_lib.lab.load import Route, Schedule, load, zipf_users

ROUNDS = 200
CALLS = 20  # in a round, one after the other
DOCUMENT = {"rows": [{"id": 1_000 + number, "type": "view", "title": f"Open Demo #{number}"} for number in range(48)]}


async def interleaved(variants, rounds=ROUNDS, calls=CALLS):
    """As `bench.compare`, for coroutine functions; a sample is the mean of `calls` calls."""
    taken = {name: [] for name in variants}
    for run in variants.values():
        await run()
    for _, order in zip(range(rounds), itertools.cycle(itertools.permutations(variants))):
        for name in order:
            began = time.perf_counter_ns()
            for _ in range(calls):
                await variants[name]()
            taken[name].append((time.perf_counter_ns() - began) / calls / 1e9)
    return bench.Comparison({name: tuple(each) for name, each in taken.items()})


def tell(title, comparison, bar=None, of=None):
    """A line a variant: how many times the first one's time it takes."""
    first, *others = comparison.samples
    print(f"\n{title}; {first}: {show.duration(comparison.median(first))}")
    for name in others:
        limit = f"   (bar: {bar:.2f})" if bar and name == (of or others[0]) else ""
        print(f"  {name:34} {comparison.ratio(of=first, over=name)}{limit}")


# --- one call ---------------------------------------------------------------------------------------------------------


async def calls():
    text = json.dumps(DOCUMENT, separators=(",", ":"))
    print(f"document: {len(text):,} bytes of JSON")
    with redis_server.start() as server:
        redis = redis_client.connect(server.url, max_connections=1)
        cache, numbers = Cache(redis), itertools.count()
        await cache.set("document", DOCUMENT)
        await redis.set("bare", text)
        hits = {
            "GET and json.loads": lambda: get_and_decode(redis),
            "get": lambda: cache.get("document"),
            "get_or_set": lambda: cache.get_or_set("document", load_document),
            "get_or_set, raw=True": lambda: cache.get_or_set("document", load_document, raw=True),
        }
        sets = {
            "json.dumps and SET": lambda: redis.set("bare", json.dumps(DOCUMENT), ex=300),
            "set, with the user's index": lambda: cache.set("document", DOCUMENT, user_id=7),
            "set, without": lambda: cache.set("document", DOCUMENT),
        }
        misses = {
            "GET, then SET": lambda: get_then_set(redis, f"bare:{next(numbers)}"),
            "get_or_set": lambda: cache.get_or_set(f"{next(numbers)}", load_document),
            "get_or_set, with the user's index": lambda: cache.get_or_set(f"{next(numbers)}", load_document, user_id=7),
        }
        closing = add_peers(server.url, hits, misses, numbers)
        tell("a hit", await interleaved(hits), 1.10, "get")
        tell("a set", await interleaved(sets), 1.25)
        tell("a miss", await interleaved(misses), 2.0)
        for close in closing:
            await close()
        await redis.aclose()


async def get_and_decode(redis):
    return json.loads(await redis.get("bare"))


async def get_then_set(redis, key):
    if await redis.get(key) is None:
        await redis.set(key, json.dumps(DOCUMENT), ex=300)


async def load_document():
    return DOCUMENT


def add_peers(url, hits, misses, numbers):
    """Put what is installed of the peers beside ours; how to close them."""
    closing = []
    if find_spec("aiocache"):
        from aiocache import RedisCache
        from aiocache.serializers import JsonSerializer

        peer = RedisCache(serializer=JsonSerializer())
        peer.client = redis_client.connect(url, max_connections=1)

        async def miss_aiocache():
            if await peer.get(key := f"a:{next(numbers)}") is None:
                await peer.set(key, DOCUMENT, ttl=300)

        async def hit_aiocache():
            if await peer.get("a") is None:
                await peer.set("a", DOCUMENT, ttl=300)

        hits["aiocache"], misses["aiocache"] = hit_aiocache, miss_aiocache
        closing.append(peer.close)
    if find_spec("cashews"):
        from cashews import Cache as Cashews

        cashews = Cashews()
        cashews.setup("redis://", address=url, pickle_type="json")  # which takes no unix:// in its first argument

        async def miss_cashews():
            if await cashews.get(key := f"c:{next(numbers)}") is None:
                await cashews.set(key, DOCUMENT, expire=300)

        async def hit_cashews():
            if await cashews.get("c") is None:
                await cashews.set("c", DOCUMENT, expire=300)

        hits["cashews"], misses["cashews"] = hit_cashews, miss_cashews
        closing.append(cashews.close)
    return closing


# --- many at once -----------------------------------------------------------------------------------------------------

PROCESSES, CALLERS, LOAD_SECONDS = 4, 25, 0.05


async def stampede():
    """A hundred callers in four processes, one load: how long after its end the last of them has its answer."""
    with redis_server.start() as server:
        command = [sys.executable, __file__, "--ask-together", server.url]
        each = [subprocess.Popen(command, stdin=-1, stdout=-1, text=True) for _ in range(PROCESSES)]
        late, loads = [], []
        for number in range(100):
            start = time.time() + 0.03
            for process in each:
                process.stdin.write(f"{number} {start}\n")
                process.stdin.flush()
            told = [json.loads(process.stdout.readline()) for process in each]
            (ended,) = [answer["load ended"] for answer in told if answer["load ended"]] or [0.0]
            loads.append(sum(answer["loads"] for answer in told))
            late.append(max(answer["last answer"] for answer in told) - ended)
        for process in each:
            process.stdin.close()
            process.wait()
    print(f"\n{CALLERS} callers in each of {PROCESSES} processes, 100 times: at most {max(loads)} load   (bar: 1)")
    for percent in (50, 90, 99):
        waited = show.duration(bench.percentile(late, percent))
        print(f"  the last waiter's answer after the load's end, P{percent}: {waited}   (bar: 15 ms)")


async def ask_together(url):
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
        answer = {"loads": cache.loads - before, "load ended": ended, "last answer": time.time()}
        print(json.dumps(answer), flush=True)


async def invalidation():
    """How long another client waits while 10,000 entries of one user are removed, and how long that takes."""
    with redis_server.start() as server:
        cache = Cache(redis_client.connect(server.url))
        command = [sys.executable, __file__, "--ping", server.url]
        waits, taken, floors = [], [], []
        for _ in range(10):
            for first in range(0, 10_000, 500):
                await asyncio.gather(*[cache.set(f"{first + place}", DOCUMENT, user_id=7) for place in range(500)])
            with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as pinger:
                floors.append(float(pinger.stdout.readline()))
                began = time.perf_counter()
                removed = await cache.invalidate_user_cache(7)
                taken.append(time.perf_counter() - began)
                assert removed == 10_000, removed
                waits.append(float(pinger.communicate()[0]))
    print(f"\n10,000 entries of a user removed, 10 times: {show.duration(bench.percentile(taken, 50))} at the median")
    print(
        f"  longest wait of another client: median {show.duration(bench.percentile(waits, 50))}, "
        f"worst {show.duration(max(waits))}   (bar: 3 ms); with nothing removed: "
        f"median {show.duration(bench.percentile(floors, 50))}, worst {show.duration(max(floors))}"
    )


def ping(url):
    """Print the longest of 1,000 PINGs, and then of those until the end of input."""
    with Redis.from_url(url) as redis:
        print(longest(redis, 1_000), flush=True)
        print(longest(redis, 3_000), flush=True)


def longest(redis, times):
    longest = 0.0
    for _ in range(times):
        began = time.perf_counter()
        redis.ping()
        longest = max(longest, time.perf_counter() - began)
    return longest


# --- Redis away -------------------------------------------------------------------------------------------------------


async def away():
    logging.disable()
    for how, said in (("kill", "killed"), ("pause", "paused")):
        with redis_server.start() as server:
            redis = redis_client.connect(server.url)
            cache = Cache(redis)
            await cache.set("key", 1)
            getattr(server, how)()
            taken = []
            for _ in range(20):
                began = time.perf_counter()
                await cache.get("key")
                taken.append(time.perf_counter() - began)
            before, after = show.duration(max(taken[:3])), show.duration(max(taken[3:]))
            print(f"\nRedis {said}: the slowest get until the breaker opens {before}   (bar: 100 ms)")
            print(f"  the slowest while it is open {after}   (bar: 1 ms)")
            with contextlib.suppress(RuntimeError):
                server.resume()
            await redis.aclose()


# --- over HTTP --------------------------------------------------------------------------------------------------------


async def api():
    """The service's hits as stored bytes, and decoded and encoded again, in slices that take turns."""
    small = events.copy(rows=50_000)
    app = FastAPI()
    cache = Cache(redis_server.client("api"))

    async def load_stats():
        with serve.start(small) as source:
            return source.get("/api/stats", user_id=7).json()

    @app.get("/bytes")
    async def as_bytes():
        return Response(await cache.get_or_set("stats", load_stats, raw=True), media_type="application/json")

    @app.get("/decoded")
    async def decoded():
        return await cache.get_or_set("stats", load_stats)

    @app.get("/health")
    async def health():
        return {}

    rates = {"/decoded": [], "/bytes": []}
    with serve.here(app) as server:
        for _ in range(10):
            for path, found in rates.items():
                run = await asyncio.to_thread(load, server.url + path, users=32, seconds=0.5)
                found.append(run.requests / run.seconds)
    medians = {path: bench.percentile(found, 50) for path, found in rates.items()}
    print(
        f"\nhits a second, 32 users: decoded {medians['/decoded']:,.0f}, bytes handed on {medians['/bytes']:,.0f}: "
        f"{medians['/bytes'] / medians['/decoded']:.2f} times"
    )
    with serve.start(small, cache=True) as server:
        run = await asyncio.to_thread(load, server.url + "/api/stats?user_id=7", users=512, requests=512, seconds=30)
    statements = run.statements_per_thousand() * run.requests / 1_000
    print(f"512 users at once: {run.requests - run.errors} answers, {statements:.0f} statements   (bar: 512)")


async def lab():
    taken = []
    for _ in range(20):
        began = time.perf_counter()
        redis_server.start().stop()
        taken.append(time.perf_counter() - began)
    print(
        f"\na private Redis, started and stopped: median {show.duration(bench.percentile(taken, 50))}, "
        f"worst {show.duration(max(taken))}   (bar: well under a second)"
    )
    with serve.start(events.copy(rows=50_000)) as server:
        run = load(server.url + "/health", rate=2_000, seconds=10)
    print(f"2,000 requests a second to an empty route for 10 s: {run}   (bar: kept)")


async def lesson():
    """What lesson 1 claims, in longer runs than its own."""
    with serve.start(events.copy()) as plain, serve.start(events.copy(), cache=True) as cached:
        variants = {
            "neither cache nor indexes": lambda: plain.get("/api/stats", user_id=123),
            "a hit": lambda: cached.get("/api/stats", user_id=123),
        }
        hit = bench.compare(variants, rounds=100, seconds=600)
    print(f"\n/api/stats, a hit over neither cache nor indexes: {hit.ratio()} times faster   (bar: 100)")
    small = events.copy(rows=50_000)
    with serve.start(small) as plain, serve.start(small, cache=True) as cached:
        route = Route("/api/stats?user_id={}", zipf_users(200, 2_000))
        before = load(Schedule(plain.url, [route]), requests=20).statements_per_thousand()
        after = load(Schedule(cached.url, [route]), users=4, requests=2_000, seconds=60)
    fewer = 1 - after.statements_per_thousand() / before
    print(f"200 users by Zipf's law, 2,000 requests, statements for 1,000: {before:.0f} without a cache,")
    print(f"  {after.statements_per_thousand():.0f} with a key for each part, {fewer:.1%} fewer   (bar: 80%)")
    print(f"  hit rate of the platform's key {after.hit_rate():.1%}   (bar: 80%)")
    print(f"  hit rate of the users' keys {after.hit_rate(of_users=True):.1%}")


PARTS = {each.__name__: each for each in (calls, stampede, invalidation, away, api, lab, lesson)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all where none is given")
    parser.add_argument("--ask-together", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--ping", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask_together:
        asyncio.run(ask_together(options.ask_together))
    elif options.ping:
        ping(options.ping)
    else:
        for part in options.parts or PARTS:
            asyncio.run(PARTS[part]())


if __name__ == "__main__":
    main()
