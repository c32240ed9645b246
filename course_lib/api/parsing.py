"""Turn text into an event: stands in for an expensive model that handles one call at a time."""

import asyncio
import re

from fastapi import FastAPI
from pydantic import BaseModel, Field

from course_lib.api.models import NewEvent
from course_lib.api.responses import BODY, failures
from course_lib.api.slots import Slots

MODEL_SECONDS = 0.2
"""The time that one call of the model takes, in seconds."""

MOST_CALLS = 200
"""The number of calls that a process handles at once. The last waits for 40 seconds."""

LONGEST_EVENT = 1440  # minutes


class EventText(BaseModel):
    """A description of an event in a user's own words."""

    text: str = Field(min_length=1, max_length=200)

    def event(self) -> NewEvent:
        """Return the event: the text is its title, and its length is read from the text."""
        minutes = min(self._minutes(), LONGEST_EVENT)
        return NewEvent(type="view", title=self.text, duration_ms=minutes * 60_000)

    def _minutes(self) -> int:
        length = re.search("([0-9]{1,3}) ?(min|hour)", self.text)
        if length is None:
            return 0
        number, unit = length.groups()
        return int(number) * (60 if unit == "hour" else 1)


def add_parsing(app: FastAPI) -> None:
    """Add `POST /api/events/parse`."""
    model = asyncio.Semaphore(1)
    slots = Slots(MOST_CALLS, "texts")

    @app.post("/api/events/parse", responses=failures(503, *BODY))
    async def parse_event(text: EventText) -> NewEvent:
        """Turn text into an event, without storing it. Takes 200 ms, one call at a time."""
        with slots:
            async with model:
                await asyncio.sleep(MODEL_SECONDS)
        return text.event()
