"""Exercise: limit an endpoint with a decorator."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from fastapi import FastAPI

from course_lib.exercises.fakes import NamedFunction, RecordingLimiter
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.verdict import Refusal, brief
from course_lib.lab.redis_server import Client

Responses = list[httpx.Response]
PARSE = "/api/events/parse"


class Protect(RedisExercise):
    """The limit wraps the endpoint, and the route wraps the limit."""

    lesson = "rate_limiting"
    name = "protect"
    task = """Each call to the language model costs money. Here is the endpoint that calls it, and
`limiter` is a `RateLimiter`. Allow each client **50** requests a minute. It takes one line, the
decorator `@limiter.limit("<limit>")`. Then return the app."""
    stub = """def protect(app, limiter, call_model):
    @app.post("/api/events/parse")
    async def parse(text: str):
        return await call_model(text)

    return ...  # app, when the line is there"""
    hints = (
        "A decorator wraps what's below it. What should the limit wrap: the endpoint, or its "
        "route?",
        "`@app.post(...)` registers the function below it as it is then. So the limit goes below "
        "that line.",
        "Between `@app.post(...)` and `async def`: "
        '`@limiter.limit("50/minute")`. Then `return app`.',
    )
    praise = "Each client gets fifty a minute, and requests above the limit cost you nothing."
    refusals: ClassVar = {
        "unlimited": (
            "The endpoint responds no matter how many requests it gets.",
            "One line is missing: `@limiter.limit(...)`.",
        ),
        "not_applied": (
            "`limiter.limit(...)` returns a decorator, and nothing is decorated with it.",
            "Write it with an `@`, on the line above `async def`.",
        ),
        "above_the_route": (
            "You created a limited function, but the route has the other one: `@app.post` "
            "registers what's below it, and the limit was added only afterwards.",
            "Decorators work from the bottom up: put the limit below `@app.post`.",
        ),
        "another_route": (
            "The limit is on another route; this endpoint has none.",
            "Leave the endpoint and its path as they are, and add one line to it.",
        ),
        "not_a_limit": (
            "The limiter doesn't understand this limit.",
            'Write it as text, and call `limit` with it: `@limiter.limit("50/minute")`.',
        ),
        "another_limit": ("That's not 50 a minute.", 'The limit is text: `"50/minute"`.'),
        "another_window": (
            "Fifty are allowed at once, but after that the limit isn't per minute.",
            'The limit is text: `"50/minute"`.',
        ),
        "one_for_all": (
            "After one client had used up the limit, another one was rejected.",
            "Count each client separately; the decorator does.",
        ),
        "limits_others": (
            "Other routes are limited now, too: if a health check is rejected, the service looks "
            "like it's down.",
            "Limit only this endpoint.",
        ),
        "too_late": (
            "The model was called, and paid for, for a request that was then rejected.",
            "Check the limit before the work begins.",
        ),
        "another_status": (
            "Requests above the limit get another status: clients can't know that waiting helps.",
            "429 is Too Many Requests; the decorator sends it.",
        ),
        "no_retry_after": (
            "The rejection doesn't say when to try again.",
            "Send the header `Retry-After`, in whole seconds; the decorator does.",
        ),
        "endpoint_broken": (
            "The endpoint doesn't respond as it did before.",
            "Leave the route and the function as they are, and return the app.",
        ),
    }

    @staticmethod
    def protect(app, limiter, call_model):
        """Return the app, with at most fifty calls of the model a minute for each client."""

        @app.post("/api/events/parse")
        @limiter.limit("50/minute")
        async def parse(text: str):
            return await call_model(text)

        return app

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Try one client 51 times, another one, another route, and the first client again later."""
        now, calls = 1_000.0, 0
        limiter = RecordingLimiter(redis, algorithm="sliding_log", clock=lambda: now)

        async def call_model(text: str) -> dict[str, str]:
            nonlocal calls
            calls += 1
            return {"title": text.upper()}

        app = FastAPI()
        app.get("/health")(lambda: {"status": "ok"})
        model = NamedFunction("call_model", call_model)
        try:
            protected = await self.call_async(answer, app, limiter, model)
        except Refusal as refusal:
            is_limiters_error = "'50/minute'" in refusal.got
            if is_limiters_error and refusal.misconception == "raised":
                self.refuse("not_a_limit", call=refusal.call, got=refusal.got)
            raise
        if not callable(protected):
            got = brief(protected)
            self.refuse("wrong_type", call=self._current_call, got=got, expected="the app")
        first = await _send(protected, 7, 51)
        self._first_minute(first, calls, limiter, app)
        other = await _send(protected, 8, 1)
        health = await _send(protected, 7, 60, "GET", "/health")
        now += 59
        early = await _send(protected, 7, 1)
        now += 2
        later = await _send(protected, 7, 50)
        for mistake, call, responses, expected in (
            ("one_for_all", "then 1 request of another client", other, {200: 1}),
            ("limits_others", "60 requests to /health", health, {200: 60}),
            ("another_window", "the first client again after 59 s", early, {429: 1}),
            ("another_window", "50 requests of the first client after 61 s", later, {200: 50}),
        ):
            statuses = _statuses(responses)
            if statuses != expected:
                self.refuse(mistake, call=call, got=_shown(statuses), expected=_shown(expected))

    def _first_minute(
        self, responses: Responses, calls: int, limiter: RecordingLimiter, app: FastAPI
    ) -> None:
        statuses = _statuses(responses)
        first = responses[0]
        failures = [response for response in responses if response.status_code != 200]
        retry_after = [failure.headers.get("Retry-After", "") for failure in failures]
        is_broken = first.status_code != 200 or first.json() != {"title": "LUNCH ON FRIDAY"}
        has_skipped_model = calls < min(50, statuses[200])
        has_other_count = set(statuses) == {200, 429} and statuses[200] != 50
        has_other_limit = limiter.limits and limiter.limits != ["50/minute"]
        is_limited = failures or calls < len(responses)
        is_unused = limiter.limits and not limiter.is_applied
        mistakes = {
            "not_applied": is_unused,
            "endpoint_broken": is_broken or has_skipped_model,
            "another_limit": has_other_count or (not is_limited and has_other_limit),
            "another_route": not is_limited and limiter.is_on_a_route(app),
            "above_the_route": not is_limited and limiter.limits,
            "unlimited": not is_limited,
            "another_status": set(statuses) != {200, 429},
            "no_retry_after": not all(seconds.isdecimal() for seconds in retry_after),
            "too_late": calls != 50,
        }
        got = f"{_shown(statuses)}; the model was called {_times(calls)}"
        expected = _shown({200: 50, 429: 1})
        self.refuse_first(mistakes, call="51 requests of one client", got=got, expected=expected)


async def _send(
    app: Any, client: int, times: int, method: str = "POST", path: str = PARSE
) -> Responses:
    """Send a client's requests to an app, one after another."""
    address = (f"10.0.0.{client}", 1)
    transport = httpx.ASGITransport(app, client=address, raise_app_exceptions=False)
    headers, query = {"X-API-Key": f"free-{client}"}, {"text": "lunch on friday"}
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        return [
            await http.request(method, path, params=query, headers=headers) for _ in range(times)
        ]


def _statuses(responses: Responses) -> Counter[int]:
    return Counter(response.status_code for response in responses)


def _shown(statuses: Mapping[int, int]) -> str:
    return ", ".join(f"{_times(count)} {status}" for status, count in statuses.items())


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
