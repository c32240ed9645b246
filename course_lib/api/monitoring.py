"""Show what the monitor measured: `/metrics` for Prometheus, `/dashboard` for people.

Both use asyncio's own threads. The threads of the API's queries may all be busy, and that's when
the figures are needed most.
"""

import asyncio
import sqlite3
import time
from contextlib import suppress
from functools import lru_cache
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from course_lib.api.database import EventsDatabase
from course_lib.monitor import (
    PerformanceMiddleware,
    PerformanceMonitor,
    figures,
    page,
    prometheus,
)
from course_lib.monitor.dashboard import PROMETHEUS
from course_lib.optimizer import analyze_query_performance

PAGES = ("/metrics", "/dashboard", "/dashboard/figures")
PLAN_SECONDS = 10  # how long a query plan is reused


def add_monitoring(app: FastAPI, monitor: PerformanceMonitor, database: EventsDatabase) -> None:
    """Measure every request and statement of the app, and add the pages that show the figures."""
    database.log_query = monitor.log_query
    # Added last, so it wraps all other middleware.
    ignored = [f"GET {path}" for path in PAGES]
    app.add_middleware(PerformanceMiddleware, monitor=monitor, ignore=ignored)

    @lru_cache(maxsize=100)
    def plan_in_period(statement: str, _: int) -> str | None:
        # Not a query, a locked table, or no file.
        with suppress(ValueError, sqlite3.Error, OSError):
            return str(analyze_query_performance(database.path, statement))
        return None

    def plan(statement: str) -> str | None:
        # Reused for ten seconds only: someone may create an index while the service runs.
        return plan_in_period(statement, int(time.monotonic() / PLAN_SECONDS))

    @app.get("/dashboard/figures")
    async def dashboard_figures() -> dict[str, Any]:
        """Return the dashboard's figures, with each statement's current plan."""
        return await asyncio.to_thread(figures, await monitor.merged(), plan=plan)

    @app.get("/dashboard", response_class=HTMLResponse)
    async def dashboard_page() -> str:
        """Show the figures as a page for people."""
        return page()

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Return the figures for Prometheus, or 503 while some of the workers' are missing.

        Figures without the other workers' would look like a drop.
        """
        metrics_of_all = await monitor.merged()
        if not metrics_of_all.complete:
            missing = "other workers' figures are missing: they can't be read from Redis\n"
            return PlainTextResponse(missing, 503)
        text = await asyncio.to_thread(prometheus, metrics_of_all)
        return Response(text, media_type=PROMETHEUS)
