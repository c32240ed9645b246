"""The Events API: the patient that all lessons treat.

`create_app` makes it, with each cure off or on. Every answer, but that to an error of our own (500), tells in headers
what it cost the database, and whether it came from the cache.
"""

import asyncio
import hashlib
import hmac
import os
import re
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Query
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.limiter import Algorithm, RateLimiter, RateLimitMiddleware, address, parse, too_many_requests
from course_lib.monitor import PerformanceMiddleware, PerformanceMonitor, figures, page, prometheus
from course_lib.monitor.dashboard import PROMETHEUS
from course_lib.monitor.endpoints import endpoint_of
from course_lib.optimizer import analyze_query_performance, create_indexes

ANONYMOUS_USER = 123
LARGEST_INTEGER = 2**63 - 1  # of SQLite

NEWEST_EVENTS = """
    SELECT id, user_id, type, status, duration_ms, title, starts_at, created_at
    FROM events WHERE user_id = ? ORDER BY created_at DESC, id DESC LIMIT ?
"""


TOTALS_OF_USER = """
    SELECT type, count(*) AS events, sum(duration_ms) AS duration_ms
    FROM events WHERE user_id = ? GROUP BY type ORDER BY events DESC, type
"""

TOTALS_BY_TYPE = "SELECT type, count(*) AS events FROM events GROUP BY type ORDER BY events DESC, type"

BUSIEST_USERS = """
    SELECT user_id, count(*) AS events FROM events GROUP BY user_id ORDER BY events DESC, user_id LIMIT 10
"""

USERS_IN_SEVEN_DAYS = """
    SELECT count(DISTINCT user_id) AS users FROM events
    WHERE created_at > (SELECT max(created_at) FROM events) - 7 * 86400
"""

USER_OF_ACCOUNT = "SELECT id, plan FROM users WHERE email = ?"

LOGIN = "POST /api/auth/login"
Limits = Mapping[str, str | Mapping[str, str] | None]
LIMITS: Limits = {
    "POST /api/events/parse": "50/minute",
    LOGIN: {"address": "20/minute", "account": "5/minute"},
    "*": {"free": "100/minute", "pro": "1000/minute", "team": "5000/minute"},
}
"""What `limits=True` stands for. The first that fits a request counts; a tier that is not named has the first's."""

MODEL_SECONDS = 0.2  # what one call of the model takes that reads an event from a text
API_KEY = re.compile("([a-z]+)-([1-9][0-9]{0,17})")
# All accounts of the workbook share one password, "events", and this is what is stored of it.
SALT = b"workbook"
HASH = bytes.fromhex(
    "f2ccdcc03bf846bfdb9d5ff716d8f18f842fc885a9912ef67025824d55e2ad94"
    "eafe619d423243769f555aeaa118c9953b9afe3c4305cede8d12c9fe1279f832"
)
# A hash takes 16 MB, as it should, and the allocator keeps them for each thread that has made one: two are enough.
HASHING = ThreadPoolExecutor(2, "password-hash")

