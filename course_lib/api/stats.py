"""Return the totals of a user and of the platform, from a cache if the service has one."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from course_lib.api.callers import Caller, UserID
from course_lib.api.database import EventsDatabase
from course_lib.api.responses import failures
from course_lib.cache import Cache
from course_lib.monitor import PerformanceMonitor

USER_TTL = 300  # seconds
NO_EVENTS_TTL = 30
PLATFORM_TTL = 60
USER_START, PLATFORM_START = b'{"user_id":', b'{"by_type":'

log = logging.getLogger(__package__)


def add_stats(
    app: FastAPI,
    database: EventsDatabase,
    store: Cache | None,
    monitor: PerformanceMonitor | None,
    *,
    user_ttl: float,
    platform_ttl: float,
) -> None:
    """Add `GET /api/stats`. The TTLs are those of its two cached parts, in seconds."""

    def ttl_of_user(totals: dict[str, Any]) -> float:
        # Short for a user without events, because anyone can invent user IDs.
        return user_ttl if totals["events"] else min(user_ttl, NO_EVENTS_TTL)

    def count_load() -> None:
        if store and monitor:
            monitor.count("cache_load")

    @app.get("/api/stats", responses=failures(401, 503))
    async def stats(caller: Caller, user_id: UserID = None) -> Response:
        """Return the totals of a user (by default the caller) and of the whole platform."""
        user = caller if user_id is None else user_id

        # In threads: a query on the event loop would hold up every other request.
        async def load_user() -> dict[str, Any]:
            count_load()
            return await run_in_threadpool(database.user_totals, user)

        async def load_platform() -> dict[str, Any]:
            count_load()
            return await run_in_threadpool(database.platform_totals)

        if store is None:
            return JSONResponse({"user": await load_user(), "platform": await load_platform()})
        headers: dict[str, str] = {}
        # Two keys, because all users share the platform's part. Both values are sent as they
        # are stored, without decoding and encoding them again.
        user_json = await _entry(
            store,
            f"stats:user:{user}",
            USER_START,
            load_user,
            ttl_of_user,
            user_id=user,
            on_outcome=_record_outcome(headers, "X-Cache-User", monitor),
        )
        platform_json = await _entry(
            store,
            "stats:platform",
            PLATFORM_START,
            load_platform,
            platform_ttl,
            on_outcome=_record_outcome(headers, "X-Cache", monitor),
        )
        body = b'{"user":%b,"platform":%b}' % (user_json, platform_json)
        return Response(body, media_type="application/json", headers=headers)


async def _entry(
    store: Cache,
    key: str,
    start: bytes,
    load: Callable[[], Awaitable[dict[str, Any]]],
    ttl: float | Callable[[dict[str, Any]], float],
    **options: Any,
) -> bytes:
    """Return an entry's JSON. Loads it again if it doesn't start as ours do: it's foreign."""
    content: bytes = await store.get_or_set(key, load, ttl, raw=True, **options)
    if not content.startswith(start):
        log.warning("the cache entry %s isn't ours: loading it again", key)
        await store.delete(key)
        content = await store.get_or_set(key, load, ttl, raw=True, **options)
    return content


def _record_outcome(
    headers: dict[str, str], name: str, monitor: PerformanceMonitor | None
) -> Callable[[str], None]:
    """Return a function that puts a cache outcome into a header and counts it in the monitor."""

    def record(outcome: str) -> None:
        headers[name] = outcome
        if monitor:
            monitor.count("cache_hit" if outcome in ("hit", "stale") else "cache_miss")
            if outcome == "wait":
                monitor.count("cache_wait")

    return record
