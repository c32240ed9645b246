"""Plot the requests of a load from the fastest to the slowest, so that percentiles can be seen."""

from collections.abc import Mapping

from course_lib.lab import plots, show
from course_lib.lab.load_generator import Load


def picture(loads: Mapping[str, Load], title: str) -> plots.Picture:
    """Plot a line per load: how long its n% fastest requests took at most. Mark the P90."""
    curves = {name: _curve(load) for name, load in loads.items()}
    return plots.lines(
        curves,
        title,
        "% of the requests, the fastest first",
        "latency",
        unit=show.duration,
        mark=90,
    )


def _curve(load: Load) -> list[tuple[float, float]]:
    latencies = sorted(load.latencies())
    percent = 100 / len(latencies)
    return [(percent * count, latency) for count, latency in enumerate(latencies, start=1)]
