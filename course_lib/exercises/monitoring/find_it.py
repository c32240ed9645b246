"""Where the time goes: how often times how long."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import brief
from course_lib.monitor import Metrics


class FindIt(Exercise):
    """Where the time goes: how often times how long."""

    lesson = "monitoring"
    name = "find_it"
    task = """Which endpoint should be made faster first? The one that all users together wait for most: whoever halves
*that* saves the most.

Write `find_it(metrics)`: it is given what the monitor knows, and returns an endpoint's name. `metrics` is a dict. For
each endpoint, such as `"GET /items"`, it has `.count`, `.errors`, and in seconds `.mean`, `.p50`, `.p90`, `.p99` and
`.max`."""
    stub = """def find_it(metrics):
    return ...  # the name of an endpoint"""
    hints = (
        "An endpoint answers 10 requests of 2 seconds, another 4,000 of 0.05. For which do people wait longer in all?",
        "How often times how long, for each. Of all those figures just one, times `count`, gives the sum.",
        "`max(metrics, key=...)` gives the name whose key is greatest; the key is a function of the name.",
    )
    praise = "How often, times how long: the mean says little of a single request, and all about the sum."
    refusals: ClassVar = {
        "slowest_first": (
            "That one is the slowest, and it is seldom called. Making it twice as fast saves little.",
            "Take into account how often each is called.",
        ),
        "worst_case": (
            "That one had the slowest single requests. They are worth a look; the sum of all waiting lies elsewhere.",
            "Take into account how often each is called, and how long all of its requests took.",
        ),
        "busiest_first": (
            "That one is called most, and its answers take next to nothing.",
            "Take into account how long each takes, too.",
        ),
        "most_errors": (
            "That one fails most: worth an alarm of its own. Asked for was where the time goes.",
            "How often times how long.",
        ),
        "percentile_times_count": (
            "A percentile is one request's time. Times the count, it is what would be if all took as long.",
            "One of the figures, times `count`, gives the sum of all times: which?",
        ),
        "least": ("That is the one with the least to gain.", "`max`, not `min`."),
        "first_listed": (
            "That one stands first in the dict, and the order of a dict is no measurement.",
            "Compare all of them.",
        ),
        "not_a_name": (
            "That is not the name of an endpoint.",
            'Return a key of `metrics`, such as `"GET /items"`.',
        ),
        "another_endpoint": (
            "People wait longer for another one.",
            "How often times how long, for each.",
        ),
    }

    @staticmethod
    def find_it(metrics):
        """The endpoint that took most time in all."""
        return max(metrics, key=lambda endpoint: metrics[endpoint].count * metrics[endpoint].mean)

    def judge(self, answer: Callable[[Mapping[str, Metrics]], str]) -> None:
        """Two services, in each of which every other rule finds another endpoint."""
        for factor, order in ((1.0, 1), (0.1, -1)):
            metrics = _service(factor, order)
            result = self.call(answer, metrics)
            if not isinstance(result, str) or result not in metrics:
                self.refuse(
                    "not_a_name",
                    call="find_it(metrics)",
                    got=brief(result),
                    expected="a key of metrics",
                )
            costs = {endpoint: each.count * each.mean for endpoint, each in metrics.items()}
            costliest = max(costs, key=costs.__getitem__)
            if result != costliest:
                each = metrics[result]
                got = f"{result!r}: {each.count:,} requests of {each.mean:g} s on average, {costs[result]:,.0f} s in all"
                expected = f"one for which people wait {costs[costliest]:,.0f} s in all"
                self.refuse(
                    _find_mistake(result, metrics),
                    call="find_it(metrics)",
                    got=got,
                    expected=expected,
                )


def _service(factor: float, order: int) -> dict[str, Metrics]:
    """What a monitor may know of a service: requests, errors, and mean, P50, P90, P99 and longest in seconds."""
    rows = {
        "GET /items": (1_000, 2, 0.02, 0.02, 0.03, 0.05, 0.1),
        "GET /health": (90_000, 0, 0.0005, 0.0004, 0.001, 0.002, 0.01),
        "GET /report": (12, 0, 4.0, 4.2, 5.0, 5.5, 6.0),
        "GET /search": (6_000, 3, 0.045, 0.03, 0.09, 0.3, 1.2),
        "POST /pay": (900, 80, 0.12, 0.1, 0.2, 0.5, 2.0),
        "GET /export": (300, 0, 0.4, 0.1, 0.9, 8.0, 9.0),
        "POST /upload": (150, 1, 0.9, 0.4, 1.5, 4.0, 40.0),
        "GET /list": (2_500, 0, 0.09, 0.12, 0.13, 0.14, 0.2),
        "GET /stats": (8_000, 0, 0.03, 0.002, 0.2, 0.4, 0.6),
        "GET /feed": (4_000, 1, 0.02, 0.02, 0.03, 0.04, 0.1),
        "GET /docs": (40, 0, 0.001, 0.001, 0.002, 0.003, 0.004),
    }
    metrics = {}
    for endpoint, (count, errors, *seconds) in list(rows.items())[::order]:
        mean, p50, p90, p99, longest = (factor * each for each in seconds)
        metrics[endpoint] = Metrics(
            int(count), count * mean, mean, p50, p90, p99, longest, errors=int(errors)
        )
    return metrics


def _find_mistake(found: str, metrics: Mapping[str, Metrics]) -> str:
    """Which misconception finds this endpoint."""
    rules: tuple[tuple[str, Callable[[Metrics], float]], ...] = (
        ("busiest_first", lambda each: each.count),
        ("slowest_first", lambda each: each.mean),
        ("worst_case", lambda each: each.p99),
        ("worst_case", lambda each: each.max),
        ("most_errors", lambda each: each.errors),
        ("percentile_times_count", lambda each: each.p50 * each.count),
        ("percentile_times_count", lambda each: each.p90 * each.count),
        ("percentile_times_count", lambda each: each.p99 * each.count),
        ("least", lambda each: -each.mean * each.count),
    )
    for mistake, rule in rules:
        if found == max(metrics, key=lambda endpoint: rule(metrics[endpoint])):
            return mistake
    return "first_listed" if found == next(iter(metrics)) else "another_endpoint"
