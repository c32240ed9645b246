"""The advisor's result: indexes with what they gain and cost, and the times of the queries."""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Row: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """A recommended index: the queries whose plan uses it, what it gains, and what it costs.

    `gain` is how much longer the workload would take without it, in seconds: the time of each query
    multiplied by its frequency. `write` is what it adds to the insert of a row, in seconds.
    """

    statement: str
    serves: tuple[str, ...]
    gain: float
    bytes: int
    write: float


@dataclass(frozen=True)
class Timing:
    """A query: how often it runs, and its seconds without and with the recommended indexes.

    The seconds are the mean of the query as it's written and with other values. A run that was
    stopped at the time limit counts as the limit.
    """

    sql: str
    frequency: float
    before: float
    after: float


@dataclass(frozen=True)
class Recommendation:
    """The recommended indexes, and how they were judged.

    `queries` are sorted, most expensive first. `skipped` has the queries that were left out and the
    reason for each; `unused` the existing indexes that no query uses. `print` shows it as text,
    JupyterLab as tables.
    """

    indexes: tuple[Advice, ...]
    queries: tuple[Timing, ...]
    skipped: Mapping[str, str]
    unused: tuple[str, ...]

    @property
    def statements(self) -> list[str]:
        """The CREATE INDEX statements. `create_indexes(db, indexes=...)` runs and analyzes them."""
        return [advice.statement for advice in self.indexes]

    def __str__(self) -> str:
        lines = []
        for headings, rows in self._tables():
            for row in rows:
                lines.append(row[0])
                for heading, cell in zip(headings[1:], row[1:], strict=True):
                    lines.append(f"    {heading}: {cell}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        tables = [_html_table(headings, rows) for headings, rows in self._tables() if rows]
        return "".join(tables)

    def _tables(self) -> Iterator[tuple[Row, list[Row]]]:
        """Yield the headings and the rows of each table."""
        headings = ("index", "serves", "without it the workload takes", "size", "each insert")
        yield headings, self._index_rows()
        yield ("query", "frequency", "before", "after"), self._query_rows()
        yield ("left out", "reason"), list(self.skipped.items())
        yield (
            ("existing index that no query in the workload uses",),
            [(name,) for name in self.unused],
        )

    def _index_rows(self) -> list[Row]:
        total = sum(timing.frequency * timing.before for timing in self.queries) or 1.0
        return [
            (
                advice.statement,
                "; ".join(advice.serves),
                f"+{advice.gain / total:.1%}",
                f"{advice.bytes / 1e6:.2f} MB",
                f"+{advice.write * 1e6:.1f} µs",
            )
            for advice in self.indexes
        ]

    def _query_rows(self) -> list[Row]:
        return [
            (
                timing.sql,
                f"{timing.frequency:g}",
                f"{timing.before * 1e3:.3f} ms",
                f"{timing.after * 1e3:.3f} ms",
            )
            for timing in self.queries
        ]


def _html_table(headings: Row, rows: Sequence[Row]) -> str:
    lines = [_html_row("th", headings)]
    lines += [_html_row("td", row) for row in rows]
    return f"<table>{''.join(lines)}</table>"


def _html_row(tag: str, cells: Row) -> str:
    start = f"<{tag} style='text-align:left'>"
    elements = [f"{start}{html.escape(cell)}</{tag}>" for cell in cells]
    return f"<tr>{''.join(elements)}</tr>"
