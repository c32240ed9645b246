"""The Events API: the patient that all lessons treat.

`create_app` makes it, with each cure off or on. Every answer, but that to an error of our own (500), tells in a header
what it cost the database.
"""

import os
import re
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Query
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course_lib.optimizer import create_indexes

ANONYMOUS_USER = 123
LARGEST_INTEGER = 2**63 - 1  # of SQLite

NEWEST_EVENTS = """
    SELECT id, user_id, type, status, duration_ms, title, starts_at, created_at
    FROM events WHERE user_id = ? ORDER BY created_at DESC, id DESC LIMIT ?
"""


def create_app(db_path: str | os.PathLike[str], *, indexes: bool = False) -> FastAPI:
    """Make the service on a database file of events; FileNotFoundError when there is no such file.

    `indexes=True` makes the indexes of `course_lib.optimizer` at start-up; `False` drops none.
    """
    database = ReadOnlyDatabase(db_path)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if indexes:
            create_indexes(database.path)
        yield

    app = FastAPI(title="The Events API", lifespan=lifespan)
    app.add_middleware(ServerTimingMiddleware)

    # A plain `def`: FastAPI runs it in a thread, so a slow query does not hold up the event loop.
    @app.get("/api/events")
    def newest_events(
        caller: Annotated[int, Depends(calling_user)],
        user_id: Annotated[int | None, Query(ge=1, le=LARGEST_INTEGER)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> list[dict[str, Any]]:
        """The newest events of a user; without `user_id` the caller's own."""
        return database.rows(NEWEST_EVENTS, (caller if user_id is None else user_id, limit))

    @app.get("/health")
    async def health() -> dict[str, str]:
        """The empty route: what HTTP itself costs."""
        return {"status": "ok"}

    return app


def calling_user(x_api_key: Annotated[str | None, Header()] = None) -> int:
    """Return the user of the key `<tier>-<user_id>`; who sends none is user 123."""
    if x_api_key is None:
        return ANONYMOUS_USER
    key = re.fullmatch("[a-z]+-([1-9][0-9]{0,17})", x_api_key)
    if key is None:
        raise HTTPException(
            status_code=401,
            detail="X-API-Key is <tier>-<user_id>, for example free-42; without the header you are user 123",
            headers={"WWW-Authenticate": "ApiKey"},
        )
    return int(key[1])


@dataclass
class Usage:
    """What one request asked of the database."""

    statements: int = 0
    seconds: float = 0.0


usage_of_request: ContextVar[Usage] = ContextVar("usage_of_request")


class ReadOnlyDatabase:
    """A SQLite file, open for reading, with a connection for each thread that asks."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._thread = threading.local()
        self.path = Path(path).absolute()
        if not self.path.is_file():
            raise FileNotFoundError(f"no database at {self.path}; `python -m course_lib.lab.events` makes one")

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
        began = time.perf_counter()
        rows = cursor.execute(statement, parameters).fetchall()  # execute() alone stops at the first row
        usage = usage_of_request.get()
        usage.seconds += time.perf_counter() - began
        usage.statements += 1
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in rows]


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
        usage = Usage()
        usage_of_request.set(usage)  # a thread of the pool sees a copy of the context, but this same object

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                timing = f'db;dur={usage.seconds * 1000:.3f};desc="statements: {usage.statements}"'
                MutableHeaders(scope=message)["Server-Timing"] = timing
            await send(message)

        await self.app(scope, receive, send_with_header)
