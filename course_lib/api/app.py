"""Create the Events API, with each lesson's fix off or on.

Every response says in its headers what it cost the database (`Server-Timing`) and, if there is a
cache, whether it came from there (`X-Cache`). Only a crash (500) has no such headers.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query
from redis.asyncio import Redis
from starlette.concurrency import run_in_threadpool

from course_lib import redis_client
from course_lib.api.bodies import BodyLimitMiddleware
from course_lib.api.callers import Caller, UserID
from course_lib.api.database import NEWEST_EVENTS, EventsDatabase
from course_lib.api.failures import FailureMiddleware, add_failures
from course_lib.api.limits import LIMITS, Limits, add_limits
from course_lib.api.login import add_login
from course_lib.api.models import NewEvent
from course_lib.api.monitoring import add_monitoring
from course_lib.api.parsing import add_parsing
from course_lib.api.responses import BODY, failures
from course_lib.api.server_timing import ServerTimingMiddleware
from course_lib.api.stats import PLATFORM_TTL, USER_TTL, add_stats
from course_lib.cache import Cache
from course_lib.checks import check_namespace, check_seconds, check_switch
from course_lib.limiter import Algorithm, RateLimiter
from course_lib.monitor import PerformanceMonitor
from course_lib.optimizer import create_indexes

PageSize = Annotated[int, Query(ge=1, le=100)]

log = logging.getLogger(__package__)


def create_app(
    db_path: str | os.PathLike[str],
    *,
    redis_url: str | None = None,
    indexes: bool = False,
    cache: bool = False,
    user_ttl: float = USER_TTL,
    platform_ttl: float = PLATFORM_TTL,
    limits: Limits | bool | None = None,
    algorithm: Algorithm = "token_bucket",
    monitor: bool = False,
    namespace: str = "api",
) -> FastAPI:
    """Create the service on a database file of events.

    - `indexes`: create the indexes of `course_lib.optimizer` at start-up; `False` drops none.
    - `cache`: keep the two parts of `/api/stats` in Redis at `redis_url`, under keys of this
      `namespace`. Services of one database should share a namespace; services of different
      databases must not.
    - `user_ttl`, `platform_ttl`: how many seconds the cache keeps each part.
    - `limits`: how many requests to a route each caller may send, counted in Redis by this
      `algorithm`: a dict such as `LIMITS`, or `True` for `LIMITS` itself. The caller is the user
      in the API key, which isn't verified here, else the address. Login has limits by address and
      by account. `/health` is never limited.
    - `monitor`: count and time requests and statements, and show them at `/dashboard` and
      `/metrics`; with `redis_url`, those of all workers. Both pages are for the people who run
      the service, so don't let a proxy expose them.

    Raises FileNotFoundError if there is no such file, ValueError or TypeError if an argument is
    wrong, a limit is malformed, or `redis_url` is missing. At start-up, raises what
    `redis_client.verify` raises for a Redis that can't be used; one that's unavailable is only
    logged.
    """
    for name, switch in {"indexes": indexes, "cache": cache, "monitor": monitor}.items():
        check_switch(name, switch)
    for name, ttl in {"user_ttl": user_ttl, "platform_ttl": platform_ttl}.items():
        check_seconds(name, ttl)
    check_namespace(namespace)
    database = EventsDatabase(db_path)
    if (cache or limits) and redis_url is None:
        feature = "cache=True needs" if cache else "limits need"
        raise ValueError(f"{feature} redis_url, such as redis://localhost:6379")
    redis = redis_client.connect(redis_url) if redis_url else None
    store = Cache(redis, namespace=namespace) if cache and redis else None
    performance = None
    if monitor:
        performance = PerformanceMonitor(redis=redis, namespace=f"{namespace}:monitor")

    used = {namespace: cache, f"{namespace}:limit:verify": limits, f"{namespace}:monitor": monitor}
    namespaces = [name for name, is_used in used.items() if is_used]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if redis:
            await _verify(redis, namespaces)
        if indexes:
            create_indexes(database.path)
        yield
        await asyncio.gather(*writes, return_exceptions=True)
        if store:
            await store.aclose()
        if redis:
            await redis.aclose()
        await run_in_threadpool(database.close)

    app = FastAPI(
        title="The Events API",
        lifespan=lifespan,
        responses=failures(429) if limits else None,
        redirect_slashes=False,  # a redirect would repeat the path and the host that a client sent
    )
    add_failures(app, is_monitored=monitor)
    check_account = None
    if limits and redis:
        limiter = RateLimiter(redis, namespace=f"{namespace}:limit", algorithm=algorithm)
        rules = LIMITS if isinstance(limits, bool) else limits
        check_account = add_limits(app, limiter, rules)
        if performance:
            performance.watch("limiter_unavailable", limiter.unavailable)
            performance.watch("limiter_would_reject", limiter.would_reject)
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(ServerTimingMiddleware)
    add_stats(app, database, store, performance, user_ttl=user_ttl, platform_ttl=platform_ttl)
    writes = _add_events(app, database, store)

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
    app.add_middleware(FailureMiddleware)
    return app


async def _verify(redis: Redis, namespaces: list[str]) -> None:
    """Raise an error if this Redis is unsuitable; log a warning if it's unavailable."""
    try:
        await redis_client.verify(redis, keys=[f"{{{name}}}:verify" for name in namespaces])
    except redis_client.RedisUnavailable as error:
        log.warning("the service starts without Redis: %s", error)


def _add_events(
    app: FastAPI, database: EventsDatabase, store: Cache | None
) -> set[asyncio.Task[int]]:
    """Add the routes of events, and return the set of the writes that haven't ended."""
    writes: set[asyncio.Task[int]] = set()

    async def write(user: int, event: NewEvent) -> int:
        event_id = await database.add_async(user, event)
        if store is not None:
            # After the write: a load that ran between the two would store stale totals.
            await store.invalidate_user_cache(user)
        return event_id

    # A plain `def`: FastAPI runs it in a thread, so a slow query doesn't block the event loop.
    @app.get("/api/events", responses=failures(401, 503))
    def newest_events(
        caller: Caller, user_id: UserID = None, limit: PageSize = 20
    ) -> list[dict[str, Any]]:
        """Return the newest events of a user, by default the caller's own."""
        user = caller if user_id is None else user_id
        return database.rows(NEWEST_EVENTS, (user, limit))

    @app.post("/api/events", status_code=201, responses=failures(401, 409, 503, *BODY))
    async def add_event(caller: Caller, event: NewEvent) -> dict[str, int]:
        """Write an event of the caller's and return its ID.

        The user's totals are up to date at once; the platform's may be up to a minute stale.
        """
        # A server that stops cancels the request, but a written event has to be invalidated too.
        writing = asyncio.create_task(write(caller, event))
        writes.add(writing)
        writing.add_done_callback(writes.discard)
        return {"id": await asyncio.shield(writing)}

    return writes
