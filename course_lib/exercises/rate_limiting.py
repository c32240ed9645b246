"""The exercises of lesson 3, rate limiting. Here are the two ends of a refusal: who is told to wait, and who tells."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import httpx
from fastapi import FastAPI

from course_lib.exercises.engine import Exercise, brief
from course_lib.exercises.rate_limiting_schedules import attack, serve_the_page
from course_lib.exercises.rate_limiting_windows import fixed_window, sliding_log, two_counters
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.welcome import as_number
from course_lib.lab.redis_server import Client
from course_lib.limiter import RateLimiter

__all__ = [
    "attack",
    "fixed_window",
    "polite_client",
    "protect",
    "serve_the_page",
    "sliding_log",
    "two_counters",
]

Responses = list[httpx.Response]


class PoliteClient(Exercise):
    """Wait as long as one is told, and give up in time."""

    lesson = "rate_limiting"
    name = "polite_client"
    task = """Write a client that behaves: `polite_client(send, sleep)`. `send()` sends its request and gives the
response, with `.status_code` and `.headers`; `sleep(seconds)` waits.

1. **send**
2. **wait**, where the answer is 429 (and only there): as many seconds as the header `Retry-After` says, which is text
3. **send again**, and after the third refusal **give up**: whatever the last response is, it is the answer"""
    stub = """def polite_client(send, sleep):
    response = send()  # 1 send
    ...  # 2 wait, and 3 send again, at most twice
    return ...  # the last response"""
    hints = (
        "Three requests at most, so two waits at most: `for _ in range(2):` begins a loop of two rounds.",
        "In a round: `if response.status_code != 429: break`. Else wait, and send again.",
        'The wait: `sleep(int(response.headers["Retry-After"]))`. The last line of the function is `return response`.',
    )
    praise = "Waited as long as it was told, not at all where it was not, and gave up in time."
    refusals: ClassVar = {
        "at_once": (
            "The next request came at once. A refusal that is answered by another request makes the crowd larger.",
            "Between the two: `sleep(...)`, for as long as `Retry-After` says.",
        ),
        "too_early": (
            "The wait was shorter than `Retry-After` says, so the next request was for nothing.",
            "Wait the whole time that this response names; the next one may name another.",
        ),
        "too_long": (
            "The wait was much longer than `Retry-After` says.",
            "It counts seconds, as `sleep` does; and it is not `X-RateLimit-Reset`, which says when all is free again.",
        ),
        "text_for_seconds": (
            "`sleep` was given text: headers are text.",
            "Make a number of it: `int(...)`.",
        ),
        "gives_up_at_once": (
            "It was told when to come again, and did not come.",
            "Step 3: after the wait, `send()` once more.",
        ),
        "gives_up_early": (
            "It was refused twice, and a third request would have passed.",
            "Give up after the third refusal, not before.",
        ),
        "never_gives_up": (
            "After three refusals it went on.",
            "Count the attempts: three in all.",
        ),
        "retries_errors": (
            "A response that is no 429 was answered by another request: for a 404 or a 500 nobody said that waiting "
            "helps, and a POST might be done twice.",
            "Only 429 is waited for; all others are the answer.",
        ),
        "waits_for_nothing": (
            "It waited although no further request followed.",
            "Wait only between a refusal and the next attempt.",
        ),
        "another_answer": (
            "That is not the last response.",
            "Return the response itself, as `send()` gave it.",
        ),
    }

    @staticmethod
    def polite_client(send, sleep):
        """The first response that is no refusal, after up to three attempts."""
        response = send()
        for _ in range(2):
            if response.status_code != 429:
                break
            sleep(int(response.headers["Retry-After"]))
            response = send()
        return response

    def judge(self, answer: Any) -> None:
        """Admitted at once, errors, a refusal, two with different waits, and no end of them."""
        for plan in (
            [200],
            [404],
            [500],
            [503],
            ["7", 200],
            ["40", 500],
            ["3", "25", 200],
            ["30", "2", 200],
        ):
            self._meet(answer, plan)
        self._meet(answer, [*["5"] * 6, 200])

    def _meet(self, answer: Any, plan: Sequence[Any]) -> None:
        service = _Service(plan)
        result = self.call(answer, service.send, service.sleep)
        mistake = service.mistake()
        if not service.sent or (not mistake and result is not service.sent[-1]):
            mistake = "another_answer"
        if mistake:
            answers = [
                f"429, Retry-After: {each}" if isinstance(each, str) else str(each)
                for each in plan[:4]
            ]
            call = f"{self.name}(send, sleep), of a service that answers {'; '.join(answers)}"
            self.refuse(mistake, call=call, got=f"{service!r}, and returned {brief(result)}")


class _Service:
    """Answers in turn by a status, or by a refusal with this Retry-After, and notes what its client does."""

    def __init__(self, plan: Sequence[Any]) -> None:
        self.plan = plan
        self.sent: list[httpx.Response] = []
        self.waits: list[list[Any]] = [
            []
        ]  # what `sleep` was given before the first request, and after each
        self.send, self.sleep = _Named("send", self._answer), _Named("sleep", self._wait)

    def __repr__(self) -> str:
        waits = [[f"waited {brief(each)}" for each in wait] for wait in self.waits]
        return (
            ", ".join([*waits[0], *itertools.chain(*(["sent", *wait] for wait in waits[1:]))])
            or "sent nothing"
        )

    def _answer(self) -> httpx.Response:
        answer = self.plan[min(len(self.sent), len(self.plan) - 1)]
        refusal = {"Retry-After": str(answer), "X-RateLimit-Reset": "90"}
        self.sent.append(
            httpx.Response(429, headers=refusal)
            if isinstance(answer, str)
            else httpx.Response(answer)
        )
        self.waits.append([])
        return self.sent[-1]

    def _wait(self, seconds: Any) -> None:
        self.waits[-1].append(seconds)

    def mistake(self) -> str | None:
        """The first thing that its client did wrong."""
        waits = list(itertools.chain(*self.waits))
        if any(isinstance(wait, str | bytes) for wait in waits):
            return "text_for_seconds"
        if not all(
            (seconds := as_number(wait)) is not None and 0 <= seconds < math.inf for wait in waits
        ):
            return "wrong_type"
        waited = [sum(map(float, wait)) for wait in self.waits[1:]]
        for number, response in enumerate(self.sent):
            is_last, told = (
                number == len(self.sent) - 1,
                int(response.headers.get("Retry-After", 0)),
            )
            for mistake, made in {
                "retries_errors": not told and not is_last,
                "waits_for_nothing": waited[number] and is_last,
                "at_once": told and not is_last and not waited[number],
                "too_early": not is_last and waited[number] < told,
                "too_long": waited[number] > 1.5 * told + 2,
            }.items():
                if made:
                    return mistake
        wanted = min(len(self.plan), 3)
        if len(self.sent) < wanted:
            return "gives_up_at_once" if len(self.sent) == 1 else "gives_up_early"
        return "never_gives_up" if len(self.sent) > wanted else None


class _Named:
    """A function with a name that a check can show; a copy is the same."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name, self._function = name, function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __repr__(self) -> str:
        return self._name

    def __deepcopy__(self, _: object) -> "_Named":
        return self


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
        result = await self.call_async(answer, app, limiter, _Named("call_model", call_model))
        if not callable(result):
            self.refuse("wrong_type", call=self._calling, got=brief(result), expected="the app")

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


polite_client = PoliteClient()
protect = Protect()
