"""Pictures with one message each: the sentence as title, units on the axes, and words for who cannot see them.

They are shown as an HTML image, because JupyterLab drops the alt text of a PNG, and on white, because both themes must
read. Colours are Okabe and Ito's, which colour-blind readers can tell apart.
"""

import base64
import html
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from course_lib.lab.show import duration, number

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


class Picture:
    """A figure as JupyterLab shows it: an opaque image with its message as alt text."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.figure = figure
        self.alt = alt

    def __repr__(self) -> str:
        return f"[picture: {self.alt}]"

    def png(self) -> bytes:
        """The image itself."""
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png", dpi=144, facecolor="white", bbox_inches="tight")
        return stream.getvalue()

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png()).decode()
        width = int(self.figure.get_figwidth() * 96)
        alt = html.escape(self.alt, quote=True)
        return f'<img alt="{alt}" width="{width}" style="max-width:100%" src="data:image/png;base64,{data}">'


def times(samples: Mapping[str, Sequence[float]], medians: Mapping[str, float], title: str, axis: str) -> Picture:
    """Every sample (in seconds) as a dot, a row for each variant, its median as a bar with the figure beside it.

    `axis` says what takes this time.
    """
    figure, axes = _axes(title, samples)
    scatter = np.random.default_rng(1)
    for row, (name, taken) in enumerate(samples.items()):
        colour = COLOURS[row % len(COLOURS)]
        height = row + scatter.uniform(-0.18, 0.18, len(taken))
        axes.plot(taken, height, "o", color=colour, markersize=3.5, alpha=0.35, markeredgewidth=0)
        axes.plot([medians[name]] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=3)
        axes.annotate(duration(medians[name]), (medians[name], row - 0.36), ha="center", va="bottom", fontweight="bold")
    axes.set_ylim(len(samples) - 0.5, -0.75)
    _scale(axes, [value for taken in samples.values() for value in taken], axis, duration)
    return Picture(figure, f"{title}. Medians: " + said(medians, duration))


def bars(values: Mapping[str, float], title: str, axis: str) -> Picture:
    """One bar a value, each with its figure; `axis` names what is measured and its unit."""
    figure, axes = _axes(title, values)
    for row, value in enumerate(values.values()):
        _bar(axes, row, value, start=0, colour=COLOURS[1])
    axes.invert_yaxis()
    axes.set_xlim(0, max(values.values()) * 1.15)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.set_xlabel(axis)
    return Picture(figure, f"{title}. {axis}: " + said(values, number))


def gains(ratios: Mapping[str, float], title: str) -> Picture:
    """One bar a ratio, to the right of "the same" where faster and to the left where slower, on a log axis."""
    figure, axes = _axes(title, ratios)
    for row, ratio in enumerate(ratios.values()):
        _bar(axes, row, ratio, start=1, colour=COLOURS[2] if ratio >= 1 else COLOURS[0])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(min(0.2, *ratios.values()) / 2, max(5, *ratios.values()) * 5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("times faster (log scale; 1 is the same, left of it is slower)")
    return Picture(figure, f"{title}. Times faster: " + said(ratios, number))


def against_target(
    rows: Mapping[str, tuple[float, float]], labels: Mapping[str, tuple[str, str]], title: str
) -> Picture:
    """Before and after as multiples of a target, a row each: left of the line it is met. `labels` are their figures."""
    figure, axes = _axes(title, rows)
    for row, (name, (before, after)) in enumerate(rows.items()):
        axes.annotate("", (after, row), (before, row), arrowprops={"arrowstyle": "->", "color": "0.6", "shrinkB": 6})
        for value, label, colour, marker in zip((before, after), labels[name], COLOURS, "os", strict=False):
            axes.plot([value], [row], marker, color=colour, markersize=10)
            on_white = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # the line may pass behind it
            axes.annotate(label, (value, row - 0.2), ha="center", va="bottom", fontweight="bold", bbox=on_white)
    axes.set_ylim(len(rows) - 0.5, -0.75)
    axes.set_xscale("log")
    values = [value for pair in rows.values() for value in pair]
    axes.set_xlim(min(0.5, *values) / 3, max(2, *values) * 3)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.axvline(1, color="black", linewidth=1.5)
    axes.annotate("target", (1, -0.72), xytext=(4, 0), textcoords="offset points", va="top")
    axes.set_xlabel("times the target (log scale; left of the line it is met). Circle: before, square: after")
    said_of = "; ".join(f"{name} from {labels[name][0]} to {labels[name][1]}" for name in rows).replace("\n", " ")
    return Picture(figure, f"{title}. {said_of}.")


def lines(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    across: str,
    up: str,
    *,
    unit: Callable[[float], str] = number,
    log_across: bool = False,
    mark: float | None = None,
) -> Picture:
    """A line a curve, through its points (x, y). `across` and `up` name the axes; `unit` writes a y value.

    Values of y that span more than a factor of ten stand on a log axis, unless one is 0. `mark` is an x that matters.
    """
    figure = Figure(figsize=(8, 4))
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontweight="bold", wrap=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.88")
    styles = ("-", "--", ":", "-.")  # for who cannot tell the colours
    for place, (name, points) in enumerate(curves.items()):
        colour, style = COLOURS[place % len(COLOURS)], styles[place % len(styles)]
        axes.plot(*zip(*points, strict=True), style, color=colour, linewidth=2.5, label=name)
    if mark is not None:
        axes.axvline(mark, color="black", linewidth=1)
    if log_across:
        axes.set_xscale("log")
        axes.set_xticks([x for x, _ in next(iter(curves.values()))])
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    heights = [y for points in curves.values() for _, y in points]
    if 0 < 10 * min(heights) < max(heights):
        axes.set_yscale("log")
        up = f"{up} (log scale)"
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: unit(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    ends = [f"{name} from {unit(points[0][1])} to {unit(points[-1][1])}" for name, points in curves.items()]
    return Picture(figure, f"{title}. {up}: {', '.join(ends)}.")


def admitted(requests: Mapping[str, Sequence[tuple[float, bool]]], title: str, facts: Mapping[str, str]) -> Picture:
    """Each request as a dot on one axis of time (seconds): above its row's line where admitted, below where refused.

    `facts` says something of each row, at its right end.
    """
    figure, axes = _axes(title, requests)
    figure.set_figheight(1.4 + len(requests))
    scatter = np.random.default_rng(1)
    for row, (name, came) in enumerate(requests.items()):
        axes.axhline(row, color="0.6", linewidth=0.8, zorder=1)
        for is_admitted, side in ((True, -1), (False, 1)):
            moments = [moment for moment, passed in came if passed == is_admitted]
            height = row + side * scatter.uniform(0.07, 0.38, len(moments))
            label, colour = ("admitted", COLOURS[1]) if is_admitted else ("refused", COLOURS[0])
            style = {"color": colour, "markersize": 3.5, "alpha": 0.5, "markeredgewidth": 0}
            axes.plot(moments, height, "o", label=f"{label}: {'above' if is_admitted else 'below'} the line", **style)
        axes.annotate(facts[name], (1.01, row), xycoords=("axes fraction", "data"), va="center", fontweight="bold")
    axes.set_ylim(len(requests) - 0.5, -0.5)
    axes.set_xlabel("seconds")
    handles, labels = axes.get_legend_handles_labels()
    legend = axes.legend(handles[:2], labels[:2], loc="upper right", bbox_to_anchor=(1, -0.1), ncols=2, frameon=False)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    rows = [f"{name} {sum(passed for _, passed in came):,} of {len(came):,}" for name, came in requests.items()]
    return Picture(figure, f"{title}. Admitted: {', '.join(rows)}.")


def said(values: Mapping[str, float], unit: Any) -> str:
    """The values of a picture in words, for its alt text."""
    return ", ".join(f"{name} {unit(value)}" for name, value in values.items()) + "."


def _bar(axes: Any, row: int, value: float, *, start: float, colour: str) -> None:
    """A bar from `start` to `value`, with its figure beyond its end."""
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


def _axes(title: str, names: Iterable[str]) -> tuple[Figure, Any]:
    """A figure with a row for each name."""
    rows = list(names)
    figure = Figure(figsize=(8, 1.3 + 0.7 * len(rows)))
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontweight="bold", wrap=True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.88")
    axes.set_axisbelow(True)
    return figure, axes


def _scale(axes: Any, values: Sequence[float], what: str, unit: Any) -> None:
    """A log axis where the values span more than a factor of ten, said on the axis; else one from zero."""
    if max(values) > 10 * min(values):
        axes.set_xscale("log")
        if max(values) < 200 * min(values):
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: unit(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"{what} (log scale)")
    else:
        axes.set_xlim(0, max(values) * 1.1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: unit(value) if value > 0 else "0"))
        axes.set_xlabel(what)
