"""Measure what monitoring costs: per request, per stored value, and per report.

    python benchmarks/monitor.py [part ...]      # request, store, poll; all parts by default

Run nothing else at the same time. The packages that people would otherwise install are measured
too, if they are installed: `uv pip install -e '.[bench]'`. Each figure that has a limit is printed
beside it.

Every round runs all variants of a part once, in random order. The cost is the median, over all
rounds, of the difference to the bare variant in the same round. The layout of a process's code and
objects in memory shifts that by half a microsecond, which is more than the rounds vary. So requests
are measured in several processes, one after another, and we print the median, minimum and maximum
of these.
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
from tables import Contest

from course_lib.lab.bench import Comparison
from course_lib.monitor import Histogram, PerformanceMiddleware, PerformanceMonitor, figures

ROUNDS = 100
PROCESSES = 5
REQUESTS = 300  # per round and variant, so that the code is in the CPU's caches, as in a server
ROUTES = 30
VALUES = 1_000  # per round and store
STATEMENTS = 20
MICROSECONDS = 1e6  # in a second

EMPTY = "a middleware that does nothing"
OURS = "PerformanceMiddleware"
INSTRUMENTATOR = "prometheus_fastapi_instrumentator"

SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/item/7",
    "root_path": "",
    "query_string": b"",
    "headers": [],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 80),
}


def time_rounds(variants, rounds=ROUNDS):
    """Return the seconds that each variant took in each round."""
    seconds = {name: [] for name in variants}
    order = list(variants)
    rng = random.Random(1)
    for run in variants.values():
        run()
    for _ in range(rounds):
        rng.shuffle(order)
        for name in order:
            start = time.perf_counter()
            variants[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def differences(seconds, bare):
    """Return how much longer each round took than the bare variant's."""
    return [total - base for total, base in zip(seconds, bare, strict=True)]


def interval(values):
    """Return the median, and the bounds of its 95% interval."""
    import numpy as np

    resampled = np.random.default_rng(1).choice(values, size=(1_000, len(values)))
    low, high = np.percentile(np.median(resampled, axis=1), [2.5, 97.5])
    return float(np.median(values)), float(low), float(high)


# --- requests ---------------------------------------------------------------------------------


def create_app(monitored=lambda app: None):
    """Return an app with thirty routes, of which the last one is called."""
    app = FastAPI()
    for number in range(ROUTES - 1):
        app.get(f"/route{number}/{{item}}")(lambda item: item)

    @app.get("/item/{item}")
    async def item(item: int) -> dict[str, int]:
        return {"item": item}

    monitored(app)
    return app


class EmptyMiddleware:
    """A middleware that only calls the app."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        """Call the app."""
        await self.app(scope, receive, send)


def add_empty(app):
    app.add_middleware(EmptyMiddleware)


def add_ours(app):
    app.add_middleware(PerformanceMiddleware, monitor=PerformanceMonitor())


def add_timer(app):
    """Add what most people write."""

    @app.middleware("http")
    async def timer(request: Request, call_next):
        start = time.perf_counter()
        response = await call_next(request)
        response.headers["X-Process-Time"] = str(time.perf_counter() - start)
        return response


def add_instrumentator(app):
    from prometheus_client import CollectorRegistry
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator(registry=CollectorRegistry()).instrument(app)


def add_exporter(app):
    from starlette_exporter import PrometheusMiddleware

    app.add_middleware(PrometheusMiddleware)


def contest(rounds):
    """Compare a request through each middleware with a request to the bare app."""
    samples = {}
    for name, seconds in time_requests(rounds).items():
        if name != EMPTY:
            samples[name] = tuple(total / REQUESTS for total in seconds)
    return Contest("A request", Comparison(samples), {OURS: None})


def microseconds_per_request():
    """Return the microseconds that each middleware adds to a request, in this process."""
    seconds = time_requests()
    medians = {name: median(differences(seconds[name], seconds["bare"])) for name in seconds}
    medians["bare"] = median(seconds["bare"])
    return {name: value / REQUESTS * MICROSECONDS for name, value in medians.items()}


def time_requests(rounds=ROUNDS):
    """Return the seconds of `REQUESTS` requests through each middleware, in each round."""
    apps = {
        "bare": create_app(),
        EMPTY: create_app(add_empty),
        OURS: create_app(add_ours),
        '@app.middleware("http") with a timer': create_app(add_timer),
    }
    packages = {INSTRUMENTATOR: add_instrumentator, "starlette_exporter": add_exporter}
    for name, add_package in packages.items():
        if find_spec(name):
            apps[name] = create_app(add_package)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        assert message.get("status", 200) == 200

    async def send_requests(app):
        for _ in range(REQUESTS):
            await app(dict(SCOPE), receive, send)

    loop = asyncio.new_event_loop()

    def variant(app):
        return lambda: loop.run_until_complete(send_requests(app))

    return time_rounds({name: variant(app) for name, app in apps.items()}, rounds)


def measure_requests():
    command = [sys.executable, __file__, "--one-process"]
    processes = []
    for _ in range(PROCESSES):
        output = subprocess.run(command, check=True, capture_output=True).stdout
        processes.append(json.loads(output))
    bare = median(costs["bare"] for costs in processes)
    print(f"\nA request to the last of {ROUTES} routes, in process: {bare:.1f} us. Added:")
    for name in list(processes[0])[1:]:
        added = [costs[name] for costs in processes]
        spread = f"({min(added):.1f} to {max(added):.1f})"
        limit = "   (limit: 5 us)" if name == OURS else ""
        print(f"  {name:40} {median(added):6.1f} us {spread}{limit}")
    if INSTRUMENTATOR in processes[0]:
        share = median(costs[OURS] / costs[INSTRUMENTATOR] for costs in processes)
        print(f"  ours adds {share:.1%} of what the instrumentator adds   (limit: 10%)")


# --- stores -----------------------------------------------------------------------------------


def installed_stores():
    """Return, for each store, functions that make one, add seconds, and return a percentile."""
    stores = {
        "Histogram": (
            Histogram,
            Histogram.add,
            lambda store, percent: store.percentiles(percent)[0],
        )
    }
    if find_spec("ddsketch"):
        from ddsketch import DDSketch

        stores["ddsketch"] = (
            lambda: DDSketch(0.01),
            DDSketch.add,
            lambda store, percent: store.get_quantile_value(percent / 100),
        )
    if find_spec("hdrh"):
        from hdrh.histogram import HdrHistogram

        stores["hdrhistogram"] = (
            lambda: HdrHistogram(1, 86_400_000_000, 2),  # in microseconds, two digits
            lambda store, seconds: store.record_value(int(seconds * MICROSECONDS)),
            lambda store, percent: store.get_value_at_percentile(percent) / MICROSECONDS,
        )
    if find_spec("prometheus_client"):
        from prometheus_client import Histogram as PrometheusHistogram

        stores["prometheus_client's histogram"] = (
            lambda: PrometheusHistogram("seconds", "of a request", registry=None),
            PrometheusHistogram.observe,
            histogram_quantile,
        )
    return stores


def histogram_quantile(store, percent):
    """Interpolate linearly inside a bucket, like Prometheus' histogram_quantile."""
    samples = store.collect()[0].samples
    buckets = [sample for sample in samples if sample.name.endswith("_bucket")]
    rank = percent / 100 * buckets[-1].value
    below, low = 0.0, 0.0
    for bucket in buckets:
        bound = float(bucket.labels["le"])
        if bucket.value >= rank:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (rank - below) / (bucket.value - below)
        below, low = bucket.value, bound
    raise AssertionError


