"""Exercise: which endpoint costs users the most time?"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import brief
from course_lib.monitor import Metrics

# Requests, errors, and the mean, P50, P90, P99 and longest in seconds.
SERVICE = {
    "GET /items": (1_000, 2, 0.02, 0.02, 0.03, 0.05, 0.1),
    "GET /health": (90_000, 0, 0.0005, 0.0004, 0.001, 0.002, 0.01),
    "GET /report": (12, 0, 4.0, 4.2, 5.0, 5.5, 6.0),
    "GET /search": (6_000, 600, 0.045, 0.03, 0.09, 0.3, 0.5),
    "POST /pay": (900, 700, 0.12, 0.1, 0.2, 0.5, 2.0),
    "GET /export": (300, 0, 0.4, 0.1, 0.9, 8.0, 9.0),
    "POST /upload": (150, 1, 0.9, 0.4, 1.5, 4.0, 40.0),
    "GET /list": (2_500, 0, 0.09, 0.12, 0.13, 0.14, 0.2),
    "GET /stats": (8_000, 0, 0.03, 0.002, 0.2, 0.4, 0.6),
    "GET /feed": (4_000, 1, 0.02, 0.02, 0.03, 0.04, 3.0),
    "GET /tags": (700, 0, 0.03, 0.02, 0.05, 0.06, 0.1),
    "POST /sync": (500, 0, 0.5, 0.48, 0.6, 0.7, 0.8),
    "PUT /cart": (2_000, 500, 0.13, 0.1, 0.15, 0.2, 0.5),
    "GET /docs": (40, 0, 0.001, 0.001, 0.002, 0.003, 0.004),
}


class FindIt(Exercise):
    """Where the time goes: how often times how long."""

    lesson = "monitoring"
    name = "find_it"
    task = """Which endpoint should you speed up first? The one that all users together wait for
most: halving *its* time saves the most.

Write `find_it(metrics)`: it returns the name of that endpoint. `metrics` is a dict of what the
monitor has measured. Its keys are names, such as `"GET /items"`. Each value has `.count`,
`.errors`, and in seconds `.mean`, `.p50`, `.p90`, `.p99` and `.max`."""
    stub = """def find_it(metrics):
    return ...  # the name of an endpoint"""
    hints = (
        "One endpoint serves 10 requests of 2 seconds, another 4,000 of 0.05. Which do people wait "
        "for longer in all?",
        "How often times how long, for each. Only one of these figures, times `count`, is the sum "
        "of all waiting.",
        "`max(metrics, key=...)` returns the name with the largest key; the key is a function of "
        "the name.",
    )
    praise = (
        "How often times how long: the mean tells you little about a single request, and "
        "everything about the sum."
    )
    refusals: ClassVar = {
        "slowest_first": (
            "That's the slowest one, and it's rarely called. Making it twice as fast saves little.",
            "Take into account how often each one is called.",
        ),
        "worst_case": (
            "That one had the slowest single requests. They're worth a look, but most of the "
            "waiting is elsewhere.",
            "Take into account how often each one is called, and how long all of its requests "
            "take.",
        ),
        "busiest_first": (
            "That one is called most, and takes next to no time.",
            "Take into account how long each one takes, too.",
        ),
        "most_errors": (
            "That one fails most often: it deserves an alert of its own. The question is where the "
            "time goes.",
            "How often times how long.",
        ),
        "percentile_times_count": (
            "A percentile is the time of one request. Multiplied by the count, it's the total if "
            "all of them took that long.",
            "One of the figures, times `count`, is the sum of all times: which?",
        ),
        "worst_times_count": (
            "That multiplies the longest request by the count: as if all of them had taken as "
            "long as the worst one.",
            "One of the figures, times `count`, is the sum of all times: which?",
        ),
        "errors_left_out": (
            "You left out the requests that failed, but their users waited too.",
            "Use `count`: it includes the requests that failed.",
        ),
        "errors_twice": (
            "You counted the requests that failed twice.",
            "Use `count`: it includes the requests that failed.",
        ),
        "typed_in": (
            "Right for one service, wrong for another: your answer is the same for both.",
            "Find the name from the figures in `metrics`.",
        ),
        "least": ("That's the one with the least to gain.", "`max`, not `min`."),
        "first_listed": (
            "That's the first one in the dict, and the order of a dict isn't a measurement.",
            "Compare all of them.",
        ),
        "not_a_name": (
            "That's not the name of an endpoint.",
            'Return a key of `metrics`, such as `"GET /items"`.',
        ),
        "another_endpoint": (
            "People wait longer for another one.",
            "How often times how long, for each.",
        ),
    }

    @staticmethod
    def find_it(metrics):
        """Return the endpoint that took the most time in all."""
        return max(metrics, key=lambda endpoint: metrics[endpoint].count * metrics[endpoint].mean)

    def judge(self, answer: Callable[[Mapping[str, Metrics]], str]) -> None:
        """Try two services, in each of which every other rule finds another endpoint."""
        names = list(SERVICE)
        first = self._compare(answer, _metrics(1.0, names, names))
        backwards = names[::-1]
        other_services = [*names[:5][::-1], *names[5:][::-1]]
        self._compare(answer, _metrics(0.1, backwards, other_services), first)

    def _compare(
        self, answer: Callable[..., Any], metrics: dict[str, Metrics], earlier: str = ""
    ) -> str:
        """Refuse any endpoint but the right one, and return it."""
        call = "find_it(metrics)"
        result = self.call(answer, metrics)
        if not isinstance(result, str) or result not in metrics:
            self.refuse("not_a_name", call=call, got=brief(result), expected="a key of metrics")
        totals = {endpoint: _total(figures) for endpoint, figures in metrics.items()}
        largest = max(totals.values())
        if totals[result] == largest:
            return result
        figures = metrics[result]
        requests = f"{figures.count:,} requests of {figures.mean:g} s on average"
        self.refuse(
            "typed_in" if result == earlier else _mistake(result, metrics),
            call=call,
            got=f"{result!r}: {requests}, {totals[result]:,.0f} s in all",
            expected=f"one that people wait {largest:,.0f} s for in all",
        )


