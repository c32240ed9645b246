"""Plot values and ratios as bars, one in each row."""

from collections.abc import Mapping
from typing import Any, Protocol

from course_lib.lab.picture import Picture
from course_lib.lab.plot_axes import COLOURS, axes_with_rows, formatter, log_x, said
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
        _bar(axes, row, value, start=0, colour=COLOURS[1])
    axes.invert_yaxis()
    longest = max(values.values())
    axes.set_xlim(0, longest * 1.15)
    if all(isinstance(value, int) for value in values.values()):
        axes.xaxis.get_major_locator().set_params(integer=True)  # there is no half of a load
    axes.xaxis.set_major_formatter(formatter(number))
    axes.set_xlabel(axis)
    return Picture(figure, f"{title}. {axis}: " + said(values, number))


def gains(ratios: Mapping[str, float | Interval], title: str) -> Picture:
    """Plot one bar per ratio on a log axis: to the right of 1 if faster, to the left if slower.

    A ratio that has an interval gets a line from its lower to its upper bound.
    """
    figure, axes = axes_with_rows(title, ratios)
    values = {}
    for row, (name, ratio) in enumerate(ratios.items()):
        if isinstance(ratio, int | float):
            values[name] = float(ratio)
        else:
            values[name] = float(ratio.value)
            bounds = [ratio.low, ratio.high]
            axes.plot(bounds, [row, row], color="black", linewidth=1.5, marker="|")
        colour = COLOURS[2] if values[name] >= 1 else COLOURS[0]
        _bar(axes, row, values[name], start=1, colour=colour)
    axes.invert_yaxis()
    log_x(axes, number)
    smallest = min(0.2, *values.values())
    largest = max(5, *values.values())
    axes.set_xlim(smallest / 2, largest * 5)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("times faster (log scale; 1 means no difference, left of it is slower)")
    return Picture(figure, f"{title}. Times faster: " + said(values, number))


def _bar(axes: Any, row: int, value: float, *, start: float, colour: str) -> None:
    """Draw a bar from `start` to `value`, with the value beyond its end."""
    axes.barh(row, value - start, left=start, color=colour, height=0.6)
    if value >= start:
        offset, alignment = 5, "left"
    else:
        offset, alignment = -5, "right"
    axes.annotate(
        number(value),
        (value, row),
        xytext=(offset, 0),
        textcoords="offset points",
        ha=alignment,
        va="center",
        fontweight="bold",
    )
