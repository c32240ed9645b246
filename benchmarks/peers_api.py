"""The Events API built from the usual packages: fastapi-cache2, slowapi and the instrumentator.

It has the routes that `whole_api.py` sends requests to, on our database and with our checks of
bodies, so only caching, limiting and monitoring differ from ours. Each package is used as its
documentation shows, except for one thing: the stats are two entries here too, a user's and the
platform's, and a write deletes the user's. Without that, its responses would be stale.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi_cache import FastAPICache
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.decorator import cache
from prometheus_fastapi_instrumentator import Instrumentator
from redis.asyncio import Redis
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from starlette.concurrency import run_in_threadpool

from course_lib.api.app import PageSize
from course_lib.api.bodies import BodyLimitMiddleware
from course_lib.api.callers import Caller, UserID
from course_lib.api.database import NEWEST_EVENTS, EventsDatabase
from course_lib.api.failures import FailureMiddleware, add_failures
from course_lib.api.models import NewEvent
from course_lib.api.server_timing import ServerTimingMiddleware
from course_lib.api.stats import PLATFORM_TTL, USER_TTL


def create_app(db_path: str | os.PathLike[str], redis_url: str, limit: str) -> FastAPI:
    """Create the service. `limit` is that of each client and route."""
    database = EventsDatabase(db_path)
    redis = Redis.from_url(redis_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        FastAPICache.init(RedisBackend(redis), prefix="stats")
        yield
        await redis.aclose()
        database.close()

    app = FastAPI(title="The Events API", lifespan=lifespan)
    add_failures(app, is_monitored=False)
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(ServerTimingMiddleware)
    app.add_middleware(FailureMiddleware)
    # slowapi needs a scheme that starts with `redis+` for a Unix socket.
    limiter = Limiter(key_func=client_of, storage_uri=redis_url.replace("unix:", "redis+unix:"))
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
    Instrumentator().instrument(app).expose(app)

    @cache(expire=USER_TTL, key_builder=key_of_user)
    async def user_totals(user: int) -> dict[str, Any]:
        return await run_in_threadpool(database.user_totals, user)

    @cache(expire=PLATFORM_TTL, key_builder=key_of_platform)
    async def platform_totals() -> dict[str, Any]:
        return await run_in_threadpool(database.platform_totals)

    @app.get("/api/stats")
    @limiter.limit(limit)
    async def stats(request: Request, caller: Caller, user_id: UserID = None) -> dict[str, Any]:
        """Return the totals of a user and of the platform."""
        user = caller if user_id is None else user_id
        return {"user": await user_totals(user), "platform": await platform_totals()}

    @app.get("/api/events")
    @limiter.limit(limit)
    def newest_events(
        request: Request, caller: Caller, user_id: UserID = None, limit: PageSize = 20
    ) -> list[dict[str, Any]]:
        """Return the newest events of a user."""
        user = caller if user_id is None else user_id
        return database.rows(NEWEST_EVENTS, (user, limit))

    @app.post("/api/events", status_code=201)
    @limiter.limit(limit)
    async def add_event(request: Request, caller: Caller, event: NewEvent) -> dict[str, int]:
        """Write an event and return its ID."""
        event_id = await database.add_async(caller, event)
        await FastAPICache.get_backend().clear(key=name_of_user(caller))
        return {"id": event_id}

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Return a constant."""
        return {"status": "ok"}

    return app


def client_of(request: Request) -> str:
    return request.headers.get("x-api-key", "anonymous")


def name_of_user(user: int) -> str:
    return f"stats:user:{user}"


def key_of_user(function, namespace="", *, args=(), **_):
    return name_of_user(args[0])


def key_of_platform(function, namespace="", **_):
    return "stats:platform"