def fill(store, add, values):
    for value in values:
        add(store, value)


def worst_error(make, add, percentile, distributions):
    """Return the largest relative error of P50, P90 and P99 in all distributions."""
    import numpy as np

    from course_lib.lab import bench

    errors = []
    for values in distributions.values():
        store = make()
        fill(store, add, values.tolist())
        ordered = np.sort(values)
        for percent in (50, 90, 99):
            exact = bench.percentile(ordered, percent)
            errors.append(abs(percentile(store, percent) - exact) / exact)
    return max(errors)


def bytes_of_store(make, add, values):
    tracemalloc.start()
    store = make()
    fill(store, add, values)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size


def measure_stores():
    import numpy as np

    stores = installed_stores()
    rng = np.random.default_rng(1)
    values = rng.lognormal(-4, 1, VALUES).tolist()

    def variant(make, add):
        store = make()
        return lambda: fill(store, add, values)

    variants = {name: variant(make, add) for name, (make, add, _) in stores.items()}
    variants["bare"] = lambda: fill(None, lambda *_: None, values)
    seconds = time_rounds(variants)

    hits_and_misses = np.where(rng.random(1_000_000) < 0.88, 0.004, 0.48)
    distributions = {
        "lognormal": rng.lognormal(-4, 1, 1_000_000),
        "heavy tail": 0.001 * (1 + rng.pareto(1.5, 1_000_000)),
        "hits and misses": hits_and_misses * rng.uniform(0.9, 1.1, 1_000_000),
    }
    print("\nAdding a value to a store; the worst error of P50, P90 and P99 of a million; bytes:")
    for name, (make, add, percentile) in stores.items():
        per_round = differences(seconds[name], seconds["bare"])
        middle, low, high = interval([value / VALUES * MICROSECONDS for value in per_round])
        cost = f"{middle:5.2f} us ({low:.2f} to {high:.2f})"
        error = worst_error(make, add, percentile, distributions)
        limit = "   (limit: 1%)" if name == "Histogram" else ""
        size = bytes_of_store(make, add, values)
        print(f"  {name:32} {cost}   {error:7.2%}{limit}   {size:9,}")


# --- reports ----------------------------------------------------------------------------------


def measure_polls():
    """Print how long a worker's report and the dashboard's figures block its event loop."""
    monitor = PerformanceMonitor()
    rng = random.Random(1)
    for _ in range(200_000):
        monitor.log_request(f"GET /{rng.randrange(ROUTES)}", rng.lognormvariate(-4, 1))
        statement = f"SELECT {rng.randrange(STATEMENTS)}"
        monitor.log_query(statement, rng.lognormvariate(-5, 1), endpoint="GET /")
    variants = {"a report": monitor.dump, "the dashboard's figures": lambda: figures(monitor)}
    print(f"\nWith {ROUTES} endpoints and {STATEMENTS} statements:")
    for name, seconds in time_rounds(variants).items():
        print(f"  {name:32} {median(seconds) * 1e3:.2f} ms")


def main():
    # Don't log a line for each request.
    logging.getLogger("course_lib.monitor.lines").setLevel(logging.CRITICAL)
    parts = {"request": measure_requests, "store": measure_stores, "poll": measure_polls}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="*", choices=[[], *parts], default=[])
    parser.add_argument("--one-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_process:
        print(json.dumps(microseconds_per_request()))
        return
    for part in options.part or parts:
        parts[part]()


if __name__ == "__main__":
    main()
