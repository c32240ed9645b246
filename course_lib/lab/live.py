"""The dashboard's figures in a notebook, live while a load runs.

with live.view(api):
    load(schedule, users=20, seconds=10)
"""

import contextlib
import html
import threading
from collections.abc import Iterator
from typing import Any

import httpx
from IPython.display import HTML, DisplayHandle, display

from course_lib.lab import show
from course_lib.lab.bench import shown_percentiles
from course_lib.lab.serve import Server
from course_lib.monitor import Histogram

EVERY = 0.5  # seconds between two looks
KEPT = 11  # answers: the figures are those of five seconds
ENDPOINTS = 8  # rows of the table


@contextlib.contextmanager
def view(server: Server) -> Iterator[None]:
    """Show what a server with `monitor=True` says of itself, until the block ends; the last look stays.

    RuntimeError where the server has no monitor.
    """
    first = _ask(server.client)
    handle = display(HTML(_html(first, first)), display_id=True)
    ended = threading.Event()
    # A client of its own: the server's belongs to the thread that runs the block.
    watch = threading.Thread(target=_watch, args=(server.url, first, handle, ended), daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def _watch(url: str, first: dict[str, Any], handle: DisplayHandle, ended: threading.Event) -> None:
    answers = [first]
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as client, contextlib.suppress(httpx.HTTPError):
        last_look = False
        while not last_look:
            last_look = ended.wait(EVERY)
            answers = [*answers[-KEPT + 1 :], _ask(client)]
            handle.update(HTML(_html(first if last_look else answers[0], answers[-1])))


def _ask(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/dashboard/figures")
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise RuntimeError("this server has no monitor: start it with serve.start(..., monitor=True)")
    figures: dict[str, Any] = answer.raise_for_status().json()
    return figures


def _html(older: dict[str, Any], newer: dict[str, Any]) -> str:
    """The figures of the time between two answers, and of each endpoint since the server began."""
    seconds = newer["now"] - older["now"]
    times = _between(older, newer, "requests")
    tiles = {"requests/s": show.number(times.count / seconds) if seconds else "-", **_percentiles(times)}
    tiles |= {name: str(newer["requests"][name] - older["requests"][name]) for name in ("errors", "refused")}
    hits, misses = (newer["counts"].get(name, 0) - older["counts"].get(name, 0) for name in ("cache_hit", "cache_miss"))
    tiles["cache hits"] = f"{hits / (hits + misses):.0%}" if hits + misses else "-"
    tiles["loop lag, P90"] = _percentiles(_between(older, newer, "event_loop_lag"))["P90"]
    total = sum(each["total"] for each in newer["endpoints"]) or 1
    endpoints = [_row(each, total) for each in newer["endpoints"][:ENDPOINTS]]
    head = ["since it began", "requests", "share of time", "mean", "P50", "P90", "P99"]
    return show.table(list(tiles), [list(tiles.values())]) + show.table(head, endpoints)


def _row(endpoint: dict[str, Any], total: float) -> list[str]:
    percentiles = shown_percentiles(endpoint["count"], lambda percent: endpoint[f"p{percent}"])
    name, share = html.escape(endpoint["endpoint"]), f"{endpoint['total'] / total:.0%}"
    return [name, str(endpoint["count"]), share, show.duration(endpoint["mean"]), *percentiles.values()]


def _between(older: dict[str, Any], newer: dict[str, Any], name: str) -> Histogram:
    """What was counted between two answers: mergeable counts can be subtracted as well."""
    histogram = Histogram(newer["relative_error"])
    for figures, times in ((newer, 1), (older, -1)):
        histogram.add_dump([0, 0, 0, figures[name]["first"], figures[name]["counts"]], times)
    histogram.longest = 86_400 * 10**9  # not known of a difference
    return histogram


def _percentiles(times: Histogram) -> dict[str, str]:
    return shown_percentiles(times.count, lambda percent: times.percentiles(percent)[0])
