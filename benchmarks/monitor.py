"""What monitoring costs a request, and a percentile store a value, each beside its bar. Run nothing beside it.

    python benchmarks/monitor.py [part ...]      # parts: request store poll; all without one

The packages that people would otherwise install are measured beside ours where they are installed:
`uv pip install -e '.[bench]'`. All variants of a part take turns, in an order drawn anew for each round; what is added
is the median over the rounds of the difference to the bare variant of the same round. Where a process happens to put
its code and its objects in memory moves that by half a microsecond, more than the rounds scatter: so requests are
measured in several processes, one after the other, and the median of these is shown, with the least and the most.
"""

import argparse
import asyncio
import json
import logging
import math
import random
import subprocess
import sys
import time
import tracemalloc
from importlib.util import find_spec
from statistics import median

from fastapi import FastAPI, Request

from course_lib.monitor import Histogram, PerformanceMiddleware, PerformanceMonitor, figures

ROUNDS = 100
PROCESSES = 5
REQUESTS = 300  # in a round, for each variant: a server has its code in the caches, too
ROUTES = 30
VALUES = 1_000  # in a round, for each store
OURS, INSTRUMENTATOR = "PerformanceMiddleware", "prometheus_fastapi_instrumentator"


def rounds_of(variants, number=ROUNDS):
    """Seconds of each variant in each round."""
    taken, order, chance = {name: [] for name in variants}, list(variants), random.Random(1)
    for run in variants.values():
        run()
    for _ in range(number):
        chance.shuffle(order)
        for name in order:
            began = time.perf_counter()
            variants[name]()
            taken[name].append(time.perf_counter() - began)
    return taken


def added(seconds, bare):
    """What each round took longer than the bare variant's."""
    return [one - other for one, other in zip(seconds, bare, strict=True)]


def interval(values):
    """The median, and the bounds of its 95% interval."""
    import numpy as np

    resampled = np.random.default_rng(1).choice(values, size=(1_000, len(values)))
    low, high = np.percentile(np.median(resampled, axis=1), [2.5, 97.5])
    return float(np.median(values)), float(low), float(high)


def app_of_thirty_routes(monitored=lambda app: None):
    """The last of the routes is the one that is called."""
    app = FastAPI()
    for number in range(ROUTES - 1):
        app.get(f"/route{number}/{{item}}")(lambda item: item)

    @app.get("/item/{item}")
    async def item(item: int) -> dict[str, int]:
        return {"item": item}

    monitored(app)
    return app


class Nothing:
    """A middleware that hands on, and no more."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        """Hand a request on."""
        await self.app(scope, receive, send)


def bare_timer(app):
    """What most people write."""

    @app.middleware("http")
    async def timer(request: Request, call_next):
        began = time.perf_counter()
        response = await call_next(request)
        response.headers["X-Process-Time"] = str(time.perf_counter() - began)
        return response


def instrumentator(app):
    from prometheus_client import CollectorRegistry
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator(registry=CollectorRegistry()).instrument(app)


def exporter(app):
    from starlette_exporter import PrometheusMiddleware

    app.add_middleware(PrometheusMiddleware)


def added_to_a_request():
    """Microseconds that each middleware adds, in this process."""
    apps = {
        "bare": app_of_thirty_routes(),
        "a middleware that does nothing": app_of_thirty_routes(
            lambda app: app.add_middleware(Nothing)
        ),
        OURS: app_of_thirty_routes(
            lambda app: app.add_middleware(PerformanceMiddleware, monitor=PerformanceMonitor())
        ),
        '@app.middleware("http") with a timer': app_of_thirty_routes(bare_timer),
    }
    peers = {INSTRUMENTATOR: instrumentator, "starlette_exporter": exporter}
    apps |= {name: app_of_thirty_routes(peer) for name, peer in peers.items() if find_spec(name)}
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/item/7",
        "root_path": "",
        "query_string": b"",
        "headers": [],
    }
    scope |= {
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
    }
    scope |= {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        assert message.get("status", 200) == 200

    async def requests(app):
        for _ in range(REQUESTS):
            await app(dict(scope), receive, send)

    loop = asyncio.new_event_loop()
    taken = rounds_of(
        {name: lambda app=app: loop.run_until_complete(requests(app)) for name, app in apps.items()}
    )
    each = {name: median(added(seconds, taken["bare"])) for name, seconds in taken.items()}
    each["bare"] = median(taken["bare"])
    return {name: seconds / REQUESTS * 1e6 for name, seconds in each.items()}


def of_requests():
    command = [sys.executable, __file__, "--one-process"]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        for _ in range(PROCESSES)
    ]
    bare = median(run["bare"] for run in runs)
    print(f"\nA request to the last of {ROUTES} routes, in process: {bare:.1f} us. Added:")
    for name in list(runs[0])[1:]:
        found = [run[name] for run in runs]
        bar = "   (bar: 5 us)" if name == OURS else ""
        print(f"  {name:40} {median(found):6.1f} us ({min(found):.1f} to {max(found):.1f}){bar}")
    if INSTRUMENTATOR in runs[0]:
        share = median(run[OURS] / run[INSTRUMENTATOR] for run in runs)
        print(f"  of what the instrumentator adds, ours is {share:.1%}   (bar: 10%)")


def stores():
    """Of each store: make one, add a value to it, ask it for a percentile in seconds."""
    found = {
        "Histogram": (
            Histogram,
            Histogram.add,
            lambda store, percent: store.percentiles(percent)[0],
        )
    }
    if find_spec("ddsketch"):
        from ddsketch import DDSketch

        found["ddsketch"] = (
            lambda: DDSketch(0.01),
            DDSketch.add,
            lambda store, percent: store.get_quantile_value(percent / 100),
        )
    if find_spec("hdrh"):
        from hdrh.histogram import HdrHistogram

        found["hdrhistogram"] = (
            lambda: HdrHistogram(1, 86_400_000_000, 2),  # in microseconds, two digits
            lambda store, seconds: store.record_value(int(seconds * 1e6)),
            lambda store, percent: store.get_value_at_percentile(percent) / 1e6,
        )
    if find_spec("prometheus_client"):
        from prometheus_client import Histogram as Buckets

        found["prometheus_client's histogram"] = (
            lambda: Buckets("seconds", "of a request", registry=None),
            Buckets.observe,
            by_buckets,
        )
    return found


def by_buckets(store, percent):
    """As Prometheus' histogram_quantile: straight lines inside a bucket."""
    samples = [sample for sample in store.collect()[0].samples if sample.name.endswith("_bucket")]
    rank, below, low = percent / 100 * samples[-1].value, 0.0, 0.0
    for sample in samples:
        bound = float(sample.labels["le"])
        if sample.value >= rank:
            return (
                low
                if math.isinf(bound)
                else low + (bound - low) * (rank - below) / (sample.value - below)
            )
        below, low = sample.value, bound
    raise AssertionError


