"""How things are said to the learner: HTML in JupyterLab, the same words as plain text elsewhere."""

import html
import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# What all progress bars share. tqdm's own stream, stderr, would be shown on red in JupyterLab.
BAR: dict[str, Any] = {
    "file": sys.stdout,
    "leave": False,
    "delay": 0.5,
    "bar_format": "{desc}: {percentage:3.0f}% |{bar:40}| {remaining} left",
}

TONES = {"plain": "#0072B2", "good": "#009E73", "bad": "#D55E00"}


@dataclass(frozen=True)
class Card:
    """A short message with a heading. `tone` is plain, good or bad; backticks mark code."""

    heading: str
    text: str
    tone: str = "plain"

    def __repr__(self) -> str:
        return f"{self.heading}: {self.text}"

    def _repr_html_(self) -> str:
        return (
            f'<div style="border-left:4px solid {TONES[self.tone]};padding:.4em .9em;margin:.3em 0;white-space:normal">'
            f"<strong>{html.escape(self.heading)}.</strong> {prose(self.text)}</div>"
        )


def prose(text: str) -> str:
    """Text as HTML: backticks mark code, lines are kept."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text)).replace("\n", "<br>")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, style: str = "") -> str:
    """A table in HTML, of cells that are HTML already; `style` is that of every cell."""
    attribute = f' style="{style}"' if style else ""

    def row(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}{attribute}>{cell}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(row("td", cells) for cells in rows)
    return f"<table><thead>{row('th', head)}</thead><tbody>{body}</tbody></table>"


class Markdown(str):
    """Text that JupyterLab renders as Markdown and everything else shows as it is."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


def number(value: object) -> str:
    """A number as one reads it out: three digits, all of those before the point, thousands set apart (1,234; 0.0123).

    Other values as they are.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best: 0.0000123 is "12.3 µs", 0.0831 is "83.1 ms", 2.5 is "2.5 s"."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale:
            return f"{number(seconds / scale)} {unit}"
    return f"{number(seconds * 1e9)} ns"
