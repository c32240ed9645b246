"""Draw what all plots share: colors, rows, labels, and axes with units.

The colors are Okabe and Ito's, which color-blind readers can tell apart.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

Unit = Callable[[float], str]
"""A function that writes a value with its unit."""


def in_words(values: Mapping[str, float], unit: Unit) -> str:
    """Return a picture's values in words, for its alt text."""
    parts = [f"{name} {unit(value)}" for name, value in values.items()]
    return ", ".join(parts) + "."


def titled_axes(title: str, *, height: float) -> tuple[Figure, Any]:
    """Return a figure, `height` inches high, and its axes."""
    figure = Figure(figsize=(8, height))
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontweight="bold", wrap=True)
    return figure, axes


def axes_with_rows(title: str, names: Iterable[str]) -> tuple[Figure, Any]:
    """Return a figure and its axes, with a row for each name."""
    labels = list(names)
    figure, axes = titled_axes(title, height=1.3 + 0.7 * len(labels))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.88")
    axes.set_axisbelow(True)
    return figure, axes


def label_above(axes: Any, text: str, x: float, y: float) -> Any:
    """Write a text above a point, and return it."""
    return axes.annotate(text, (x, y), ha="center", va="bottom", fontweight="bold")


def formatter(unit: Unit) -> FuncFormatter:
    """Return what writes an axis's values with their unit."""
    return FuncFormatter(lambda value, _: unit(value))


def log_x(axes: Any, unit: Unit) -> None:
    """Make the x axis a log axis with labels at its major ticks only."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(formatter(unit))
    axes.xaxis.set_minor_formatter(NullFormatter())


def scale_x(axes: Any, values: Sequence[float], what: str, unit: Unit) -> None:
    """Label the x axis; make it a log axis if the values span more than a factor of ten.

    A linear axis starts at zero.
    """
    smallest, largest = min(values), max(values)
    if largest > 10 * smallest:
        log_x(axes, unit)
        if largest < 200 * smallest:
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.set_xlabel(f"{what} (log scale)")
    else:
        axes.set_xlim(0, largest * 1.1)
        axes.xaxis.set_major_formatter(formatter(_zero_without(unit)))
        axes.set_xlabel(what)


def _zero_without(unit: Unit) -> Unit:
    """Return a function that writes values with their unit, and 0 without."""

    def written(value: float) -> str:
        return unit(value) if value > 0 else "0"

    return written
