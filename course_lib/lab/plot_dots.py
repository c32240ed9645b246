"""Plot samples, requests and targets as dots, in rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patheffects import withStroke

from course_lib.lab.picture import Picture
from course_lib.lab.plot_axes import COLORS, axes_with_rows, in_words, label_above, log_x, scale_x
from course_lib.lab.show import duration, number

SHORTEST_TIME_AXIS = 2.0  # seconds; a burst of a millisecond would fill the axis otherwise
MARKERS = ("o", "s")  # of the figures before and after
DOTS = {"markersize": 3.5, "markeredgewidth": 0}
# A white outline, because the target's line may pass behind a label.
OUTLINE = withStroke(linewidth=3, foreground="white")


def times(
    samples: Mapping[str, Sequence[float]],
    medians: Mapping[str, float],
    title: str,
    axis: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
) -> Picture:
    """Plot every sample (in seconds) as a dot, in a row per variant, with its median as a bar.

    `axis` says what takes this time. `intervals` has the bounds of each median's interval, drawn
    as a line across its bar; nan draws none.
    """
    figure, axes = axes_with_rows(title, samples)
    scatter = np.random.default_rng(1)
    all_samples: list[float] = []
    for row, (name, seconds) in enumerate(samples.items()):
        all_samples.extend(seconds)
        color = COLORS[row % len(COLORS)]
        heights = row + scatter.uniform(-0.18, 0.18, len(seconds))
        axes.plot(seconds, heights, "o", color=color, alpha=0.35, **DOTS)
        _draw_median(axes, row, medians[name], color)
        if intervals:
            _draw_interval(axes, row, intervals[name])
    axes.set_ylim(len(samples) - 0.5, -0.75)
    scale_x(axes, all_samples, axis, duration)
    return Picture(figure, f"{title}. Medians: " + in_words(medians, duration))


def _draw_median(axes: Any, row: int, median: float, color: str) -> None:
    """Draw a vertical bar at a median, with its duration above."""
    height = [row - 0.3, row + 0.3]
    axes.plot([median, median], height, color=color, linewidth=3)
    label_above(axes, duration(median), median, row - 0.36)


def _draw_interval(axes: Any, row: int, bounds: tuple[float, float]) -> None:
    """Draw a line between two bounds, across the bar of the median."""
    style = {"color": "black", "linewidth": 1.5, "marker": "|", "zorder": 3}
    axes.plot(bounds, [row, row], **style)


def against_target(
    rows: Mapping[str, tuple[float, float]], labels: Mapping[str, tuple[str, str]], title: str
) -> Picture:
    """Plot before and after as multiples of a target: left of the line, the target is met.

    `labels` has the two figures of each row in words.
    """
    figure, axes = axes_with_rows(title, rows)
    values: list[float] = []
    changes = []
    for row, (name, before_and_after) in enumerate(rows.items()):
        _draw_change(axes, row, before_and_after, labels[name])
        values.extend(before_and_after)
        before, after = labels[name]
        changes.append(f"{name} from {before} to {after}")
    axes.set_ylim(len(rows) - 0.5, -0.75)
    log_x(axes, number)
    smallest = min(0.5, *values)
    largest = max(2, *values)
    axes.set_xlim(smallest / 3, largest * 3)
    axes.axvline(1, color="black", linewidth=1.5)
    beside_line = {"xytext": (4, 0), "textcoords": "offset points"}
    axes.annotate("target", (1, -0.72), va="top", **beside_line)
    axes.set_xlabel(
        "times the target (log scale; left of the line it is met). Circle: before, square: after"
    )
    alt = f"{title}. {'; '.join(changes)}."
    return Picture(figure, alt)


def _draw_change(
    axes: Any, row: int, before_and_after: tuple[float, float], labels: tuple[str, str]
) -> None:
    """Draw two values and the line between them, each with its label above."""
    axes.plot(before_and_after, [row, row], color="0.6", linewidth=1.5, zorder=1)
    for index, value in enumerate(before_and_after):
        axes.plot([value], [row], MARKERS[index], color=COLORS[index], markersize=10)
        label = label_above(axes, labels[index], value, row - 0.2)
        label.set_path_effects([OUTLINE])


def admitted(
    requests: Mapping[str, Sequence[tuple[float, bool]]], title: str, facts: Mapping[str, str]
) -> Picture:
    """Plot requests as dots on a time axis: admitted ones above their row's line, others below.

    A request is its time in seconds and True if it was admitted. `facts` has a text for the right
    end of each row.
    """
    figure, axes = axes_with_rows(title, requests)
    figure.set_figheight(1.4 + len(requests))
    scatter = np.random.default_rng(1)
    counts = []
    for row, (name, row_requests) in enumerate(requests.items()):
        allowed = [time for time, passed in row_requests if passed]
        rejected = [time for time, passed in row_requests if not passed]
        _draw_requests(axes, row, allowed, rejected, scatter)
        axes.annotate(
            facts[name],
            (1.01, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontweight="bold",
        )
        counts.append(f"{name} {len(allowed):,} of {len(row_requests):,}")
    axes.set_ylim(len(requests) - 0.5, -0.5)
    start, end = axes.get_xlim()
    missing = max(0, SHORTEST_TIME_AXIS - (end - start)) / 2
    axes.set_xlim(start - missing, end + missing)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.set_xlabel("seconds")
    _legend_below(axes)
    return Picture(figure, f"{title}. Admitted: {', '.join(counts)}.")


def _draw_requests(
    axes: Any,
    row: int,
    allowed: Sequence[float],
    rejected: Sequence[float],
    scatter: np.random.Generator,
) -> None:
    """Draw a row's requests at their times; `scatter` spreads them over the height of the row."""
    axes.axhline(row, color="0.6", linewidth=0.8, zorder=1)
    style = {"marker": "o", "linestyle": "none", "alpha": 0.5, **DOTS}
    above = row - scatter.uniform(0.07, 0.38, len(allowed))
    axes.plot(allowed, above, color=COLORS[1], label="admitted: above the line", **style)
    below = row + scatter.uniform(0.07, 0.38, len(rejected))
    axes.plot(rejected, below, color=COLORS[0], label="rejected: below the line", **style)


def _legend_below(axes: Any) -> None:
    """Explain the dots of the first row, in colors that aren't transparent."""
    handles, labels = axes.get_legend_handles_labels()
    position = {"loc": "upper right", "bbox_to_anchor": (1, -0.1)}
    legend = axes.legend(handles[:2], labels[:2], ncols=2, frameon=False, **position)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
