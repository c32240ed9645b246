"""The Events API, the example service that every lesson works on. Read `app.py`."""

from course_lib.api.app import (
    LIMITS,
    LOGIN,
    NEWEST_EVENTS,
    EventsDatabase,
    Limits,
    NewEvent,
    ServerTimingMiddleware,
    create_app,
)

__all__ = [
    "LIMITS",
    "LOGIN",
    "NEWEST_EVENTS",
    "EventsDatabase",
    "Limits",
    "NewEvent",
    "ServerTimingMiddleware",
    "create_app",
]
