"""The Events API: the example service that every lesson works on.

    app = create_app("events.db", redis_url="redis://localhost:6379", indexes=True, cache=True)

Read `app.py` first: it has `create_app`, with each fix off or on. The rest has a file an idea:

    stats.py          the endpoint of the first lesson, and its cache
    database.py       the SQLite file and its queries
    connections.py    a reading connection for each thread
    json_values.py    values of any type, in a form that JSON can express
    writer.py         one queue for all writes
    models.py         the bodies of requests
    bodies.py         how large and how slow a body may be
    failures.py       a short response and one log line for each request that fails
    responses.py      the failures that the OpenAPI document lists
    slots.py          how many requests may wait for something slow
    callers.py        whose request it is: the X-API-Key header
    login.py          passwords and API keys
    parsing.py        the endpoint that stands in for an expensive model
    limits.py         how many requests each caller may send
    server_timing.py  what a request cost the database, in a header
    monitoring.py     /metrics and /dashboard
"""

from course_lib.api.app import create_app
from course_lib.api.database import NEWEST_EVENTS, EventsDatabase
from course_lib.api.limits import LIMITS, LOGIN, Limits
from course_lib.api.models import LARGEST_INTEGER, NewEvent
from course_lib.api.server_timing import ServerTimingMiddleware

__all__ = [
    "LARGEST_INTEGER",
    "LIMITS",
    "LOGIN",
    "NEWEST_EVENTS",
    "EventsDatabase",
    "Limits",
    "NewEvent",
    "ServerTimingMiddleware",
    "create_app",
]
