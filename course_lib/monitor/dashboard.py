"""Show a monitor's figures to people and to Prometheus.

`page` is the dashboard, and `figures` is the JSON that it fetches once a second. `prometheus` is
what Prometheus scrapes:

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(prometheus(await monitor.merged()), media_type=PROMETHEUS)
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from course_lib.monitor.histogram import NANOSECONDS, Histogram
from course_lib.monitor.monitor import PerformanceMonitor
from course_lib.monitor.siblings import count_siblings

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of Prometheus' text format."""

BOUNDS = (  # of Prometheus' buckets, in seconds
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)

SCRIPTS = ("chart.js", "tables.js", "dashboard.js")
PLACE = "/* the scripts */"  # where they go in dashboard.html

FAILURES = ("errors", "rejected", "disconnected")


def _checked(monitor: PerformanceMonitor) -> PerformanceMonitor:
    """Return a monitor. Raises TypeError for anything else, such as `merged()` without await."""
    if not isinstance(monitor, PerformanceMonitor):
        raise TypeError(f"monitor is {monitor!r}: pass one, for example await monitor.merged()")
    return monitor


def _uncounted_workers(monitor: PerformanceMonitor) -> int:
    """Return how many processes of this server aren't counted: all others if it isn't merged."""
    known = monitor.uncounted_workers
    return count_siblings() if known is None else known


# --- for people -------------------------------------------------------------------------------


def page() -> str:
    """Return the dashboard, an HTML page that loads nothing but `dashboard/figures` beside it."""
    scripts = "\n".join([_read(name) for name in SCRIPTS])
    return _read("dashboard.html").replace(PLACE, scripts)


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def figures(
    monitor: PerformanceMonitor, *, plan: Callable[[str], str | None] = lambda _: None
) -> dict[str, Any]:
    """Return what the dashboard shows, in a form that JSON can hold. Times are in seconds.

    `requests` and `event_loop_lag` hold buckets. Subtract those of one reply from those of a later
    one to get the percentiles of the time between them. `plan` returns the database's plan for a
    statement, or None if it's unknown.
    """
    metrics = _checked(monitor).get_performance_metrics()
    dump = monitor.dump()
    requests = _buckets(monitor.overall().dump())
    for name in FAILURES:
        requests[name] = sum(getattr(endpoint, name) for endpoint in metrics.values())
    endpoints = [{"endpoint": name, **asdict(endpoint)} for name, endpoint in metrics.items()]
    queries = monitor.get_slow_queries()
    statements = [{**asdict(query), "plan": plan(query.sql)} for query in queries]
    return {
        "now": time.time(),
        "workers": monitor.workers,
        "uncounted_workers": _uncounted_workers(monitor),
        "complete": monitor.complete,
        "slow": monitor.slow,
        "relative_error": monitor.relative_error,
        "requests": requests,
        "event_loop_lag": _buckets(dump["lag"]),
        "endpoints": endpoints,
        "statements": statements,
        "counts": dump["counts"],
        "gauges": dump["gauges"],
    }


def _buckets(dump: list[Any]) -> dict[str, Any]:
    _total, _longest, _clamped, first, counts, *_ = dump
    return {"first": first, "counts": counts}


# --- for Prometheus ---------------------------------------------------------------------------


def prometheus(monitor: PerformanceMonitor) -> str:
    """Return all figures in Prometheus' text format.

    Bucket bounds are accurate to within the monitor's relative error. Format:
    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    return "".join(f"{line}\n" for line in _metric_lines(_checked(monitor)))


def _metric_lines(monitor: PerformanceMonitor) -> Iterator[str]:
    dump = monitor.dump()
    error = monitor.relative_error

    name = "http_requests_total"
    yield from _header(
        name, "counter", "Requests, by endpoint and status (499: the client disconnected)."
    )
    for endpoint, (*_, statuses) in dump["endpoints"]:
        for status, count in statuses:
            yield f"{name}{_labels(endpoint=endpoint, status=status)} {count}"

    name = "http_request_duration_seconds"
    yield from _header(name, "histogram", "Time to the last byte of a response.")
    for endpoint, entry in dump["endpoints"]:
        yield from _histogram_lines(name, _loaded(error, entry), endpoint=endpoint)

    first_bytes, sizes = {}, {}
    for endpoint, (_, _, _, _, counts, nanoseconds, size, _) in dump["endpoints"]:
        first_bytes[endpoint] = (nanoseconds / NANOSECONDS, sum(counts))
        sizes[endpoint] = (size, sum(counts))
    name = "http_response_start_seconds"
    yield from _header(name, "summary", "Time until the response started.")
    yield from _summary_lines(name, first_bytes)
    name = "http_response_size_bytes"
    yield from _header(name, "summary", "Size of the response's body.")
    yield from _summary_lines(name, sizes)

    name = "db_statement_duration_seconds"
    yield from _header(name, "histogram", "Time to the last row of a statement.")
    by_endpoint: dict[str, Histogram] = {}
    for (endpoint, _sql), (*durations, _first_bytes, _size, _statuses) in dump["statements"]:
        histogram = by_endpoint.setdefault(endpoint, Histogram(error))
        histogram.add_dump(durations)
    for endpoint, histogram in by_endpoint.items():
        yield from _histogram_lines(name, histogram, endpoint=endpoint)

    name = "event_loop_lag_seconds"
    yield from _header(name, "histogram", "How late the event loop runs what is due.")
    yield from _histogram_lines(name, _loaded(error, dump["lag"]))

    name = "app_counts_total"
    yield from _header(name, "counter", "Events that the app counts by name.")
    for counted_name, count in dump["counts"].items():
        yield f"{name}{_labels(name=counted_name)} {count}"

    gauges = dump["gauges"]
    for name, text, value in (
        ("http_requests_in_progress", "Requests that are being served.", gauges["in_progress"]),
        ("websockets_open", "Open WebSockets.", gauges["open_websockets"]),
        ("app_workers", "Processes; one that ended counts for 10 s more.", monitor.workers),
        (
            "app_workers_uncounted",
            "Processes whose requests are missing here, because they share no Redis.",
            _uncounted_workers(monitor),
        ),
    ):
        yield from _header(name, "gauge", text)
        yield f"{name} {value}"


def _header(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _loaded(relative_error: float, entry_dump: list[Any]) -> Histogram:
    """Return the histogram in an entry's dump, without its statuses."""
    *durations, _first_bytes, _size, _statuses = entry_dump
    histogram = Histogram(relative_error)
    histogram.add_dump(durations)
    return histogram


def _histogram_lines(name: str, histogram: Histogram, **labels: str) -> Iterator[str]:
    for bound in BOUNDS:
        yield f"{name}_bucket{_labels(**labels, le=f'{bound:g}')} {histogram.below(bound)}"
    yield f"{name}_bucket{_labels(**labels, le='+Inf')} {histogram.count}"
    own_labels = _labels(**labels)
    yield f"{name}_sum{own_labels} {histogram.total / NANOSECONDS:.9f}"
    yield f"{name}_count{own_labels} {histogram.count}"


def _summary_lines(name: str, sums: dict[str, tuple[float, int]]) -> Iterator[str]:
    """Yield a sum and a count for each endpoint."""
    for endpoint, (total, count) in sums.items():
        labels = _labels(endpoint=endpoint)
        yield f"{name}_sum{labels} {total}"
        yield f"{name}_count{labels} {count}"


def _labels(**labels: object) -> str:
    pairs = [f'{name}="{_escape(str(value))}"' for name, value in labels.items()]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
