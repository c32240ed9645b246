"""Services as a monitor has measured them, and what misconceptions find in them; for `find_it`."""

from collections.abc import Callable, Mapping

from course_lib.monitor import Metrics

# Requests, errors, and the mean, P50, P90, P99 and longest in seconds.
SERVICES = {
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
    "PUT /photo": (600, 0, 0.03, 0.02, 0.06, 0.08, 0.2),
    "GET /users": (650, 0, 0.03, 0.02, 0.05, 0.06, 0.1),
}


def metrics_of(
    factor: float, names: list[str], services: list[str], *, share: float = 1.0
) -> dict[str, Metrics]:
    """Return what a monitor has measured of services, under these names, times a factor.

    `share` is how many of the requests there were.
    """
    metrics = {}
    for endpoint, service in zip(names, services, strict=True):
        count, errors, *seconds = SERVICES[service]
        count, errors = int(count * share), int(errors * share)
        mean, p50, p90, p99, longest = (factor * value for value in seconds)
        metrics[endpoint] = Metrics(
            count, count * mean, mean, p50, p90, p99, longest, errors=errors
        )
    return metrics


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
    ("least", lambda figures: -figures.total),
    ("whole_seconds", lambda figures: int(figures.total)),
)


def misconception_of(endpoint: str, metrics: Mapping[str, Metrics]) -> str:
    """Return the misconception that leads to this endpoint."""
    for mistake, rule in RULES:
        scores = {name: rule(figures) for name, figures in metrics.items()}
        if endpoint == max(scores, key=scores.__getitem__):
            return mistake
    if endpoint == max(metrics):
        return "compares_names"
    first, *_, last = metrics
    by_position = {first: "first_listed", last: "last_listed"}
    return by_position.get(endpoint, "another_endpoint")
