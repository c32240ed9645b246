"""The figures of the rate limiter, each beside its bar. Run nothing beside it.

    python benchmarks/limiter.py [part ...] [--embedded]    # decisions, middleware, bytes, away; without one all

Each ratio is of medians, in one interleaved run; the interval resamples its rounds. The packages that people would
otherwise install are measured beside ours where they are installed: `uv pip install -e '.[bench]'`. They make their own
connections, without time limits, where they do not take ours. No limit is met here: all decisions admit. `--embedded`
takes the server that the workbook brings along, not the installed one.
"""

import argparse
import asyncio
import contextlib
import logging
import time
from importlib.util import find_spec

from caching import interleaved, tell
from fastapi import FastAPI, Request

from course_lib import redis_client
from course_lib.lab import redis_process, redis_server, show
from course_lib.limiter import RateLimiter, RateLimitMiddleware
from course_lib.limiter.limiter import SCRIPTS

LIMIT = "100000/minute"
CLIENTS = 100_000


# --- one decision -----------------------------------------------------------------------------------------------------


async def decisions():
    for algorithm in SCRIPTS:
        with redis_server.start() as server:
            redis = redis_client.connect(server.url)
            limiter = RateLimiter(redis, algorithm=algorithm)
            one = await redis.script_load("return 1")
            variants = {
                "EVALSHA of `return 1`": lambda redis=redis, one=one: redis.evalsha(one, 0),
                "check_rate_limit": lambda limiter=limiter: limiter.check_rate_limit("user-42", "/api/events", LIMIT),
            }
            closing = await add_peers(server.url, algorithm, variants)
            tell(algorithm, await interleaved(variants), 1.15 if algorithm == "fixed_window" else 1.35)
            for close in closing:
                await close()
            await redis.aclose()


async def add_peers(url, algorithm, variants):
    """Put what is installed of the peers' same algorithm beside ours; how to close them."""
    closing = []
    if find_spec("limits"):
        from limits import parse
        from limits.aio import strategies
        from limits.aio.storage import RedisStorage

        names = {
            "fixed_window": "FixedWindowRateLimiter",
            "sliding_log": "MovingWindowRateLimiter",
            "sliding_window": "SlidingWindowCounterRateLimiter",
        }
        item = parse(LIMIT)
        if algorithm in names:
            for label, pool in (
                ("limits, on connections like ours", redis_client.pool(url)),
                ("limits, on its own", None),
            ):
                storage = RedisStorage(f"async+redis+{url}", implementation="redispy", connection_pool=pool)
                peer = getattr(strategies, names[algorithm])(storage)
                variants[label] = lambda peer=peer: peer.hit(item, "user-42")
    if find_spec("throttled"):
        import throttled.asyncio as throttled

        names = {
            "fixed_window": ["fixed_window"],
            "sliding_window": ["sliding_window"],
            "token_bucket": ["token_bucket", "gcra"],
        }
        store = throttled.RedisStore(server=url)
        for name in names.get(algorithm, []):
            throttle = throttled.Throttled(using=name, quota="100000/m burst 100000", store=store)
            label = f"throttled-py, {name}" + (" (a bare INCRBY)" if name == "fixed_window" else "")
            variants[label] = lambda throttle=throttle: throttle.limit("user-42")
    if find_spec("pyrate_limiter") and algorithm == "sliding_log":
        import pyrate_limiter

        client = redis_client.connect(url)
        bucket = await pyrate_limiter.RedisBucket.init([pyrate_limiter.Rate(100_000, 60_000)], client, "bucket")
        pyrate = pyrate_limiter.Limiter(bucket)
        variants["pyrate-limiter"] = lambda: pyrate.try_acquire_async("user-42")
        closing.append(client.aclose)
    if find_spec("cashews") and algorithm in ("fixed_window", "sliding_log"):
        from cashews import Cache

        cashews = Cache()
        cashews.setup("redis://", address=url)
        decorate = cashews.rate_limit if algorithm == "fixed_window" else cashews.slice_rate_limit
        variants["cashews"] = decorate(100_000, "1m", key="user-42")(nothing)
        closing.append(cashews.close)
    return closing


async def nothing():
    return None


