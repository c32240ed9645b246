"""A service that rejects requests by a plan, and judges how a client waits; for `polite_client`."""

import contextlib
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from course_lib.exercises.answers import as_number
from course_lib.exercises.fakes import NamedFunction
from course_lib.exercises.judging import first_made
from course_lib.exercises.verdict import brief

OTHER_SLEEP = "time.sleep was called"


@contextlib.contextmanager
def no_other_sleep() -> Iterator[None]:
    """Let `time.sleep` raise an error, because waiting there would take longer than the check."""

    def other_sleep(_seconds: Any) -> None:
        raise RuntimeError(OTHER_SLEEP)

    real, time.sleep = time.sleep, other_sleep
    try:
        yield
    finally:
        time.sleep = real


class RejectingService:
    """Responds by a plan, and records waits.

    A plan has statuses, rejections with this Retry-After, and pairs of a status and a Retry-After.
    """

    def __init__(self, plan: Sequence[Any]) -> None:
        self.plan = plan
        self.responses: list[httpx.Response] = []
        self.waits: list[list[Any]] = [[]]
        """The arguments of `sleep`: before the first request, then after each."""
        self.send = NamedFunction("send", self._respond)
        self.sleep = NamedFunction("sleep", self._wait)

    def log(self) -> str:
        """Return what the client did, in its order."""
        steps: list[str] = []
        for number, waits in enumerate(self.waits):
            if number:
                steps.append("sent")
            for seconds in waits:
                steps.append(f"waited {brief(seconds)}")
        return ", ".join(steps) or "sent nothing"

    def mistake(self) -> str | None:
        """Return the first thing that the client did wrong."""
        waits = list(itertools.chain(*self.waits))
        if any(isinstance(seconds, str | bytes) for seconds in waits):
            return "text_for_seconds"
        if not all(map(_is_duration, waits)):
            return "wrong_type"
        if self.waits[0]:
            return "waits_for_nothing"
        for number in range(len(self.responses)):
            mistake = self._mistake_after(number)
            if mistake:
                return mistake
        wanted = min(len(self.plan), 3)
        if len(self.responses) < wanted:
            return "gives_up_at_once" if len(self.responses) == 1 else "gives_up_early"
        return "never_gives_up" if len(self.responses) > wanted else None

    def _mistake_after(self, number: int) -> str | None:
        """Return what the client did wrong after this response, counted from 0."""
        is_last = number == len(self.responses) - 1
        response = self.responses[number]
        is_rejection = response.status_code == 429
        retry_after = int(response.headers["Retry-After"]) if is_rejection else 0
        waited = sum(map(float, self.waits[number + 1]))
        mistakes = {
            "retries_errors": not retry_after and not is_last,
            "waits_for_nothing": waited and is_last,
            "at_once": retry_after and not is_last and not waited,
            "too_early": not is_last and waited < retry_after,
            "too_long": waited > 1.5 * retry_after + 2,
        }
        return first_made(mistakes)

    def _respond(self) -> httpx.Response:
        planned = self.plan[min(len(self.responses), len(self.plan) - 1)]
        if isinstance(planned, tuple):
            status, seconds = planned
            response = httpx.Response(status, headers={"Retry-After": seconds})
        elif isinstance(planned, str):
            headers = {"Retry-After": planned, "X-RateLimit-Reset": "90"}
            response = httpx.Response(429, headers=headers)
        else:
            response = httpx.Response(planned)
        self.responses.append(response)
        self.waits.append([])
        return response

    def _wait(self, seconds: Any) -> None:
        self.waits[-1].append(seconds)


def _is_duration(value: Any) -> bool:
    seconds = as_number(value)
    return seconds is not None and 0 <= seconds < math.inf


def shown_plan(planned: Any) -> str:
    """Return a planned response as text."""
    if isinstance(planned, str):
        return f"429, Retry-After: {planned}"
    if isinstance(planned, tuple):
        status, seconds = planned
        return f"{status}, Retry-After: {seconds}"
    return str(planned)