def of_stores():
    import numpy as np

    from course_lib.lab import bench

    chance = np.random.default_rng(1)
    values = chance.lognormal(-4, 1, VALUES).tolist()
    made = {name: (make(), add) for name, (make, add, _) in stores().items()}

    def fill(store, add):
        for value in values:
            add(store, value)

    variants = {
        name: lambda store=store, add=add: fill(store, add) for name, (store, add) in made.items()
    }
    taken = rounds_of({"an empty call": lambda: fill(None, lambda *_: None), **variants})
    distributions = {
        "lognormal": chance.lognormal(-4, 1, 1_000_000),
        "heavy tail": 0.001 * (1 + chance.pareto(1.5, 1_000_000)),
        "hits and misses": np.where(chance.random(1_000_000) < 0.88, 0.004, 0.48)
        * chance.uniform(0.9, 1.1, 10**6),
    }
    print("\nA value added to a store; the worst error of P50, P90 and P99 of a million; bytes:")
    for name, (make, add, percentile) in stores().items():
        microseconds = [
            seconds / VALUES * 1e6 for seconds in added(taken[name], taken["an empty call"])
        ]
        worst = 0.0
        for sample in distributions.values():
            store, ordered = make(), np.sort(sample)
            for value in sample.tolist():
                add(store, value)
            for percent in (50, 90, 99):
                exact = bench.percentile(ordered, percent)
                worst = max(worst, abs(percentile(store, percent) - exact) / exact)
        tracemalloc.start()
        store = make()
        for value in values:
            add(store, value)
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        bar = "   (bar: 1%)" if name == "Histogram" else ""
        middle, low, high = interval(microseconds)
        print(
            f"  {name:32} {middle:5.2f} us ({low:.2f} to {high:.2f})   {worst:7.2%}{bar}   {size:9,}"
        )


def of_polls():
    """What a worker's report and a look at the dashboard cost its event loop."""
    worker, chance = PerformanceMonitor(), random.Random(1)
    for _ in range(200_000):
        worker.log_request(f"GET /{chance.randrange(ROUTES)}", chance.lognormvariate(-4, 1))
        worker.log_query(
            f"SELECT {chance.randrange(20)}", chance.lognormvariate(-5, 1), endpoint="GET /"
        )
    taken = rounds_of(
        {"a report": worker.dump, "the dashboard's figures": lambda: figures(worker)}, 100
    )
    print(f"\nWith {ROUTES} endpoints and 20 statements:")
    for name, seconds in taken.items():
        print(f"  {name:32} {median(seconds) * 1e3:.2f} ms")


def main():
    logging.getLogger("course_lib.monitor.lines").setLevel(
        logging.CRITICAL
    )  # no line for each request
    parts = {"request": of_requests, "store": of_stores, "poll": of_polls}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="*", choices=[[], *parts], default=[])
    parser.add_argument("--one-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_process:
        print(json.dumps(added_to_a_request()))
        return
    for part in options.part or parts:
        parts[part]()


if __name__ == "__main__":
    main()
