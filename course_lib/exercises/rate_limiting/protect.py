"""The limit goes round the endpoint, and the route round the limit."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from fastapi import FastAPI

from course_lib.exercises.fakes import NamedFunction
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.verdict import brief
from course_lib.lab.redis_server import Client
from course_lib.limiter import RateLimiter

Responses = list[httpx.Response]


class Protect(RedisExercise):
    """The limit goes round the endpoint, and the route round the limit."""

    lesson = "rate_limiting"
    name = "protect"
    task = """Each call of the language model costs money. Here is the endpoint that makes them, and `limiter` is a
`RateLimiter`. Let each client through **50** times a minute. It takes one line, the decorator
`@limiter.limit("<limit>")`. Then return the app."""
    stub = """def protect(app, limiter, call_model):
    @app.post("/api/events/parse")
    async def parse(text: str):
        return await call_model(text)

    return ...  # app, when the line is there"""
    hints = (
        "A decorator wraps what stands below it. What is to be wrapped in the limit: the endpoint, or its route?",
        "`@app.post(...)` registers what it is given, as it is then. So the limit goes below that line.",
        'Between `@app.post(...)` and `async def`: `@limiter.limit("50/minute")`. And `return app`.',
    )
    praise = "Fifty a minute for each client, and whoever comes too often costs you nothing."
    refusals: ClassVar = {
        "unlimited": (
            "The endpoint answers however often it is asked.",
            "One line is missing: `@limiter.limit(...)`.",
        ),
        "above_the_route": (
            "A limited function was made, and the route has the other one: `@app.post` registers what stands below it, "
            "and the limit came only afterwards.",
            "Decorators work from the bottom up: put the limit below `@app.post`.",
        ),
        "another_limit": ("That is not 50 a minute.", 'The limit is text: `"50/minute"`.'),
        "another_window": (
            "Fifty pass at once, and then the limit does not count by the minute.",
            'The limit is text: `"50/minute"`.',
        ),
        "one_for_all": (
            "When one client had used up the limit, another one was refused.",
            "Count for each client by itself; the decorator does.",
        ),
        "limits_others": (
            "Other routes are limited now, too: a health check that is refused looks like a service that is down.",
            "Limit this endpoint alone.",
        ),
        "too_late": (
            "The model was called, and paid, for a request that was then refused.",
            "Ask the limiter before the work begins.",
        ),
        "another_status": (
            "Who comes too often is answered by another status than 429: no client will know that waiting helps.",
            "429 is Too Many Requests; the decorator sends it.",
        ),
        "no_retry_after": (
            "The refusal does not say when to come again.",
            "Send the header `Retry-After`, in whole seconds; the decorator does.",
        ),
        "endpoint_broken": (
            "The endpoint does not answer what it did before.",
            "Leave the route and the function as they are, and return the app.",
        ),
    }

    @staticmethod
    def protect(app, limiter, call_model):
        """The app, with fifty calls of the model a minute for each client."""

        @app.post("/api/events/parse")
        @limiter.limit("50/minute")
        async def parse(text: str):
            return await call_model(text)

        return app

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """One client 51 times, another one, another route, and the same client later: the check turns the clock."""
        now, calls = 1_000.0, 0
        limiter = _Noted(redis, algorithm="sliding_log", clock=lambda: now)

        async def call_model(text: str) -> dict[str, str]:
            nonlocal calls
            calls += 1
            return {"title": text.upper()}

        app = FastAPI()
        app.get("/health")(lambda: {"status": "ok"})
        result = await self.call_async(
            answer, app, limiter, NamedFunction("call_model", call_model)
        )
        if not callable(result):
            self.refuse(
                "wrong_type", call=self._current_call, got=brief(result), expected="the app"
            )

        async def send(
            client: int, times: int, method: str = "POST", path: str = "/api/events/parse"
        ) -> Responses:
            transport = httpx.ASGITransport(
                result, client=(f"10.0.0.{client}", 1), raise_app_exceptions=False
            )
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
                headers, query = {"X-API-Key": f"free-{client}"}, {"text": "lunch on friday"}
                return [
                    await http.request(method, path, params=query, headers=headers)
                    for _ in range(times)
                ]

        first = await send(7, 51)
        self._first_minute(first, calls, asked=limiter.asked)
        other, health = await send(8, 1), await send(7, 60, "GET", "/health")
        now += 59
        early = await send(7, 1)
        now += 2
        later = await send(7, 50)
        for mistake, call, responses, expected in (
            ("one_for_all", "then 1 request of another client", other, {200: 1}),
            ("limits_others", "60 requests to /health", health, {200: 60}),
            ("another_window", "the first client again after 59 s", early, {429: 1}),
            ("another_window", "50 requests of the first client after 61 s", later, {200: 50}),
        ):
            if _statuses(responses) != expected:
                self.refuse(
                    mistake, call=call, got=_said(_statuses(responses)), expected=_said(expected)
                )

    def _first_minute(self, responses: Responses, calls: int, *, asked: bool) -> None:
        statuses = _statuses(responses)
        refusals = [response for response in responses if response.status_code != 200]
        works = not refusals or refusals[0] is not responses[0]
        for mistake, made in {
            "endpoint_broken": not works or responses[0].json() != {"title": "LUNCH ON FRIDAY"},
            "above_the_route": not refusals and asked,
            "unlimited": not refusals,
            "another_status": set(statuses) != {200, 429},
            "no_retry_after": not all(
                response.headers.get("Retry-After", "").isdecimal() for response in refusals
            ),
            "another_limit": statuses[200] != 50,
            "too_late": calls != 50,
        }.items():
            if made:
                got = f"{_said(statuses)}; the model was called {calls} times"
                self.refuse(
                    mistake,
                    call="51 requests of one client",
                    got=got,
                    expected=_said({200: 50, 429: 1}),
                )


def _statuses(responses: Responses) -> Counter[int]:
    return Counter(response.status_code for response in responses)


def _said(statuses: Mapping[int, int]) -> str:
    return ", ".join(f"{count} times {status}" for status, count in statuses.items())


class _Noted(RateLimiter):
    """A limiter that knows whether its decorator was used."""

    asked = False

    def limit(self, *arguments: Any, **options: Any) -> Any:
        self.asked = True
        return super().limit(*arguments, **options)
