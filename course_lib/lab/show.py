"""Show results to the learner: HTML in JupyterLab, the same words as plain text elsewhere."""

import html
import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # programs that only show a progress bar don't need pandas
    import pandas as pd

BAR: dict[str, Any] = {
    # tqdm's default is stderr, which JupyterLab shows on red.
    "file": sys.stdout,
    "leave": False,
    "delay": 0.5,
    "bar_format": "{desc}: {percentage:3.0f}% |{bar:40}| {remaining} left",
}
"""The options of every progress bar."""

TONES = {"plain": "#0072B2", "good": "#009E73", "bad": "#D55E00"}
CARD_STYLE = "border-left:4px solid {};padding:.4em .9em;margin:.3em 0;white-space:normal"


@dataclass(frozen=True)
class Card:
    """A short message with a heading. `tone` is plain, good or bad; backticks mark code."""

    heading: str
    text: str
    tone: str = "plain"

    def __repr__(self) -> str:
        return f"{self.heading}: {self.text}"

    def _repr_html_(self) -> str:
        style = CARD_STYLE.format(TONES[self.tone])
        heading = html.escape(self.heading)
        return f'<div style="{style}"><strong>{heading}.</strong> {prose(self.text)}</div>'


def prose(text: str) -> str:
    """Return text as HTML: backticks mark code, line breaks are kept."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text)).replace("\n", "<br>")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, style: str = "") -> str:
    """Return an HTML table of cells that are HTML already; `style` is the CSS of every cell."""
    attribute = f' style="{style}"' if style else ""

    def row(tag: str, cells: Sequence[str]) -> str:
        content = "".join(f"<{tag}{attribute}>{cell}</{tag}>" for cell in cells)
        return f"<tr>{content}</tr>"

    body = "".join(row("td", cells) for cells in rows)
    return f"<table><thead>{row('th', head)}</thead><tbody>{body}</tbody></table>"


def data_frame(frame: "pd.DataFrame", index: str = "") -> str:
    """Return a data frame as an HTML table, aligned to the left so that long texts wrap well.

    `index` is the heading of its first column.
    """
    head = [html.escape(str(column)) for column in (index, *frame.columns)]
    rows = []
    for row in frame.itertuples():
        rows.append([prose(str(cell)) for cell in row])
    return table(head, rows, style="text-align:left")


class Markdown(str):
    """Text that JupyterLab renders as Markdown; elsewhere it's shown unchanged."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


def number(value: object) -> str:
    """Return a number as a person would read it out: 1,234 or 0.0123.

    Shows three significant digits, more only before the decimal point. Returns other values as
    `str` does.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size < 1e15 and value == int(value):
        return f"{int(value):,}"
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def duration(seconds: float) -> str:
    """Return seconds in the unit that reads best: "12.3 µs", "83.1 ms" or "2.5 s"."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale:
            return f"{number(seconds / scale)} {unit}"
    return f"{number(seconds * 1e9)} ns"