# --- before an API ----------------------------------------------------------------------------------------------------


def an_app(limit=None, **options):
    """An app of one endpoint, which a decorator may limit."""
    app = FastAPI(**options)

    async def endpoint(request: Request) -> dict[str, str]:
        return {"status": "ok"}

    app.get("/events")(limit(endpoint) if limit else endpoint)
    return app


def asking(app):
    """One request, without a server around it."""
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"},
        **{"path": "/events", "raw_path": b"/events", "root_path": "", "query_string": b"", "headers": []},
        **{"client": ("192.0.2.7", 1234), "server": ("127.0.0.1", 80)},
    }
    statuses = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        if message["type"] == "http.response.start":
            statuses[:] = [message["status"]]

    async def ask():
        await app(dict(scope), receive, send)
        assert statuses == [200]

    return ask


async def middleware():
    with redis_server.start() as server:
        redis = redis_client.connect(server.url)
        limiter = RateLimiter(redis)
        before = an_app()
        before.add_middleware(RateLimitMiddleware, limiter=limiter, limits={"GET /events": LIMIT})
        apps = {
            "no limit": an_app(),
            "RateLimitMiddleware": before,
            "@limiter.limit": an_app(limiter.limit(LIMIT)),
        }
        if find_spec("slowapi"):
            from slowapi import Limiter

            slow = Limiter(key_func=lambda request: request.client.host, storage_uri=f"redis+{server.url}")
            apps["slowapi's decorator"] = an_app(slow.limit(LIMIT))
            apps["slowapi's decorator"].state.limiter = slow
        comparison = await interleaved({name: asking(app) for name, app in apps.items()})
        print("\na request, without a server around it, and what the limit adds")
        plain = comparison.median("no limit")
        for name in apps:
            taken = comparison.median(name)
            print(f"  {name:34} {show.duration(taken):>8}  {show.duration(taken - plain)}")
        print("  (bar: the middleware adds less than slowapi's decorator)")
        await redis.aclose()


# --- memory -----------------------------------------------------------------------------------------------------------


async def memory():
    print(f"\nbytes for each of {CLIENTS:,} clients after so many requests, the index of get_rate_limit_info included")
    for algorithm in SCRIPTS:
        for requests in (1, 10) if algorithm == "sliding_log" else (1,):
            with redis_server.start() as server:
                redis = redis_client.connect(server.url)
                limiter = RateLimiter(redis, algorithm=algorithm)
                await limiter.check_rate_limit("first", "/api/events", "100/hour")
                before = (await redis.info("memory"))["used_memory"]
                for user in range(0, CLIENTS, 500):
                    for _ in range(requests):
                        asked = [limiter.check_rate_limit(user + i, "/api/events", "100/hour") for i in range(500)]
                        assert all(await asyncio.gather(*asked))
                after = (await redis.info("memory"))["used_memory"]
                print(f"  {algorithm:20} {requests:3}  {(after - before) / CLIENTS:6.0f}")
                await redis.aclose()


# --- Redis away -------------------------------------------------------------------------------------------------------


async def away():
    logging.disable()
    for how in ("kill", "pause"):
        with redis_server.start() as server:
            redis = redis_client.connect(server.url)
            limiter = RateLimiter(redis)
            await limiter.check_rate_limit("user-42", "/api/events", LIMIT)
            getattr(server, how)()
            taken = []
            for _ in range(20):
                began = time.perf_counter()
                await limiter.check_rate_limit("user-42", "/api/events", LIMIT)
                taken.append(time.perf_counter() - began)
            before, after = show.duration(max(taken[:3])), show.duration(max(taken[3:]))
            print(f"\nRedis after a {how}: the slowest decision until the breaker opens {before}   (bar: 100 ms)")
            print(f"  the slowest while it is open {after}   (bar: 1 ms)")
            with contextlib.suppress(RuntimeError):
                server.resume()
            await redis.aclose()


PARTS = {"decisions": decisions, "middleware": middleware, "bytes": memory, "away": away}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--embedded", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}")
    if options.embedded:
        redis_process.shutil.which = lambda _: None
    for part in options.parts or PARTS:
        asyncio.run(PARTS[part]())


if __name__ == "__main__":
    main()
