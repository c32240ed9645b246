"""Show tables as lines of text, or as HTML for JupyterLab."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Row: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of text below headings."""

    headings: Row
    rows: Sequence[Row]


def as_lines(table: Table) -> list[str]:
    """Return a line for the first cell of each row, and an indented one for each of the others.

    A table of one column gets its heading as a line above.
    """
    lines = []
    if len(table.headings) == 1 and table.rows:
        lines.append(f"{table.headings[0]}:")
    for first, *others in table.rows:
        indent = "    " if len(table.headings) == 1 else ""
        lines.append(indent + first)
        for heading, cell in zip(table.headings[1:], others, strict=True):
            lines.append(f"    {heading}: {cell}")
    return lines


def as_html(table: Table) -> str:
    """Return a table of HTML."""
    lines = [_html_row("th", table.headings)]
    lines += [_html_row("td", row) for row in table.rows]
    return f"<table>{''.join(lines)}</table>"


def _html_row(tag: str, cells: Row) -> str:
    start = f"<{tag} style='text-align:left'>"
    elements = [f"{start}{html.escape(cell)}</{tag}>" for cell in cells]
    return f"<tr>{''.join(elements)}</tr>"
