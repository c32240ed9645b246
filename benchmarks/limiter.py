"""Measure the rate limiter and print each figure beside its bar. Run nothing else at the same time.

    python benchmarks/limiter.py [part ...] [--embedded]

The parts are decisions, middleware and bytes; without one, all run. `--embedded` uses the
Redis server from the workbook's own package instead of the installed one.

Each ratio is of medians, in one interleaved run; its interval comes from resampling the rounds. The
usual packages are measured too if they're installed: `uv pip install -e '.[bench]'`. A package that
can't use our connections opens its own, without time limits. No request is rejected here.
"""

import argparse
import asyncio
from functools import partial
from importlib.util import find_spec

from fastapi import FastAPI, Request
from tables import ROUNDS, Contest, interleaved, print_contest

from course_lib import redis_client
from course_lib.lab import redis_process, redis_server, show
from course_lib.limiter import RateLimiter, RateLimitMiddleware
from course_lib.limiter.scripts import SCRIPTS

LIMIT = "100000/minute"
LONGER_LIMITS = "1000000/hour;10000000/day"
FLOOR = "EVALSHA of `return 1`"
ONE, SEVERAL = "check_rate_limit, one limit", "check_rate_limit, three limits"
CLIENTS = 100_000


# --- one decision ---


async def decisions():
    for algorithm in SCRIPTS:
        print_contest(await decide(algorithm, ROUNDS))


async def contests(rounds):
    """Compare decisions and limited requests with the least that they can cost, and with peers."""
    decided = [await decide(algorithm, rounds) for algorithm in SCRIPTS]
    return [*decided, await requests(rounds)]


async def decide(algorithm, rounds):
    """Compare one decision, under one limit and under three, with the same in other packages."""
    with redis_server.start() as server:
        redis = redis_client.connect(server.url)
        limiter = RateLimiter(redis, algorithm=algorithm)
        script = await redis.script_load("return 1")
        check = limiter.check_rate_limit
        variants = {
            FLOOR: partial(redis.evalsha, script, 0),
            ONE: partial(check, "user-42", "/api/events", LIMIT),
            SEVERAL: partial(check, "user-42", "/api/stats", f"{LIMIT};{LONGER_LIMITS}"),
        }
        variants |= with_limits(server.url, algorithm)
        variants |= with_throttled(server.url, algorithm)
        closing = []
        if algorithm == "sliding_log":
            await add_pyrate_limiter(server.url, variants, closing)
        add_cashews(server.url, algorithm, variants, closing)
        comparison = await interleaved(variants, rounds)
        for close in closing:
            await close()
        await redis.aclose()
    return Contest(algorithm, comparison, {ONE: 1.15, SEVERAL: 1.35})


def with_limits(url, algorithm):
    """Return the same algorithm from `limits`, on connections like ours and on its own."""
    names = {
        "fixed_window": "FixedWindowRateLimiter",
        "sliding_log": "MovingWindowRateLimiter",
        "sliding_window": "SlidingWindowCounterRateLimiter",
    }
    if algorithm not in names or not find_spec("limits"):
        return {}
    from limits import parse
    from limits.aio import strategies
    from limits.aio.storage import RedisStorage

    item = parse(LIMIT)
    strategy = getattr(strategies, names[algorithm])
    pools = {
        "limits, on connections like ours": redis_client.pool(url),
        "limits, on its own": None,
    }
    variants = {}
    for label, pool in pools.items():
        storage = RedisStorage(f"async+redis+{url}", implementation="redispy", connection_pool=pool)
        variants[label] = partial(strategy(storage).hit, item, "user-42")
    return variants


def with_throttled(url, algorithm):
    """Return the same algorithm from throttled-py; for a token bucket also GCRA, its equivalent."""
    names = {
        "fixed_window": {"throttled-py, fixed_window (a bare INCRBY)": "fixed_window"},
        "sliding_window": {"throttled-py, sliding_window": "sliding_window"},
        "token_bucket": {
            "throttled-py, token_bucket": "token_bucket",
            "throttled-py, gcra": "gcra",
        },
    }
    if algorithm not in names or not find_spec("throttled"):
        return {}
    import throttled.asyncio as throttled

    store = throttled.RedisStore(server=url)
    variants = {}
    for label, name in names[algorithm].items():
        throttle = throttled.Throttled(using=name, quota="100000/m burst 100000", store=store)
        variants[label] = partial(throttle.limit, "user-42")
    return variants


