"""Exercise: which endpoint costs users the most time?"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from course_lib.exercises.costly_services import SERVICES, metrics_of, misconception_of
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import Refusal, brief
from course_lib.monitor import Metrics


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
        "That's how often times how long: the mean tells you little about a single request, and "
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
        "whole_seconds": (
            "In a quiet hour all totals are less than a second, and rounded they're all the same.",
            "Compare the products as they are.",
        ),
        "typed_in": (
            "Right for one service, wrong for another: your answer is the same for both.",
            "Find the name from the figures in `metrics`.",
        ),
        "compares_names": (
            "That's the last name in the alphabet: without a `key`, `max` compares the names.",
            "Give `max` a `key`: a function that returns the total time of a name.",
        ),
        "name_for_figures": (
            "A loop over `metrics`, or a `key` of `max`, gets the names. The figures aren't in a "
            "name, but in `metrics[name]`.",
            "Write `metrics[name].mean`, not `name.mean`.",
        ),
        "least": ("That's the one with the least to gain.", "`max`, not `min`."),
        "first_listed": (
            "That's the first one in the dict, and the order of a dict isn't a measurement.",
            "Compare all of them.",
        ),
        "last_listed": (
            "That's the last one in the dict: each name replaced the one before it.",
            "Keep a name only if its total is the largest so far, and keep that total too.",
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
        """Try two services, in which every other rule finds another endpoint, and a quiet hour."""
        names = list(SERVICES)
        first = self._compare(answer, metrics_of(1.0, names, names))
        backwards = names[::-1]
        other_services = [*names[:5][::-1], *names[5:][::-1]]
        self._compare(answer, metrics_of(0.1, backwards, other_services), first)
        self._compare(answer, metrics_of(0.1, names, backwards, share=0.01))

    def _compare(
        self, answer: Callable[..., Any], metrics: dict[str, Metrics], earlier: str = ""
    ) -> str:
        """Refuse any endpoint but the right one, and return it."""
        call = "find_it(metrics)"
        try:
            result = self.call(answer, metrics)
        except Refusal as refusal:
            is_name = "'str' object has no attribute" in refusal.got
            mistake = "name_for_figures" if is_name else refusal.misconception
            self.refuse(mistake, call=call, got=refusal.got)
        if result is None:
            self.refuse("no_answer", call=call, got="None", expected="a key of metrics")
        if not isinstance(result, str) or result not in metrics:
            self.refuse("not_a_name", call=call, got=brief(result), expected="a key of metrics")
        totals = {endpoint: figures.total for endpoint, figures in metrics.items()}
        largest = max(totals.values())
        if totals[result] == largest:
            return result
        figures = metrics[result]
        requests = f"{figures.count:,} requests of {figures.mean:g} s on average"
        self.refuse(
            "typed_in" if result == earlier else misconception_of(result, metrics),
            call=call,
            got=f"{result!r}: {requests}, {totals[result]:,.2f} s in all",
            expected=f"one that people wait {largest:,.2f} s for in all",
        )
