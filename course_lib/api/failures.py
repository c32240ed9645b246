"""Respond to requests that fail, with one log line each, and nothing in it that a client sent.

a body or parameter that isn't valid --> 422 that names the place, no log line
a database that can't be used        --> 503 and Retry-After
any other exception                  --> 500
"""

import logging
import sqlite3
import traceback
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from course_lib.asgi import App, Message, Receive, Scope, Send
from course_lib.monitor.endpoints import endpoint_of

PACKAGES = Path(__file__).parents[1]
MOST_FRAMES = 4

log = logging.getLogger(__package__)


def add_failures(app: FastAPI) -> None:
    """Add the responses to invalid requests and to failures of the database."""

    @app.exception_handler(RequestValidationError)
    async def invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
        # Without the input, which could be long, secret, or something that JSON can't express.
        shown = ("type", "loc", "msg")
        detail = [{name: problem[name] for name in shown} for problem in error.errors()]
        return JSONResponse({"detail": detail}, 422)

    @app.exception_handler(sqlite3.DatabaseError)
    async def database_failed(request: Request, error: sqlite3.DatabaseError) -> JSONResponse:
        # SQLite's own messages name tables and files, and no values.
        log.error("the database failed at %s: %s", endpoint_of(request.scope), error)
        detail = "the database can't be used at the moment: try again in a second"
        return JSONResponse({"detail": detail}, 503, {"Retry-After": "1"})


class FailureMiddleware:
    """Respond to an exception with 500 and log where it was raised, in one line.

    The server would log a traceback of 40 to 60 lines, with the exception's message, which may
    contain what the client sent. An exception after the start of the response is raised, so that
    the server cuts the connection.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; pass on a lifespan's exceptions, which stop the server."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_started = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            log.error("%s failed: %s", endpoint_of(scope), _describe(error))
            if has_started:
                raise
            await JSONResponse({"detail": "internal error"}, 500)(scope, receive, send)


def _describe(error: Exception) -> str:
    """Return the type of an exception and the last of our lines that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if PACKAGES in Path(frame.filename).parents]
    last = (ours or frames)[-MOST_FRAMES:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in last]
    return f"{type(error).__name__} at {', '.join(places)}"
