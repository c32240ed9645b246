"""What the monitor knows, for people and for Prometheus.

`figures` is what the page `dashboard.html` asks for, again and again; `prometheus` is what Prometheus scrapes:

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(prometheus(await monitor.merged()), media_type=PROMETHEUS)
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from course_lib.monitor.histogram import Histogram
from course_lib.monitor.monitor import PerformanceMonitor

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)  # seconds

FAILURES = ("errors", "refused", "disconnected")


def page() -> str:
    """The dashboard, one file of HTML without anything from elsewhere; it asks for `dashboard/figures` beside it."""
    return (files(__package__) / "dashboard.html").read_text(encoding="utf-8")


def figures(
    monitor: PerformanceMonitor, *, plan: Callable[[str], str | None] = lambda _: None
) -> dict[str, Any]:
    """What the dashboard shows, as JSON can hold it; times are in seconds.

    `requests` and `event_loop_lag` hold buckets: the difference of two answers gives the percentiles of the time
    between them. `plan` says how the database runs a statement, None where that is not known.
    """
    metrics = monitor.get_performance_metrics()
    failures = {name: sum(getattr(each, name) for each in metrics.values()) for name in FAILURES}
    return {
        "now": time.time(),
        "workers": monitor.workers,
        "complete": monitor.complete,
        "slow": monitor.slow,
        "relative_error": monitor.relative_error,
        "requests": {**_buckets(monitor.overall().dump()), **failures},
        "event_loop_lag": _buckets(monitor.dump()["lag"]),
        "endpoints": [{"endpoint": endpoint, **asdict(each)} for endpoint, each in metrics.items()],
        "statements": [
            {**asdict(query), "plan": plan(query.sql)} for query in monitor.get_slow_queries()
        ],
        "counts": monitor.get_counts(),
    }


def _buckets(dump: list[Any]) -> dict[str, Any]:
    return {"first": dump[3], "counts": dump[4]}


def prometheus(monitor: PerformanceMonitor) -> str:
    """All figures in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/).

    Of a histogram's buckets each bound is met within the monitor's relative error.
    """
    return "".join(f"{line}\n" for line in _lines(monitor))


def _lines(monitor: PerformanceMonitor) -> Iterator[str]:
    dump = monitor.dump()
    yield from _about(
        "http_requests_total",
        "counter",
        "Requests, by endpoint and status (499: the client hung up).",
    )
    for endpoint, (*_, statuses) in dump["endpoints"]:
        for status, count in statuses:
            yield f"http_requests_total{_labels(endpoint=endpoint, status=status)} {count}"
    yield from _about(
        "http_request_duration_seconds", "histogram", "Time to the last byte of an answer."
    )
    for endpoint, counted in dump["endpoints"]:
        yield from _histogram(
            "http_request_duration_seconds", {"endpoint": endpoint}, monitor, counted
        )
    yield from _about(
        "db_statement_duration_seconds", "histogram", "Time of a statement to its last row."
    )
    of_endpoints: dict[str, Histogram] = {}
    for (endpoint, _), counted in dump["statements"]:
        of_endpoints.setdefault(endpoint, Histogram(monitor.relative_error)).add_dump(counted[:-1])
    for endpoint, histogram in of_endpoints.items():
        yield from _histogram(
            "db_statement_duration_seconds", {"endpoint": endpoint}, monitor, histogram.dump()
        )
    yield from _about(
        "event_loop_lag_seconds", "histogram", "How late the event loop came to what was due."
    )
    yield from _histogram("event_loop_lag_seconds", {}, monitor, dump["lag"])
    yield from _about("app_counts_total", "counter", "What the app counts by name.")
    for name, count in dump["counts"].items():
        yield f"app_counts_total{_labels(name=name)} {count}"
    yield from _about("app_workers", "gauge", "Processes that are counted.")
    yield f"app_workers {monitor.workers}"


def _about(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _histogram(
    name: str, labels: Mapping[str, str], monitor: PerformanceMonitor, counted: list[Any]
) -> Iterator[str]:
    histogram = Histogram(monitor.relative_error)
    histogram.add_dump(counted[:5])
    for bound in (*BOUNDS, math.inf):
        below = histogram.count if bound == math.inf else histogram.below(bound)
        yield f"{name}_bucket{_labels(**labels, le='+Inf' if bound == math.inf else f'{bound:g}')} {below}"
    yield f"{name}_sum{_labels(**labels)} {histogram.total / 1e9:.9f}"
    yield f"{name}_count{_labels(**labels)} {histogram.count}"


def _labels(**labels: object) -> str:
    quoted = (f'{name}="{_escaped(str(value))}"' for name, value in labels.items())
    return f"{{{','.join(quoted)}}}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
