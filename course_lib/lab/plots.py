"""Pictures with one message each: a sentence as the title, units on the axes, and alt text.

They are shown as an HTML image, because JupyterLab drops the alt text of a PNG. In JupyterLab's
dark theme they lose their white background, and their lightness is inverted; wherever styles aren't
applied, they stay on white. The colours are Okabe and Ito's, which colour-blind readers can tell
apart.
"""

import base64
import html
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from course_lib.lab.show import duration, number

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")  # for readers who can't tell the colours apart
SHORTEST_TIME_AXIS = 2.0  # seconds; a burst of a millisecond would fill the axis otherwise

# Turning the hue by half after the inversion brings each colour back, lighter or darker.
DARK_THEME = """<style>
[data-jp-theme-light="false"] img.course-picture {
  background: none !important; filter: invert(1) hue-rotate(180deg);
}
</style>"""

Unit = Callable[[float], str]
"""A function that writes a value with its unit."""


class Interval(Protocol):
    """A value and the bounds of its interval; a `Ratio` is one."""

    @property
    def value(self) -> float:
        """The value itself."""

    @property
    def low(self) -> float:
        """The lower bound, or nan."""

    @property
    def high(self) -> float:
        """The upper bound, or nan."""


class Picture:
    """A figure that JupyterLab shows as an image, with its message as alt text."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.figure = figure
        self.alt = alt

    def __repr__(self) -> str:
        return f"[picture: {self.alt}]"

    def with_footer(self, text: str) -> "Picture":
        """Write small text below the figure, for a picture that travels alone; return itself."""
        self.figure.text(0.01, -0.02, text, fontsize=8, color="0.4", va="top", wrap=True)
        return self

    def png(self, *, transparent: bool = False) -> bytes:
        """Return the image as a PNG file, by default on white."""
        stream = io.BytesIO()
        colour = "none" if transparent else "white"
        axes_colours = [axes.get_facecolor() for axes in self.figure.axes]
        for axes in self.figure.axes:
            axes.set_facecolor("none")
        self.figure.savefig(stream, format="png", dpi=144, facecolor=colour, bbox_inches="tight")
        for axes, before in zip(self.figure.axes, axes_colours, strict=True):
            axes.set_facecolor(before)
        return stream.getvalue()

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png(transparent=True)).decode()
        width = int(self.figure.get_figwidth() * 96)
        alt = html.escape(self.alt, quote=True)
        style = "max-width:100%;background:white"
        source = f"data:image/png;base64,{data}"
        image = f'<img alt="{alt}" class="course-picture" width="{width}" style="{style}"'
        return f'{DARK_THEME}{image} src="{source}">'


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
    figure, axes = _rows(title, samples)
    scatter = np.random.default_rng(1)
    for row, (name, seconds) in enumerate(samples.items()):
        colour = COLOURS[row % len(COLOURS)]
        heights = row + scatter.uniform(-0.18, 0.18, len(seconds))
        dots = {"color": colour, "markersize": 3.5, "alpha": 0.35, "markeredgewidth": 0}
        axes.plot(seconds, heights, "o", **dots)
        median = medians[name]
        axes.plot([median, median], [row - 0.3, row + 0.3], color=colour, linewidth=3)
        if intervals:
            across = {"color": "black", "linewidth": 1.5, "marker": "|", "zorder": 3}
            axes.plot(intervals[name], [row, row], **across)
        _label(axes, duration(median), median, row - 0.36)
    axes.set_ylim(len(samples) - 0.5, -0.75)
    values = [value for seconds in samples.values() for value in seconds]
    _scale_x(axes, values, axis, duration)
    return Picture(figure, f"{title}. Medians: " + said(medians, duration))


def bars(values: Mapping[str, float], title: str, axis: str) -> Picture:
    """Plot one bar per value, labelled with it; `axis` names what is measured and its unit."""
    figure, axes = _rows(title, values)
    for row, value in enumerate(values.values()):
        _bar(axes, row, value, start=0, colour=COLOURS[1])
    axes.invert_yaxis()
    axes.set_xlim(0, max(values.values()) * 1.15)
    axes.xaxis.set_major_formatter(_formatter(number))
    axes.set_xlabel(axis)
    return Picture(figure, f"{title}. {axis}: " + said(values, number))


def gains(ratios: Mapping[str, float | Interval], title: str) -> Picture:
    """Plot one bar per ratio on a log axis: to the right of 1 if faster, to the left if slower.

    A ratio that has an interval gets a line from its lower to its upper bound.
    """
    figure, axes = _rows(title, ratios)
    values = {}
    for row, (name, ratio) in enumerate(ratios.items()):
        value = ratio if isinstance(ratio, int | float) else ratio.value
        values[name] = float(value)
        colour = COLOURS[2] if value >= 1 else COLOURS[0]
        _bar(axes, row, value, start=1, colour=colour)
        if not isinstance(ratio, int | float):
            axes.plot([ratio.low, ratio.high], [row, row], color="black", linewidth=1.5, marker="|")
    axes.invert_yaxis()
    _log_x(axes, number)
    axes.set_xlim(min(0.2, *values.values()) / 2, max(5, *values.values()) * 5)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("times faster (log scale; 1 means no difference, left of it is slower)")
    return Picture(figure, f"{title}. Times faster: " + said(values, number))


def against_target(
    rows: Mapping[str, tuple[float, float]], labels: Mapping[str, tuple[str, str]], title: str
) -> Picture:
    """Plot before and after as multiples of a target: left of the line, the target is met.

    `labels` has the two figures of each row in words.
    """
    figure, axes = _rows(title, rows)
    for row, (name, (before, after)) in enumerate(rows.items()):
        axes.plot([before, after], [row, row], color="0.6", linewidth=1.5, zorder=1)
        points = zip((before, after), labels[name], COLOURS, "os", strict=False)
        for value, label, colour, marker in points:
            axes.plot([value], [row], marker, color=colour, markersize=10)
            label_of_point = _label(axes, label, value, row - 0.2)
            # A white outline, because the target's line may pass behind it.
            label_of_point.set_path_effects([withStroke(linewidth=3, foreground="white")])
    axes.set_ylim(len(rows) - 0.5, -0.75)
    values = [value for pair in rows.values() for value in pair]
    _log_x(axes, number)
    axes.set_xlim(min(0.5, *values) / 3, max(2, *values) * 3)
    axes.axvline(1, color="black", linewidth=1.5)
    axes.annotate("target", (1, -0.72), xytext=(4, 0), textcoords="offset points", va="top")
    axes.set_xlabel(
        "times the target (log scale; left of the line it is met). Circle: before, square: after"
    )
    changes = [f"{name} from {labels[name][0]} to {labels[name][1]}" for name in rows]
    return Picture(figure, f"{title}. {'; '.join(changes)}.".replace("\n", " "))


def lines(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    across: str,
    up: str,
    *,
    unit: Unit = number,
    log_across: bool = False,
    mark: float | None = None,
) -> Picture:
    """Plot one line per curve, through its points (x, y).

    `across` and `up` name the axes; `unit` writes a y value; `mark` is an x to draw a line at. The
    y axis is a log axis if the values span more than a factor of ten and none is 0.
    """
    figure = Figure(figsize=(8, 4))
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontweight="bold", wrap=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.88")
    for index, (name, points) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        style = LINE_STYLES[index % len(LINE_STYLES)]
        xs, ys = zip(*points, strict=True)
        axes.plot(xs, ys, style, color=colour, linewidth=2.5, label=name)
    if mark is not None:
        axes.axvline(mark, color="black", linewidth=1)
    if log_across:
        axes.set_xscale("log")
        first_curve = next(iter(curves.values()))
        axes.set_xticks([x for x, _ in first_curve])
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(_formatter(number))
    heights = [y for points in curves.values() for _, y in points]
    if 0 < 10 * min(heights) < max(heights):
        axes.set_yscale("log")
        up = f"{up} (log scale)"
    axes.yaxis.set_major_formatter(_formatter(unit))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    ends = []
    for name, points in curves.items():
        ends.append(f"{name} from {unit(points[0][1])} to {unit(points[-1][1])}")
    return Picture(figure, f"{title}. {up}: {', '.join(ends)}.")


def admitted(
    requests: Mapping[str, Sequence[tuple[float, bool]]], title: str, facts: Mapping[str, str]
) -> Picture:
    """Plot requests as dots on a time axis: admitted ones above their row's line, others below.

    A request is its time in seconds and True if it was admitted. `facts` has a text for the right
    end of each row.
    """
    figure, axes = _rows(title, requests)
    figure.set_figheight(1.4 + len(requests))
    scatter = np.random.default_rng(1)
    for row, (name, row_requests) in enumerate(requests.items()):
        axes.axhline(row, color="0.6", linewidth=0.8, zorder=1)
        allowed = [time for time, passed in row_requests if passed]
        rejected = [time for time, passed in row_requests if not passed]
        above = row - scatter.uniform(0.07, 0.38, len(allowed))
        below = row + scatter.uniform(0.07, 0.38, len(rejected))
        style = {"markersize": 3.5, "alpha": 0.5, "markeredgewidth": 0}
        axes.plot(allowed, above, "o", color=COLOURS[1], label="admitted: above the line", **style)
        axes.plot(rejected, below, "o", color=COLOURS[0], label="rejected: below the line", **style)
        axes.annotate(
            facts[name],
            (1.01, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontweight="bold",
        )
    axes.set_ylim(len(requests) - 0.5, -0.5)
    start, end = axes.get_xlim()
    missing = max(0, SHORTEST_TIME_AXIS - (end - start)) / 2
    axes.set_xlim(start - missing, end + missing)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.set_xlabel("seconds")
    handles, labels = axes.get_legend_handles_labels()
    position = {"loc": "upper right", "bbox_to_anchor": (1, -0.1)}
    legend = axes.legend(handles[:2], labels[:2], ncols=2, frameon=False, **position)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    rows = []
    for name, row_requests in requests.items():
        count = sum(passed for _, passed in row_requests)
        rows.append(f"{name} {count:,} of {len(row_requests):,}")
    return Picture(figure, f"{title}. Admitted: {', '.join(rows)}.")


def said(values: Mapping[str, float], unit: Unit) -> str:
    """Return a picture's values in words, for its alt text."""
    return ", ".join(f"{name} {unit(value)}" for name, value in values.items()) + "."


