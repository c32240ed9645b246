"""Plot values and ratios as bars, one in each row."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

from course_lib.lab.picture import Picture
from course_lib.lab.plot_axes import COLORS, axes_with_rows, formatter, in_words, log_x
from course_lib.lab.show import number


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


def bars(values: Mapping[str, float], title: str, axis: str) -> Picture:
    """Plot one bar per value, labelled with it; `axis` names what is measured and its unit."""
    figure, axes = axes_with_rows(title, values)
    for row, value in enumerate(values.values()):
        _bar(axes, row, value, color=COLORS[1])
        _label(axes, row, value, value, on_the_right=True)
    axes.invert_yaxis()
    longest = max(values.values())
    axes.set_xlim(0, longest * 1.15)
    if all(isinstance(value, int) for value in values.values()):
        axes.xaxis.get_major_locator().set_params(integer=True)  # there is no half of a load
    axes.xaxis.set_major_formatter(formatter(number))
    axes.set_xlabel(axis)
    return Picture(figure, f"{title}. {axis}: " + in_words(values, number))


def gains(ratios: Mapping[str, float | Interval], title: str) -> Picture:
    """Plot one bar per ratio on a log axis: to the right of 1 if faster, to the left if slower.

    A ratio that has an interval gets a line from its lower to its upper bound.
    """
    figure, axes = axes_with_rows(title, ratios)
    values = {}
    ends = []  # of bars and of intervals
    for row, (name, ratio) in enumerate(ratios.items()):
        value, low, high = _with_bounds(ratio)
        values[name] = value
        is_faster = value >= 1
        _bar(axes, row, value, start=1, color=COLORS[2] if is_faster else COLORS[0])
        if low < high:
            axes.plot([low, high], [row, row], color="black", linewidth=1.5, marker="|")
        end = high if is_faster else low
        _label(axes, row, value, end, on_the_right=is_faster)
        ends.append(end)
    axes.invert_yaxis()
    log_x(axes, number)
    smallest = min(0.2, *ends)
    largest = max(5, *ends)
    axes.set_xlim(smallest / 2, largest * 5)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("times faster (log scale; 1 means no difference, left of it is slower)")
    return Picture(figure, f"{title}. Times faster: " + in_words(values, number))


def _with_bounds(ratio: float | Interval) -> tuple[float, float, float]:
    """Return a ratio and its bounds, which are the ratio itself if it has no interval."""
    if isinstance(ratio, int | float):
        return float(ratio), float(ratio), float(ratio)
    if math.isnan(ratio.low):
        return ratio.value, ratio.value, ratio.value
    return ratio.value, ratio.low, ratio.high


def _bar(axes: Any, row: int, value: float, *, start: float = 0, color: str) -> None:
    """Draw a bar from `start` to `value`."""
    axes.barh(row, value - start, left=start, color=color, height=0.6)


def _label(axes: Any, row: int, value: float, end: float, *, on_the_right: bool) -> None:
    """Write a bar's value beyond `end`, where the bar or its interval ends."""
    if on_the_right:
        offset, alignment = 5, "left"
    else:
        offset, alignment = -5, "right"
    axes.annotate(
        number(value),
        (end, row),
        xytext=(offset, 0),
        textcoords="offset points",
        ha=alignment,
        va="center",
        fontweight="bold",
    )
