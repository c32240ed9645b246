"""Respond to requests that fail, with one log line each, and nothing in it that a client sent.

a body or parameter that isn't valid --> 422 that names the place, no log line
a row that the table rejects         --> 409
a database that can't be used        --> 503 and Retry-After
any other exception                  --> 500
"""

import logging
import sqlite3

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from course_lib.asgi import App, Message, Receive, Scope, Send
from course_lib.monitor.endpoints import endpoint_of
from course_lib.monitor.lines import FAILURE, LOGGED, describe

UNUSABLE = "the database can't be used at the moment: try again in a second"
REJECTED = "the table's own rules, a constraint or a trigger, reject this row: send another"

log = logging.getLogger(__package__)


def add_failures(app: FastAPI, *, is_monitored: bool) -> None:
    """Add the responses to invalid requests and to failures of the database.

    If the app is monitored, the monitor's line has the failure, and is the only one.
    """

    @app.exception_handler(RequestValidationError)
    async def invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
        # Without the input, which could be long, secret, or something that JSON can't express.
        shown = ("type", "loc", "msg")
        detail = [{name: problem[name] for name in shown} for problem in error.errors()]
        return JSONResponse({"detail": detail}, 422)

    @app.exception_handler(sqlite3.DatabaseError)
    async def database_failed(request: Request, error: sqlite3.DatabaseError) -> JSONResponse:
        # SQLite's own messages name tables and files, and no values.
        request.scope[FAILURE] = describe(error) | {"message": str(error)}
        if not is_monitored:
            _log_once(request.scope)
        if isinstance(error, sqlite3.IntegrityError):
            return JSONResponse({"detail": REJECTED}, 409)
        return JSONResponse({"detail": UNUSABLE}, 503, {"Retry-After": "1"})


class FailureMiddleware:
    """Respond to an exception with 500, and log each failure in one line, unless a monitor has.

    The server would log a traceback of 40 to 60 lines, with the exception's message, which may
    contain what the client sent. After an exception the response may have started already; then
    the server cuts the connection, because the app returns before it's complete.
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
            scope[FAILURE] = describe(error)
            _log_once(scope)
            if not has_started:
                await JSONResponse({"detail": "internal error"}, 500)(scope, receive, send)
        else:
            if FAILURE in scope:
                _log_once(scope)


def _log_once(scope: Scope) -> None:
    if LOGGED in scope:
        return
    scope[LOGGED] = True
    failure = scope[FAILURE]
    if "message" in failure:
        log.error("the database failed at %s: %s", endpoint_of(scope), failure["message"])
    else:
        log.error("%s failed: %s at %s", endpoint_of(scope), failure["error"], failure["at"])
