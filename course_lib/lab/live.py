"""The dashboard's figures in a notebook, live while a load runs.

with live.view(api):
    load(schedule, users=20, seconds=10)
"""

import contextlib
import html
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import httpx
from IPython.display import HTML, DisplayHandle, display

from course_lib.lab import show
from course_lib.lab.bench import shown_percentiles
from course_lib.lab.serve import Server
from course_lib.monitor import Histogram

Figures = dict[str, Any]
"""The monitor's counts up to a time, as `/dashboard/figures` returns it."""

INTERVAL = 0.5  # seconds between two requests for the figures
KEPT = 11  # figures to keep: the table covers the last five seconds
ENDPOINTS = 8  # rows of the table


@contextlib.contextmanager
def view(server: Server) -> Iterator[None]:
    """Show the figures of a server with `monitor=True` until the block ends; the last ones stay.

    Raises RuntimeError if the server has no monitor.
    """
    first = _fetch(server.client)
    handle = display(HTML(_html(first, first)), display_id=True)
    ended = threading.Event()
    arguments = (server.url, first, handle, ended)
    watcher = threading.Thread(target=_watch, args=arguments, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(url: str, first: Figures, handle: DisplayHandle, ended: threading.Event) -> None:
    """Update the display until the block has ended, then show the figures of the whole block."""
    recent = deque([first], maxlen=KEPT)
    # A client of its own: the server's belongs to the thread that runs the block.
    client = httpx.Client(base_url=url, timeout=10, trust_env=False)
    with client, contextlib.suppress(httpx.HTTPError):
        is_last = False
        while not is_last:
            is_last = ended.wait(INTERVAL)
            recent.append(_fetch(client))
            older = first if is_last else recent[0]
            handle.update(HTML(_html(older, recent[-1])))


def _fetch(client: httpx.Client) -> Figures:
    response = client.get("/dashboard/figures")
    if response.status_code == httpx.codes.NOT_FOUND:
        raise RuntimeError(
            "this server has no monitor: start it with serve.start(..., monitor=True)"
        )
    figures: Figures = response.raise_for_status().json()
    return figures


def _html(older: Figures, newer: Figures) -> str:
    """Return a table of what happened between two figures, and one of each endpoint in total."""
    between = _between(older, newer)
    summary = show.table(list(between), [list(between.values())])

    endpoints = newer["endpoints"]
    earlier = {endpoint["endpoint"]: endpoint for endpoint in older["endpoints"]}
    recent = [_recent(earlier, endpoint) for endpoint in endpoints]
    total = sum(endpoint["total"] for endpoint in endpoints) or 1
    recent_total = sum(figures["total"] for figures in recent) or 1
    rows = []
    for endpoint, figures in zip(endpoints[:ENDPOINTS], recent, strict=False):
        rows.append(_row(endpoint, total, figures, recent_total))

    window = f"last {newer['now'] - older['now']:.0f} s"
    head = ["since it began", "requests", window, "share of time", window, "mean", window]
    return summary + show.table([*head, "P50", "P90", "P99"], rows)


def _between(older: Figures, newer: Figures) -> dict[str, str]:
    """Return the first table: requests, errors, cache hits and lag between two figures."""
    seconds = newer["now"] - older["now"]
    requests = _difference(older, newer, "requests")
    rate = show.number(requests.count / seconds) if seconds else "-"
    table = {"requests/s": rate, **_percentiles(requests)}
    before, after = older["requests"], newer["requests"]
    for outcome in ("errors", "rejected"):
        table[outcome] = str(after[outcome] - before[outcome])
    hits = _counted(older, newer, "cache_hit")
    lookups = hits + _counted(older, newer, "cache_miss")
    table["cache hits"] = f"{hits / lookups:.0%}" if lookups else "-"
    table["cache loads"] = str(_counted(older, newer, "cache_load")) if lookups else "-"
    lag = _percentiles(_difference(older, newer, "event_loop_lag"))
    table["loop lag, P90"] = lag["P90"]
    return table


def _counted(older: Figures, newer: Figures, name: str) -> int:
    before: int = older["counts"].get(name, 0)
    after: int = newer["counts"].get(name, 0)
    return after - before


def _recent(earlier: dict[str, Figures], endpoint: Figures) -> Figures:
    """Return an endpoint's requests since its earlier figures, with their total and mean time."""
    before = earlier.get(endpoint["endpoint"], {"count": 0, "total": 0.0})
    count = endpoint["count"] - before["count"]
    total = endpoint["total"] - before["total"]
    figures = {"count": count, "total": total, "mean": "-"}
    if count:
        figures["mean"] = show.duration(total / count)
    return figures


def _row(endpoint: Figures, total: float, recent: Figures, recent_total: float) -> list[str]:
    """Return an endpoint's row; the totals are the time of all endpoints, in seconds."""
    percentiles = shown_percentiles(endpoint["count"], lambda percent: endpoint[f"p{percent}"])
    mean = show.duration(endpoint["mean"])
    durations = [mean, recent["mean"], *percentiles.values()]
    unbroken = [duration.replace(" ", "&nbsp;") for duration in durations]
    return [
        html.escape(endpoint["endpoint"]),
        str(endpoint["count"]),
        str(recent["count"]),
        f"{endpoint['total'] / total:.0%}",
        f"{recent['total'] / recent_total:.0%}",
        *unbroken,
    ]


def _difference(older: Figures, newer: Figures, name: str) -> Histogram:
    """Return what a histogram counted between two figures: counts can be subtracted, too."""
    histogram = Histogram(newer["relative_error"])
    for figures, factor in ((newer, 1), (older, -1)):
        counts = figures[name]
        histogram.add_dump([0, 0, 0, counts["first"], counts["counts"]], factor)
    histogram.longest = 86_400 * 10**9  # unknown for a difference, so as long as a day
    return histogram


def _percentiles(histogram: Histogram) -> dict[str, str]:
    return shown_percentiles(histogram.count, lambda percent: histogram.percentiles(percent)[0])