def _rows(title: str, names: Iterable[str]) -> tuple[Figure, Any]:
    """Return a figure and its axes, with a row for each name."""
    labels = list(names)
    figure = Figure(figsize=(8, 1.3 + 0.7 * len(labels)))
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontweight="bold", wrap=True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.88")
    axes.set_axisbelow(True)
    return figure, axes


def _bar(axes: Any, row: int, value: float, *, start: float, colour: str) -> None:
    """Draw a bar from `start` to `value`, with the value beyond its end."""
    forward = value >= start
    axes.barh(row, value - start, left=start, color=colour, height=0.6)
    axes.annotate(
        number(value),
        (value, row),
        xytext=(5 if forward else -5, 0),
        textcoords="offset points",
        ha="left" if forward else "right",
        va="center",
        fontweight="bold",
    )


def _label(axes: Any, text: str, x: float, y: float) -> Any:
    return axes.annotate(text, (x, y), ha="center", va="bottom", fontweight="bold")


def _formatter(unit: Unit) -> FuncFormatter:
    return FuncFormatter(lambda value, _: unit(value))


def _log_x(axes: Any, unit: Unit) -> None:
    """Make the x axis a log axis with labels at its major ticks only."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_formatter(unit))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _scale_x(axes: Any, values: Sequence[float], what: str, unit: Unit) -> None:
    """Label the x axis; make it a log axis if the values span more than a factor of ten.

    A linear axis starts at zero.
    """
    smallest, largest = min(values), max(values)
    if largest > 10 * smallest:
        axes.set_xscale("log")
        if largest < 200 * smallest:
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(_formatter(unit))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"{what} (log scale)")
    else:
        axes.set_xlim(0, largest * 1.1)
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: unit(value) if value > 0 else "0")
        )
        axes.set_xlabel(what)