User = Annotated[int | None, Query(ge=1, le=LARGEST_INTEGER)]


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
    """Make the service on a database file of events; FileNotFoundError when there is no such file.

    - `indexes`: make the indexes of `course_lib.optimizer` at start-up; `False` drops none.
    - `cache`: keep the two parts of `/api/stats` in Redis at `redis_url`, under keys of this `namespace`: all services
      of one database should share it, and no service of another.
    - `limits`: how many requests of a caller to a route are answered, counted in Redis by this `algorithm`: a dict such
      as `LIMITS`, which `True` stands for. `/health` is never limited. Whose a request is, its API key says, which is
      not verified here, else its address; the login's limits are by address and by account, as "address" and "account".
    - `monitor`: count and time requests and statements, and show them at `/dashboard` and `/metrics`; with `redis_url`
      those of all workers. These two pages are for the people who run the service: let no proxy hand them out.
    """
    database = EventsDatabase(db_path)
    if (cache or limits) and redis_url is None:
        raise ValueError(f"{'cache=True needs' if cache else 'limits need'} redis_url, such as redis://localhost:6379")
    redis = redis_client.connect(redis_url) if redis_url else None
    store = Cache(redis, namespace=namespace) if cache and redis else None
    limiter = RateLimiter(redis, algorithm=algorithm, namespace=f"{namespace}:limit") if limits and redis else None
    watch = PerformanceMonitor(redis=redis, namespace=f"{namespace}:monitor") if monitor else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if indexes:
            create_indexes(database.path)
        yield
        if redis:
            await redis.aclose()

    app = FastAPI(title="The Events API", lifespan=lifespan)
    by_account = _limit_routes(app, limiter, LIMITS if limits is True else limits or {}) if limiter else None
    app.add_middleware(ServerTimingMiddleware)

    @app.get("/api/stats")
    async def stats(caller: Annotated[int, Depends(calling_user)], user_id: User = None) -> Response:
        """The totals of a user (without `user_id` the caller's own) and those of the whole platform."""
        user = caller if user_id is None else user_id

        async def load_user() -> dict[str, Any]:
            return await run_in_threadpool(database.user_totals, user)  # in the event loop it would hold up all others

        async def load_platform() -> dict[str, Any]:
            return await run_in_threadpool(database.platform_totals)

        if store is None:
            return JSONResponse({"user": await load_user(), "platform": await load_platform()})
        headers: dict[str, str] = {}
        # Two keys, for one part is everybody's. Both are handed on as they are stored, not decoded and encoded again.
        told_user, told_platform = (_told(headers, name, watch) for name in ("X-Cache-User", "X-Cache"))
        own = await store.get_or_set(f"stats:user:{user}", load_user, 300, user_id=user, raw=True, on_outcome=told_user)
        platform = await store.get_or_set("stats:platform", load_platform, 60, raw=True, on_outcome=told_platform)
        body = b'{"user":%b,"platform":%b}' % (own, platform)
        return Response(body, media_type="application/json", headers=headers)

    # A plain `def`: FastAPI runs it in a thread, so a slow query does not hold up the event loop.
    @app.get("/api/events")
    def newest_events(
        caller: Annotated[int, Depends(calling_user)],
        user_id: User = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> list[dict[str, Any]]:
        """The newest events of a user; without `user_id` the caller's own."""
        return database.rows(NEWEST_EVENTS, (caller if user_id is None else user_id, limit))

    @app.post("/api/events", status_code=201)
    async def add_event(caller: Annotated[int, Depends(calling_user)], event: NewEvent) -> dict[str, int]:
        """Write an event of the caller's, happening now; its `id`. The platform's totals may lag behind by a minute."""
        number = await run_in_threadpool(database.add, caller, event)
        if store is not None:
            await store.invalidate_user_cache(caller)  # after the write, or a load between the two stores the old
        return {"id": number}

    @app.get("/health")
    async def health() -> dict[str, str]:
        """The empty route: what HTTP itself costs."""
        return {"status": "ok"}

    _add_dear_routes(app, database, by_account)
    if watch:
        _show(watch, app, database)
    return app


AskAccount = Callable[[str], Awaitable[None]]


def _limit_routes(app: FastAPI, limiter: RateLimiter, limits: Limits) -> AskAccount:
    """Put the limits before the app; what asks an account's own, for only the login itself knows the account."""
    by_route, by_account = dict(limits), None
    if isinstance(login := by_route.get(LOGIN), Mapping):
        by_route[LOGIN], by_account = login.get("address"), login.get("account")
    options: dict[str, Any] = {"limiter": limiter, "limits": by_route, "identify": _who_is_limited, "tiers": _tier}
    # A bad limit is an error now; by `add_middleware` alone it would be one at the first request.
    RateLimitMiddleware(app, **options)
    parse(by_account or "1/day")
    app.add_middleware(RateLimitMiddleware, **options)

    async def ask(account: str) -> None:
        if by_account:
            decision = await limiter.check_rate_limit(f"account {account.casefold()}", LOGIN, by_account)
            if not decision:
                raise HTTPException(**too_many_requests(decision, by_account))

    return ask


def _add_dear_routes(app: FastAPI, database: "EventsDatabase", by_account: AskAccount | None) -> None:
    """Add what costs much at each request, and so wants a limit."""
    model = asyncio.Semaphore(1)  # it takes one call at a time

    @app.post("/api/events/parse")
    async def parse_event(text: EventText) -> NewEvent:
        """Make a text into an event, which is not stored. Stands for a model that takes 200 ms, one call at a time."""
        async with model:
            await asyncio.sleep(MODEL_SECONDS)
        return text.event()

    @app.post("/api/auth/login")
    async def login(credentials: Credentials) -> dict[str, str]:
        """Give an account's API key for its password. The hash takes some 50 ms, as it should, in a thread."""
        if by_account:
            await by_account(credentials.account)  # before the hash, which is what costs
        digest = await asyncio.get_running_loop().run_in_executor(HASHING, _hash, credentials.password)
        key = await run_in_threadpool(database.api_key, credentials.account, digest)
        if key is None:
            raise HTTPException(status_code=401, detail="no such account, or another password")
        return {"api_key": key}


def _hash(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=SALT, n=2**14, r=8, p=1, maxmem=2**26)


def _told(headers: dict[str, str], name: str, monitor: PerformanceMonitor | None) -> Callable[[str], None]:
    """Put what became of a lookup into a header, and let the monitor count it."""

    def told(outcome: str) -> None:
        headers[name] = outcome
        if monitor:
            monitor.count("cache_hit" if outcome == "hit" else "cache_miss")

    return told


def _show(monitor: PerformanceMonitor, app: FastAPI, database: "EventsDatabase") -> None:
    """Let a monitor see all that this app and its database do, and add the pages that show it."""
    database.log_query = monitor.log_query
    pages = ("/metrics", "/dashboard", "/dashboard/figures")
    # Added last, it stands round all other middleware.
    app.add_middleware(PerformanceMiddleware, monitor=monitor, ignore=[f"GET {page}" for page in pages])

    @lru_cache(maxsize=100)
    def plan_at(statement: str, _: int) -> str | None:
        with suppress(ValueError, sqlite3.Error):  # no query, or a table that is locked
            return str(analyze_query_performance(database.path, statement))
        return None

    def plan(statement: str) -> str | None:
        return plan_at(statement, int(time.monotonic() / 10))  # for ten seconds: somebody may make an index meanwhile

    @app.get("/dashboard/figures")
    async def dashboard_figures() -> dict[str, Any]:
        """What the dashboard shows, with the plan that each statement has now."""
        return await run_in_threadpool(figures, await monitor.merged(), plan=plan)

    @app.get("/dashboard", response_class=HTMLResponse)
    async def dashboard_page() -> str:
        """The figures as a page for people."""
        return page()

    @app.get("/metrics")
    async def metrics() -> Response:
        """The figures for Prometheus; 503 while only this worker's are known, which would look like a fall."""
        whole = await monitor.merged()
        if not whole.complete:
            return Response("Redis is away, and with it the figures of the other workers\n", 503)
        return Response(prometheus(whole), media_type=PROMETHEUS)


def calling_user(x_api_key: Annotated[str | None, Header()] = None) -> int:
    """Return the user of the key `<tier>-<user_id>`; who sends none is user 123."""
    if x_api_key is None:
        return ANONYMOUS_USER
    key = API_KEY.fullmatch(x_api_key)
    if key is None:
        raise HTTPException(
            status_code=401,
            detail="X-API-Key is <tier>-<user_id>, for example free-42; without the header you are user 123",
            headers={"WWW-Authenticate": "ApiKey"},
        )
    return int(key[2])


def _api_key(scope: Scope) -> re.Match[str] | None:
    return API_KEY.fullmatch(Headers(scope=scope).get("x-api-key", ""))


def _who_is_limited(scope: Scope) -> str:
    """The user of the key, else the address; who logs in is nobody yet."""
    key = _api_key(scope)
    return key[2] if key and scope["path"] != LOGIN.split()[1] else address(scope)


def _tier(scope: Scope) -> str | None:
    key = _api_key(scope)
    return key[1] if key else None


class EventText(BaseModel):
    """What somebody says of an event."""

    text: str = Field(min_length=1, max_length=200)

    def event(self) -> "NewEvent":
        """The event, as far as a few words tell: its title, and how long it lasts."""
        found = re.search("([0-9]{1,3}) ?(min|hour)", self.text)
        minutes = int(found[1]) * (60 if found[2] == "hour" else 1) if found else 0
        return NewEvent(type="view", title=self.text, duration_ms=min(minutes, 1440) * 60_000)


class Credentials(BaseModel):
    """Who logs in: an e-mail address of the table `users`, and the password."""

    account: str = Field(min_length=1, max_length=200)
    password: str = Field(max_length=200)


class NewEvent(BaseModel):
    """What a client says of an event that it adds."""

    type: str = Field(min_length=1, max_length=40)
    title: str = Field(min_length=1, max_length=200)
    duration_ms: int = Field(default=0, ge=0, le=86_400_000)
    starts_at: int | None = Field(default=None, ge=0, le=LARGEST_INTEGER, description="Unix time; else now")


@dataclass
class Usage:
    """What one request asked of the database."""

    statements: int = 0
    seconds: float = 0.0
    scope: Scope = field(default_factory=dict)


usage_of_request: ContextVar[Usage] = ContextVar("usage_of_request")


class EventsDatabase:
    """A SQLite file of events, with a connection for each thread that reads."""

    log_query: Callable[..., None] | None = None
    """Told of each statement, as `PerformanceMonitor.log_query` is."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._thread = threading.local()
        self.path = Path(path).absolute()
        if not self.path.is_file():
            raise FileNotFoundError(f"no database at {self.path}; `python -m course_lib.lab.events` makes one")

    def user_totals(self, user: int) -> dict[str, Any]:
        """How many events a user has, and how long they took, in all and by type: one statement."""
        by_type = self.rows(TOTALS_OF_USER, (user,))
        total = {name: sum(each[name] for each in by_type) for name in ("events", "duration_ms")}
        return {"user_id": user, **total, "by_type": by_type}

    def platform_totals(self) -> dict[str, Any]:
        """What is the same for everybody: three statements over the whole table."""
        return {
            "by_type": self.rows(TOTALS_BY_TYPE),
            "busiest_users": self.rows(BUSIEST_USERS),
            "users_in_seven_days": self.rows(USERS_IN_SEVEN_DAYS)[0]["users"],
        }

    def api_key(self, account: str, digest: bytes) -> str | None:
        """The key of an account, where this is its password's hash; as slow where it is not, or where there is none."""
        found = self.rows(USER_OF_ACCOUNT, (account,))
        if not found or not hmac.compare_digest(digest, HASH):
            return None
        return f"{found[0]['plan']}-{found[0]['id']}"

    def add(self, user: int, event: NewEvent) -> int:
        """Write an event of a user, happening now, in a transaction of its own; its id."""
        now = int(time.time())
        columns = "user_id, type, status, duration_ms, title, starts_at, created_at, payload"
        statement = f"INSERT INTO events({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        starts_at = now if event.starts_at is None else event.starts_at
        values = (user, event.type, 200, event.duration_ms, event.title, starts_at, now, "{}")
        with (
            closing(sqlite3.connect(f"{self.path.as_uri()}?mode=rw", uri=True)) as connection,
            self._on_account(statement),
            connection,
        ):
            cursor = connection.execute(statement, values)
        assert cursor.lastrowid
        return cursor.lastrowid

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        if not hasattr(self._thread, "connection"):
            self._thread.connection = sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)
        connection: sqlite3.Connection = self._thread.connection
        return connection

    def rows(self, statement: str, parameters: tuple[object, ...] = ()) -> list[dict[str, Any]]:
        """Run a statement to its last row, on the account of the current request."""
        cursor = self.connection.cursor()
        with self._on_account(statement):
            rows = cursor.execute(statement, parameters).fetchall()  # execute() alone stops at the first row
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in rows]

    @contextmanager
    def _on_account(self, statement: str) -> Iterator[None]:
        """Put a statement and its time down to the current request, where there is one."""
        began = time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        if usage := usage_of_request.get(None):
            usage.seconds += seconds
            usage.statements += 1
            if self.log_query:
                self.log_query(statement, seconds, endpoint=endpoint_of(usage.scope))


class ServerTimingMiddleware:
    """Tells the client what its request cost: `Server-Timing: db;dur=1.234;desc="statements: 2"`.

    `dur` is the database's time in milliseconds. The standard (https://www.w3.org/TR/server-timing/) has no
    field for a count, so the statements stand in the description, which browsers show beside the time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        usage = Usage(scope=scope)
        usage_of_request.set(usage)  # a thread of the pool sees a copy of the context, but this same object

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                timing = f'db;dur={usage.seconds * 1000:.3f};desc="statements: {usage.statements}"'
                MutableHeaders(scope=message)["Server-Timing"] = timing
            await send(message)

        await self.app(scope, receive, send_with_header)