async def add_pyrate_limiter(url, variants, closing):
    if not find_spec("pyrate_limiter"):
        return
    import pyrate_limiter

    client = redis_client.connect(url)
    rates = [pyrate_limiter.Rate(100_000, 60_000)]
    bucket = await pyrate_limiter.RedisBucket.init(rates, client, "bucket")
    limiter = pyrate_limiter.Limiter(bucket)
    variants["pyrate-limiter"] = partial(limiter.try_acquire_async, "user-42")
    closing.append(client.aclose)


def add_cashews(url, algorithm, variants, closing):
    if algorithm not in ("fixed_window", "sliding_log") or not find_spec("cashews"):
        return
    from cashews import Cache

    cashews = Cache()
    cashews.setup("redis://", address=url)
    decorate = cashews.rate_limit if algorithm == "fixed_window" else cashews.slice_rate_limit

    async def do_nothing():
        return None

    variants["cashews"] = decorate(100_000, "1m", key="user-42")(do_nothing)
    closing.append(cashews.close)


# --- in front of an API ---


def build_app(limit=None):
    """Return an app with one endpoint, which a decorator may limit."""
    app = FastAPI()

    async def endpoint(request: Request) -> dict[str, str]:
        return {"status": "ok"}

    app.get("/events")(limit(endpoint) if limit else endpoint)
    return app


def requester(app):
    """Return a function that sends one request to the app, without a server or a socket."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/events",
        "raw_path": b"/events",
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.7", 1234),
        "server": ("127.0.0.1", 80),
    }
    statuses = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        if message["type"] == "http.response.start":
            statuses[:] = [message["status"]]

    async def send_request():
        await app(dict(scope), receive, send)
        assert statuses == [200]

    return send_request


async def middleware():
    contest = await requests(ROUNDS)
    print_contest(contest)
    print("\nwhat the limit adds   (bar: the middleware adds less than slowapi's decorator)")
    without_limit = contest.comparison.median(contest.floor)
    for name in contest.comparison.samples:
        added = show.duration(contest.comparison.median(name) - without_limit)
        print(f"  {name:34} {added}")


async def requests(rounds):
    """Compare requests to limited endpoints with one to an endpoint without a limit, in process."""
    with redis_server.start() as server:
        redis = redis_client.connect(server.url)
        limiter = RateLimiter(redis)
        app = build_app()
        app.add_middleware(RateLimitMiddleware, limiter=limiter, limits={"GET /events": LIMIT})
        apps = {
            "no limit": build_app(),
            "RateLimitMiddleware": app,
            "@limiter.limit": build_app(limiter.limit(LIMIT)),
        }
        if find_spec("slowapi"):
            apps["slowapi's decorator"] = limited_by_slowapi(server.url)
        requesters = {name: requester(app) for name, app in apps.items()}
        comparison = await interleaved(requesters, rounds)
        await redis.aclose()
    return Contest("A request", comparison, {"RateLimitMiddleware": None, "@limiter.limit": None})


def limited_by_slowapi(url):
    from slowapi import Limiter

    limiter = Limiter(
        key_func=lambda request: request.client.host,
        storage_uri=f"redis+{url}",
    )
    app = build_app(limiter.limit(LIMIT))
    app.state.limiter = limiter
    return app


# --- memory ---


async def memory():
    print(f"\nalgorithm, requests a client, bytes for each of {CLIENTS:,} clients (index included)")
    for algorithm in SCRIPTS:
        for requests in (1, 10) if algorithm == "sliding_log" else (1,):
            with redis_server.start() as server:
                redis = redis_client.connect(server.url)
                limiter = RateLimiter(redis, algorithm=algorithm)
                await limiter.check_rate_limit("first", "/api/events", "100/hour")
                before = (await redis.info("memory"))["used_memory"]
                for user in range(0, CLIENTS, 500):
                    for _ in range(requests):
                        checks = [
                            limiter.check_rate_limit(user + offset, "/api/events", "100/hour")
                            for offset in range(500)
                        ]
                        assert all(await asyncio.gather(*checks))
                after = (await redis.info("memory"))["used_memory"]
                each = (after - before) / CLIENTS
                print(f"  {algorithm:20} {requests:3}  {each:6.0f}")
                await redis.aclose()


PARTS = {"decisions": decisions, "middleware": middleware, "bytes": memory}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--embedded", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(unknown)}: choose from {', '.join(PARTS)}")
    if options.embedded:
        redis_process.shutil.which = lambda _: None
    for part in options.parts or PARTS:
        asyncio.run(PARTS[part]())


if __name__ == "__main__":
    main()
