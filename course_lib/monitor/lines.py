"""The monitor's JSON lines: one for each request and each slow statement.

The logger is named after this module, `course_lib.monitor.lines`. Requests are logged at INFO;
failed requests, slow requests and slow statements at WARNING.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

lines = logging.getLogger(__name__)


def write_line(level: int, **fields: Any) -> None:
    """Log one JSON object. Pass names and figures only, never anything that a client sent."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": logging.getLevelName(level),
        **fields,
    }
    lines.log(level, "%s", json.dumps(line))


def milliseconds(seconds: float) -> float:
    """Return a duration in milliseconds, rounded to a microsecond."""
    return round(seconds * 1000, 3)
