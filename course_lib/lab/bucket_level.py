"""Follow the level of a token bucket over time, as the learner's own function counts it.

full --> request: refilled by the time since the last one, a token taken if there is one --> ...
"""

from collections.abc import Callable, Iterable, Mapping

from course_lib.lab import plots

Bucket = Callable[[float, float, float, float], tuple[bool, float]]
"""tokens, elapsed seconds, tokens per second and burst --> is it allowed, and the tokens left"""

Point = tuple[float, float]
"""A time in seconds and the tokens in the bucket."""


def levels(
    bucket: Bucket, times: Iterable[float], *, per_minute: float, burst: float
) -> list[Point]:
    """Return the level before and after each request of one client, and whenever it gets full.

    The bucket is full at 0 seconds. The times are in seconds.
    """
    rate = per_minute / 60
    tokens, last = float(burst), 0.0
    points: list[Point] = [(last, tokens)]
    for now in sorted(times):
        full_at = last + (burst - tokens) / rate
        if last < full_at < now:
            points.append((full_at, burst))
        allowed, left = bucket(tokens, now - last, rate, burst)
        before = left + 1 if allowed else left
        points.append((now, before))
        points.append((now, left))
        tokens, last = left, now
    return points


def picture(clients: Mapping[str, Iterable[Point]], title: str) -> plots.Picture:
    """Plot the level of each client's bucket over time."""
    curves = {name: list(points) for name, points in clients.items()}
    return plots.lines(curves, title, "seconds", "tokens in the bucket")
