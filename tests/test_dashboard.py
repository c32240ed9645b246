"""The monitor's figures in Prometheus' own parser, in a real browser, and in a notebook."""

import asyncio
import json
import os
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import ConsoleMessage, Page, Route, expect
from prometheus_client.parser import text_string_to_metric_families

from course_lib.api import create_app
from course_lib.lab import live, redis_server, serve
from course_lib.lab.load_generator import Route as Sent
from course_lib.lab.load_generator import Schedule, load
from course_lib.monitor import PerformanceMonitor, figures, page, prometheus

INDEX = "CREATE INDEX of_users ON events(user_id, created_at)"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE events(id INTEGER PRIMARY KEY,"
            " user_id INTEGER NOT NULL, type TEXT NOT NULL,"
            " status INTEGER NOT NULL, duration_ms INTEGER NOT NULL, title TEXT NOT NULL,"
            " starts_at INTEGER NOT NULL, created_at INTEGER NOT NULL, payload TEXT NOT NULL)"
        )
        connection.executemany(
            "INSERT INTO events VALUES (NULL, ?, 'view', 200, 5, 'Daily Standup', 900, ?, '{}')",
            [(user % 20 + 1, 1_704_067_200 + user) for user in range(2_000)],
        )
    return path


@pytest.fixture
def server(db: Path) -> Iterator[serve.Server]:
    with serve.here(create_app(db, monitor=True)) as server:
        yield server


def fetch_figures(server: serve.Server) -> dict[str, Any]:
    return server.get("/dashboard/figures").json()


def counts_by_endpoint(server: serve.Server) -> dict[str, int]:
    endpoints = fetch_figures(server)["endpoints"]
    return {endpoint["endpoint"]: endpoint["count"] for endpoint in endpoints}


def ten_seconds_later(clock: Callable[[], float]) -> Callable[[], float]:
    """Return a clock that's ten seconds ahead, but not in an event loop: its timers would hang."""

    def later() -> float:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return clock() + 10
        return clock()

    return later


# --- the API ----------------------------------------------------------------------------------