def _metrics(factor: float, names: list[str], services: list[str]) -> dict[str, Metrics]:
    """Return what a monitor has measured of services, under these names, times a factor."""
    metrics = {}
    for endpoint, service in zip(names, services, strict=True):
        count, errors, *seconds = SERVICE[service]
        mean, p50, p90, p99, longest = (factor * value for value in seconds)
        total = count * mean
        metrics[endpoint] = Metrics(
            int(count), total, mean, p50, p90, p99, longest, errors=int(errors)
        )
    return metrics


def _total(figures: Metrics) -> float:
    return figures.count * figures.mean


# The misconceptions, each with a rule that it leads to: the endpoint with the largest value.
RULES: tuple[tuple[str, Callable[[Metrics], float]], ...] = (
    ("busiest_first", lambda figures: figures.count),
    ("slowest_first", lambda figures: figures.mean),
    ("worst_case", lambda figures: figures.p99),
    ("worst_case", lambda figures: figures.max),
    ("most_errors", lambda figures: figures.errors),
    ("percentile_times_count", lambda figures: figures.p50 * figures.count),
    ("percentile_times_count", lambda figures: figures.p90 * figures.count),
    ("percentile_times_count", lambda figures: figures.p99 * figures.count),
    ("worst_times_count", lambda figures: figures.max * figures.count),
    ("errors_left_out", lambda figures: (figures.count - figures.errors) * figures.mean),
    ("errors_twice", lambda figures: (figures.count + figures.errors) * figures.mean),
    ("least", lambda figures: -_total(figures)),
)


def _mistake(endpoint: str, metrics: Mapping[str, Metrics]) -> str:
    """Return the misconception that leads to this endpoint."""
    for mistake, rule in RULES:
        scores = {name: rule(figures) for name, figures in metrics.items()}
        if endpoint == max(scores, key=scores.__getitem__):
            return mistake
    first, *_ = metrics
    return "first_listed" if endpoint == first else "another_endpoint"
