"""Plot curves as lines."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.ticker import NullFormatter

from course_lib.lab.picture import Picture
from course_lib.lab.plot_axes import COLORS, Unit, formatter, titled_axes
from course_lib.lab.show import number

LINE_STYLES = ("-", "--", ":", "-.")  # for readers who can't tell the colors apart

Curve = Sequence[tuple[float, float]]


def lines(
    curves: Mapping[str, Curve],
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
    figure, axes = titled_axes(title, height=4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.88")
    heights: list[float] = []
    ends = []
    for index, (name, points) in enumerate(curves.items()):
        _draw_curve(axes, index, name, points)
        ys = [y for _, y in points]
        heights.extend(ys)
        first, last = unit(ys[0]), unit(ys[-1])
        ends.append(f"{name} from {first} to {last}")
    if mark is not None:
        axes.axvline(mark, color="black", linewidth=1)
    if log_across:
        _log_x_of_points(axes, next(iter(curves.values())))
    axes.xaxis.set_major_formatter(formatter(number))
    if 0 < 10 * min(heights) < max(heights):
        axes.set_yscale("log")
        up = f"{up} (log scale)"
    axes.yaxis.set_major_formatter(formatter(unit))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return Picture(figure, f"{title}. {up}: {', '.join(ends)}.")


def _draw_curve(axes: Any, index: int, name: str, points: Curve) -> None:
    """Draw one of several curves, in a color and a style of its own."""
    xs, ys = zip(*points, strict=True)
    color = COLORS[index % len(COLORS)]
    style = LINE_STYLES[index % len(LINE_STYLES)]
    axes.plot(xs, ys, style, color=color, linewidth=2.5, label=name)


def _log_x_of_points(axes: Any, points: Curve) -> None:
    """Make the x axis a log axis with a tick at each of a curve's points."""
    axes.set_xscale("log")
    axes.set_xticks([x for x, _ in points])
    axes.xaxis.set_minor_formatter(NullFormatter())