def test_statements_are_shown_with_their_endpoint_and_their_current_plan(
    server: serve.Server, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.get("/api/stats", user_id=7)
    server.get("/api/events", user_id=7)
    server.client.post("/api/events", json={"type": "view", "title": "x"})
    statements = {
        (statement["endpoint"], statement["sql"].split()[0]): statement
        for statement in fetch_figures(server)["statements"]
    }
    assert {*statements} == {
        ("GET /api/stats", "SELECT"),
        ("GET /api/events", "SELECT"),
        ("POST /api/events", "INSERT"),
    }
    newest_events = statements["GET /api/events", "SELECT"]
    assert "user_id = ?" in newest_events["sql"]
    assert "SCAN events" in newest_events["plan"]
    assert statements["POST /api/events", "INSERT"]["plan"] is None
    with closing(sqlite3.connect(db)) as connection:
        connection.execute(INDEX)
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", ten_seconds_later(time.monotonic))
        later = fetch_figures(server)["statements"]
    plans = {statement["sql"]: statement["plan"] for statement in later}
    assert "USING INDEX of_users" in plans[newest_events["sql"]]


def test_endpoints_differ_by_method_and_the_pages_of_the_monitor_are_not_counted(
    server: serve.Server,
) -> None:
    for path in ("/health", "/api/events", "/nowhere/1", "/nowhere/2", "/metrics", "/dashboard"):
        server.get(path)
    server.client.post("/api/events", json={"type": "view", "title": "x"})
    assert counts_by_endpoint(server) == {
        "GET /health": 1,
        "GET /api/events": 1,
        "POST /api/events": 1,
        "(unknown path)": 2,
    }


def test_cache_hits_and_misses_are_counted_for_both_parts_of_the_stats(
    db: Path, any_server: redis_server.RedisServer, tmp_path: Path
) -> None:
    own = tmp_path / "own.db"
    shutil.copyfile(db, own)
    app = create_app(
        own,
        redis_url=any_server.url,
        cache=True,
        monitor=True,
        namespace=f"api-{time.monotonic_ns()}",
    )
    with serve.here(app) as server:
        for user in (7, 7, 8):
            server.get("/api/stats", user_id=user)
        counts = {"cache_miss": 3, "cache_load": 3, "cache_hit": 3}
        assert fetch_figures(server)["counts"] == counts


def test_without_a_monitor_its_pages_do_not_exist(db: Path) -> None:
    with serve.here(create_app(db)) as server:
        assert {
            server.get(path).status_code
            for path in ("/metrics", "/dashboard", "/dashboard/figures")
        } == {404}
        assert "X-Request-ID" not in server.get("/health").headers
        with pytest.raises(
            RuntimeError, match=r"start it with serve\.start\(\.\.\., monitor=True\)"
        ):
            with live.view(server):
                pass


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/metrics", "/dashboard/figures"])
async def test_the_pages_of_the_monitor_do_not_wait_for_a_busy_api(db: Path, path: str) -> None:
    app, release = create_app(db, monitor=True), threading.Event()
    app.get("/query")(lambda: release.wait(30))  # a slow query, in one of the API's threads
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        queries = [asyncio.ensure_future(client.get("/query")) for _ in range(50)]
        await asyncio.sleep(0.1)  # until they have all threads
        response = await client.get(path)
        assert (response.status_code, sum(map(asyncio.Future.done, queries))) == (200, 0)
        release.set()
        await asyncio.gather(*queries)


def test_while_redis_is_unavailable_the_service_responds_and_its_pages_are_marked_incomplete(
    db: Path, server_to_break: redis_server.RedisServer
) -> None:
    with serve.here(create_app(db, redis_url=server_to_break.url, monitor=True)) as server:
        assert server.get("/health").status_code == 200
        assert fetch_figures(server)["complete"]
        server_to_break.kill()
        assert server.get("/health").status_code == 200
        assert not fetch_figures(server)["complete"]
        assert counts_by_endpoint(server) == {"GET /health": 2}
        assert server.get("/metrics").status_code == 503


# --- Prometheus -------------------------------------------------------------------------------


def test_prometheus_own_parser_reads_all_figures(server: serve.Server) -> None:
    for path in ("/health", "/health", "/api/stats", "/nowhere"):
        server.get(path)
    response = server.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert {name: family.type for name, family in families.items()} == {
        "http_requests": "counter",
        "http_request_duration_seconds": "histogram",
        "db_statement_duration_seconds": "histogram",
        "event_loop_lag_seconds": "histogram",
        "app_counts": "counter",
        "app_workers": "gauge",
        "app_workers_uncounted": "gauge",
        "http_requests_in_progress": "gauge",
        "http_response_size_bytes": "summary",
        "http_response_start_seconds": "summary",
        "websockets_open": "gauge",
    }
    requests = {
        (sample.labels["endpoint"], sample.labels["status"]): sample.value
        for sample in families["http_requests"].samples
    }
    assert requests == {
        ("GET /health", "200"): 2,
        ("GET /api/stats", "200"): 1,
        ("(unknown path)", "404"): 1,
    }
    statements = families["db_statement_duration_seconds"].samples
    assert [sample.value for sample in statements if sample.name.endswith("_count")] == [4]


def samples_of(monitor: PerformanceMonitor) -> list[Any]:
    families = text_string_to_metric_families(prometheus(monitor))
    return [sample for family in families for sample in family.samples]


def test_buckets_count_the_durations_up_to_their_bound_and_end_with_the_total() -> None:
    monitor = PerformanceMonitor()
    durations = [0.0001, 0.02, 0.02, 0.3, 7.0, 300.0]
    for duration in durations:
        monitor.log_request("GET /a", duration)
    name = "http_request_duration_seconds"
    buckets = [sample for sample in samples_of(monitor) if sample.name == f"{name}_bucket"]
    for bucket in buckets:
        assert bucket.value == sum(duration <= float(bucket.labels["le"]) for duration in durations)
    assert buckets[-1].labels["le"] == "+Inf"
    sums = [sample.value for sample in samples_of(monitor) if sample.name == f"{name}_sum"]
    assert sums == [pytest.approx(sum(durations))]


def test_names_with_quotes_backslashes_and_newlines_are_escaped() -> None:
    monitor, name = PerformanceMonitor(), 'GET /"a"\\n\n{b}'
    monitor.log_request(name, 0.1)
    monitor.count(name)
    names = set()
    for sample in samples_of(monitor):
        names |= {sample.labels[label] for label in ("endpoint", "name") if label in sample.labels}
    assert names == {name}


# --- the page ---------------------------------------------------------------------------------


def test_the_page_loads_nothing_from_other_sites() -> None:
    assert not re.findall(r'(?:src|href)="(?!data:)', page())
    assert [*re.findall(r"https?://[\w./]+", page())] == ["http://www.w3.org/2000/svg"]


def test_the_figures_of_an_empty_monitor_are_valid_json() -> None:
    empty = json.loads(json.dumps(figures(PerformanceMonitor())))
    assert (empty["requests"]["counts"], empty["endpoints"], empty["statements"]) == ([], [], [])


@pytest.fixture
def under_load(server: serve.Server) -> Iterator[serve.Server]:
    """A service with traffic of several kinds until the test ends."""
    users = list(range(1, 21))
    routes = [
        Sent("/api/events?user_id={}", users, 6),
        Sent("/api/stats?user_id={}", users, 2),
        Sent("/nowhere/{}", users, 1),
        Sent("/api/events?limit={}", ["no number"], 1),
    ]
    ended = threading.Event()

    def send() -> None:
        while not ended.is_set():
            load(Schedule(server.url, routes), users=4, seconds=2)

    sending = threading.Thread(target=send)
    sending.start()
    yield server
    ended.set()
    sending.join()


@pytest.mark.measures
def test_the_page_is_live_under_load_in_both_themes_and_by_keyboard(
    chromium: Any,
    under_load: serve.Server,
    work: Path,
) -> None:
    folder = Path(os.environ.get("SCREENSHOTS", work))
    folder.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        with closing(
            chromium.new_page(viewport={"width": 1200, "height": 1100}, color_scheme=theme)
        ) as tab:
            look_at(tab, under_load, theme)
            tab.screenshot(path=folder / f"dashboard_{theme}.png", full_page=True)
            use_the_keyboard(tab)
    with closing(chromium.new_page(viewport={"width": 1024, "height": 768})) as tab:
        tab.goto(f"{under_load.url}/dashboard")
        expect(tab.locator("#endpoints tr", has_text="GET /api/events")).to_be_visible()
        sections = "[...document.querySelectorAll('section')]"
        cut_off = "section => section.scrollWidth > section.clientWidth"
        assert tab.evaluate(f"{sections}.filter({cut_off}).length") == 0
        tab.set_viewport_size({"width": 400, "height": 800})
        expect(tile(tab, "requests/s")).not_to_have_text("0")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tab.screenshot(path=folder / "dashboard_narrow.png", full_page=True)


def tile(tab: Page, name: str) -> Any:
    return tab.locator("#tiles div", has=tab.get_by_text(name, exact=True)).locator("dd")


def look_at(tab: Page, server: serve.Server, theme: str) -> None:
    """Check for figures that move, no errors in the console, and no requests to other sites."""
    problems: list[str] = []

    def note_errors(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(message.text)

    tab.on("console", note_errors)
    tab.on("pageerror", lambda error: problems.append(str(error)))

    def note_other_sites(route: Route) -> None:
        if not route.request.url.startswith(server.url):
            problems.append(route.request.url)
        route.continue_()

    tab.route("**/*", note_other_sites)
    tab.goto(f"{server.url}/dashboard")
    requests = tab.locator("#endpoints tr", has_text="GET /api/events").locator("td").nth(1)
    expect(requests).not_to_be_empty(timeout=20_000)
    before = requests.inner_text()
    expect(requests).not_to_have_text(before)
    for name in ("requests/s", "P50", "P90"):
        expect(tile(tab, name)).to_have_text(re.compile(r"^\d"), timeout=20_000)
    expect(tile(tab, "workers")).to_have_text("1")
    for line in ("rate", "p50", "p90"):
        path = tab.locator(f"path[data-line={line}]")
        expect(path).to_have_attribute("d", re.compile(r"^M.*L"), timeout=20_000)
    expect(tab.locator("#rate")).to_have_attribute("aria-label", re.compile(r"^Now: all \d"))
    expect(tab.locator("#statements")).to_contain_text("plan: reads a whole table or index")
    light = tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 249)"
    assert light == (theme == "light")
    assert problems == []


@pytest.fixture
def some_requests(server: serve.Server) -> serve.Server:
    """Return a service whose three endpoints have had 100, 10 and 9 requests."""
    for path, times in (("/api/events", 100), ("/api/stats", 10), ("/health", 9)):
        for _ in range(times):
            server.get(path)
    return server


SHOWN = {  # are P50, P90 and P99 shown?
    "GET /api/events": [True, True, True],
    "GET /api/stats": [True, True, False],
    "GET /health": [True, False, False],
}


@pytest.mark.measures
def test_the_page_shows_a_percentile_only_with_enough_samples(
    chromium: Any,
    some_requests: serve.Server,
) -> None:
    with closing(chromium.new_page()) as tab:
        tab.goto(f"{some_requests.url}/dashboard")
        for table, names in (
            ("endpoints", [*SHOWN]),
            ("statements", ["GET /api/events", "GET /api/stats"]),
        ):
            for name in names:
                cells = tab.locator(f"#{table} tbody tr", has_text=name).first.locator("td")
                p50 = cells.nth(4)
                expect(p50).to_have_text(re.compile(r"^\d"))  # P90 and P99 appear with it
                shown = [cells.nth(column).inner_text()[0].isdigit() for column in (4, 5, 6)]
                assert shown == SHOWN[name], (table, name)


def use_the_keyboard(tab: Page) -> None:
    """Sort a table, open a plan and pause, with Tab and Enter only, while the figures change."""
    tab.locator("body").click(position={"x": 2, "y": 2})
    tab.keyboard.press("Tab")
    expect(tab.locator("#pause")).to_be_focused()
    for _ in range(8):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.dataset.column") == "p99":
            break
    tab.keyboard.press("Enter")
    sorted_by = tab.locator("#endpoints th[aria-sort=descending]")
    expect(sorted_by).to_contain_text("P99")
    newest = tab.locator("#endpoints td").nth(1)
    expect(newest).not_to_have_text(newest.inner_text(), timeout=10_000)
    expect(tab.locator("#endpoints [data-column=p99]")).to_be_focused()
    plan = tab.locator("#statements summary").first
    plan.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#statements pre").first).to_contain_text("QUERY PLAN")
    tab.locator("#pause").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#state")).to_have_text("paused")


@pytest.mark.parametrize("fails", [False, True])
def test_the_page_stays_paused_when_a_reply_arrives(
    fails: bool, server: serve.Server, chromium: Any
) -> None:
    with closing(chromium.new_page()) as tab:
        tab.goto(f"{server.url}/dashboard")
        expect(tab.locator("#state")).to_have_text("live")
        if fails:
            server.stop()
        tab.evaluate("""async () => {
            const send = window.fetch;
            window.fetch = (...request) => {
                window.fetch = send;
                byId("pause").click();
                return send(...request);
            };
            await update();
        }""")
        assert tab.locator("#state").inner_text() == "paused"
        assert tab.locator("#state.bad").count() == 0


@pytest.mark.measures
def test_the_page_says_so_if_the_service_does_not_respond(
    chromium: Any,
    db: Path,
) -> None:
    with closing(chromium.new_page()) as tab:
        with serve.here(create_app(db, monitor=True)) as server:
            tab.goto(f"{server.url}/dashboard")
            expect(tab.locator("#state")).to_have_text("live")
        expect(tab.locator("#state")).to_contain_text(
            "The service isn't responding", timeout=10_000
        )


def test_the_page_says_so_if_the_service_accepts_requests_and_never_responds(
    server: serve.Server, chromium: Any
) -> None:
    with closing(chromium.new_page()) as tab:
        tab.goto(f"{server.url}/dashboard")
        expect(tab.locator("#state")).to_have_text("live")
        tab.route("**/dashboard/figures", lambda _: None)
        expect(tab.locator("#state")).to_contain_text(
            "The service isn't responding", timeout=20_000
        )


ADD_REPLIES = """async ([seconds, ofOtherClock]) => {
    const reply = await (await fetch("dashboard/figures")).json();
    const start = Date.now();
    replies.length = points.length = 0;
    for (const [number, later] of seconds.entries()) {
        Date.now = () => start + 1000 * later;
        const now = reply.now + later + (number % 2 ? ofOtherClock : 0);
        const requests = {first: 0, counts: [10 * later]};
        addReply(structuredClone({...reply, now, requests}));
    }
    draw();
    return points.map(point => point.rate ?? null);
}"""


@pytest.mark.parametrize(
    ("seconds", "of_other_clock", "rates"),
    [
        ([0, 1, 2, 3], 0, [10, 10, 10]),
        ([0, 1, 2, 3], 3_600, [10, 10, 10]),  # two machines whose clocks differ
        ([0, 1, 100, 101], 0, [10, None, 10]),  # paused for more than a minute
        ([0, 1, 1_000, 1_001], 0, [None, 10]),  # for longer than the chart covers
        ([0, 4, 8, 12, 16], 0, [10] * 4),  # slow replies
    ],
)
def test_a_point_of_the_chart_covers_a_few_seconds_of_the_browsers_clock(
    server: serve.Server,
    chromium: Any,
    seconds: list[int],
    of_other_clock: int,
    rates: list[float | None],
) -> None:
    problems: list[str] = []
    with closing(chromium.new_page()) as tab:
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.goto(f"{server.url}/dashboard")
        expect(tab.locator("#state")).to_have_text("live")
        tab.locator("#pause").click()
        assert tab.evaluate(ADD_REPLIES, [seconds, of_other_clock]) == rates
        expect(tile(tab, "requests/s")).to_have_text("10")
        expect(tile(tab, "in progress")).to_have_text(re.compile(r"^\d"))
    assert problems == []


ADD_STATEMENTS = """async before => {
    const reply = await (await fetch("dashboard/figures")).json();
    const statement = number => ({endpoint: "GET /", sql: `SELECT ${number}`, count: 9, total: 1});
    const rows = [...Array(before).keys()].map(statement);
    const seconds = Date.now();
    replies.length = points.length = 0;
    for (const [number, statements] of [rows, [statement(99), ...rows]].entries()) {
        Date.now = () => seconds + 1000 * number;
        addReply({...structuredClone(reply), statements});
    }
    draw();
}"""


@pytest.mark.parametrize(("before", "recent"), [(3, "9"), (10, "\N{EN DASH}")])
def test_the_runs_of_a_statement_that_was_not_among_the_slowest_are_unknown(
    server: serve.Server, chromium: Any, before: int, recent: str
) -> None:
    with closing(chromium.new_page()) as tab:
        tab.goto(f"{server.url}/dashboard")
        expect(tab.locator("#state")).to_have_text("live")
        tab.locator("#pause").click()
        tab.evaluate(ADD_STATEMENTS, before)
        row = tab.locator("#statements tbody tr", has_text="SELECT 99")
        assert row.locator("td").nth(1).inner_text().split() == ["9", recent]


# --- the notebook -----------------------------------------------------------------------------


def test_the_same_figures_show_in_a_notebook_while_a_load_runs(
    server: serve.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, content: Any) -> None:
            shown.append(content.data)

    monkeypatch.setattr(
        live, "display", lambda content, **_: shown.append(content.data) or Handle()
    )
    with live.view(server):
        load(f"{server.url}/api/events?user_id=7", users=2, seconds=1.5)
    cells = r"<td>GET /api/events</td><td>(\d+)</td>"
    requests = [int(count) for table in shown for count in re.findall(cells, table)]
    assert len({*requests}) >= 2
    assert requests == sorted(requests)
    assert requests[-1] == counts_by_endpoint(server)["GET /api/events"]
    assert "requests/s" in shown[-1] and "loop lag" in shown[-1]


def test_a_notebook_shows_a_percentile_only_with_enough_samples(
    some_requests: serve.Server,
) -> None:
    figures = fetch_figures(some_requests)
    rows = re.findall(r"<tr><td>(\w+ /[\w/]+)</td>(.*?)</tr>", live._html(figures, figures))
    shown = {}
    for endpoint, row in rows:
        percentiles = re.findall(r"<td>(.*?)</td>", row)[-3:]
        shown[endpoint] = ["-" not in percentile for percentile in percentiles]
    assert shown == SHOWN
