"""The monitor's JSON lines: one for each request and each slow statement.

The logger is named after this module, `course_lib.monitor.lines`. Requests are logged at INFO;
failed requests, slow requests and slow statements at WARNING.
"""

import json
import logging
import sysconfig
import traceback
from datetime import UTC, datetime
from pathlib import Path
from traceback import StackSummary, walk_tb
from typing import Any

FAILURE = "course_lib.failure"
"""The key of a scope for what `describe` returns, if an app has handled the error itself."""

LOGGED = "course_lib.logged"
"""The key of a scope that's true once its request has a line."""

MOST_FRAMES = 4
LIBRARIES = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))

lines = logging.getLogger(__name__)


def write_line(level: int, **fields: Any) -> None:
    """Log one JSON object. Pass names and figures only, never anything that a client sent.

    A log handler that raises disturbs no response: its error is printed.
    """
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": logging.getLevelName(level),
        **fields,
    }
    try:
        lines.log(level, "%s", json.dumps(line))
    except Exception:
        traceback.print_exc()


def describe(error: BaseException) -> dict[str, str]:
    """Return an error's type, and the last lines of the app that it passed.

    Its message isn't part of that, because it may contain what a client sent.
    """
    frames = StackSummary.extract(walk_tb(error.__traceback__), lookup_lines=False)
    of_app = [frame for frame in frames if not frame.filename.startswith(LIBRARIES)]
    last = (of_app or frames)[-MOST_FRAMES:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in last]
    return {"error": type(error).__name__, "at": ", ".join(places)}


def milliseconds(seconds: float) -> float:
    """Return a duration in milliseconds, rounded to a microsecond."""
    return round(seconds * 1000, 3)
