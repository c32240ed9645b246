"""Create the Events API, with each lesson's fix off or on.

Every response says in its headers what it cost the database (`Server-Timing`) and, if there is a
cache, whether it came from there (`X-Cache`). Only a crash (500) has no such headers.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from course_lib import redis_client
from course_lib.api.callers import calling_user
from course_lib.api.database import NEWEST_EVENTS, EventsDatabase
from course_lib.api.limits import LIMITS, Limits, add_limits
from course_lib.api.login import add_login
from course_lib.api.models import LARGEST_INTEGER, NewEvent
from course_lib.api.monitoring import add_monitoring
from course_lib.api.parsing import add_parsing
from course_lib.api.server_timing import ServerTimingMiddleware
from course_lib.cache import Cache
from course_lib.limiter import Algorithm, RateLimiter
from course_lib.monitor import PerformanceMonitor
from course_lib.optimizer import create_indexes

Caller = Annotated[int, Depends(calling_user)]
UserID = Annotated[int | None, Query(ge=1, le=LARGEST_INTEGER)]
PageSize = Annotated[int, Query(ge=1, le=100)]

USER_TTL = 300  # seconds
PLATFORM_TTL = 60


def create_app(
    db_path: str | os.PathLike[str],
    *,
    redis_url: str | None = None,
    indexes: bool = False,
    cache: bool = False,
    limits: Limits | bool | None = None,
    algorithm: Algorithm = "sliding_window",
    monitor: bool = False,
    namespace: str = "api",
) -> FastAPI:
    """Create the service on a database file of events.

    - `indexes`: create the indexes of `course_lib.optimizer` at start-up; `False` drops none.
    - `cache`: keep the two parts of `/api/stats` in Redis at `redis_url`, under keys of this
      `namespace`. Services of one database should share a namespace; services of different
      databases must not.
    - `limits`: how many requests to a route each caller may send, counted in Redis by this
      `algorithm`: a dict such as `LIMITS`, or `True` for `LIMITS` itself. The caller is the user
      in the API key, which isn't verified here, else the address. Login has limits by address and
      by account. `/health` is never limited.
    - `monitor`: count and time requests and statements, and show them at `/dashboard` and
      `/metrics`; with `redis_url`, those of all workers. Both pages are for the people who run
      the service, so don't let a proxy expose them.

    Raises FileNotFoundError if there is no such file, ValueError if a limit is malformed or
    `redis_url` is missing.
    """
    database = EventsDatabase(db_path)
    if (cache or limits) and redis_url is None:
        feature = "cache=True needs" if cache else "limits need"
        raise ValueError(f"{feature} redis_url, such as redis://localhost:6379")
    redis = redis_client.connect(redis_url) if redis_url else None
    store = Cache(redis, namespace=namespace) if cache and redis else None
    performance = None
    if monitor:
        performance = PerformanceMonitor(redis=redis, namespace=f"{namespace}:monitor")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if indexes:
            create_indexes(database.path)
        yield
        if redis:
            await redis.aclose()

    app = FastAPI(title="The Events API", lifespan=lifespan)
    check_account = None
    if limits and redis:
        limiter = RateLimiter(redis, namespace=f"{namespace}:limit", algorithm=algorithm)
        rules = LIMITS if isinstance(limits, bool) else limits
        check_account = add_limits(app, limiter, rules)
        if performance:
            performance.watch("limiter_unavailable", limiter.unavailable)
    app.add_middleware(ServerTimingMiddleware)
    _add_stats(app, database, store, performance)
    _add_events(app, database, store)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Return a constant: the cost of this route is the cost of HTTP itself."""
        return {"status": "ok"}

    add_parsing(app)
    add_login(app, database, check_account)
    if performance:
        if store:
            performance.watch("cache_unavailable", store.unavailable)
        add_monitoring(app, performance, database)
    return app


def _add_stats(
    app: FastAPI, database: EventsDatabase, store: Cache | None, monitor: PerformanceMonitor | None
) -> None:
    @app.get("/api/stats")
    async def stats(caller: Caller, user_id: UserID = None) -> Response:
        """Return the totals of a user (by default the caller) and of the whole platform."""
        user = caller if user_id is None else user_id

        # In threads: a query on the event loop would hold up every other request.
        async def load_user() -> dict[str, Any]:
            return await run_in_threadpool(database.user_totals, user)

        async def load_platform() -> dict[str, Any]:
            return await run_in_threadpool(database.platform_totals)

        if store is None:
            return JSONResponse({"user": await load_user(), "platform": await load_platform()})
        headers: dict[str, str] = {}
        # Two keys, because all users share the platform's part. Both values are sent as they
        # are stored, without decoding and encoding them again.
        user_json = await store.get_or_set(
            f"stats:user:{user}",
            load_user,
            USER_TTL,
            user_id=user,
            raw=True,
            on_outcome=_record_outcome(headers, "X-Cache-User", monitor),
        )
        platform_json = await store.get_or_set(
            "stats:platform",
            load_platform,
            PLATFORM_TTL,
            raw=True,
            on_outcome=_record_outcome(headers, "X-Cache", monitor),
        )
        body = b'{"user":%b,"platform":%b}' % (user_json, platform_json)
        return Response(body, media_type="application/json", headers=headers)


def _record_outcome(
    headers: dict[str, str], name: str, monitor: PerformanceMonitor | None
) -> Callable[[str], None]:
    """Return a function that puts a cache outcome into a header and counts it in the monitor."""

    def record(outcome: str) -> None:
        headers[name] = outcome
        if monitor:
            is_hit = outcome in ("hit", "stale")
            monitor.count("cache_hit" if is_hit else "cache_miss")

    return record


def _add_events(app: FastAPI, database: EventsDatabase, store: Cache | None) -> None:
    # A plain `def`: FastAPI runs it in a thread, so a slow query doesn't block the event loop.
    @app.get("/api/events")
    def newest_events(
        caller: Caller, user_id: UserID = None, limit: PageSize = 20
    ) -> list[dict[str, Any]]:
        """Return the newest events of a user, by default the caller's own."""
        user = caller if user_id is None else user_id
        return database.rows(NEWEST_EVENTS, (user, limit))

    @app.post("/api/events", status_code=201)
    async def add_event(caller: Caller, event: NewEvent) -> dict[str, int]:
        """Write an event of the caller's and return its ID.

        The user's totals are up to date at once; the platform's may be up to a minute stale.
        """
        event_id = await run_in_threadpool(database.add, caller, event)
        if store is not None:
            # After the write: a load that ran between the two would store stale totals.
            await store.invalidate_user_cache(caller)
        return {"id": event_id}
