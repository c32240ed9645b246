"""The advisor's result: indexes with what they gain and cost, and the times of the queries."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from course_lib.advisor.tables import Table, as_html, as_lines


@dataclass(frozen=True)
class Advice:
    """A recommended index: the queries whose plan uses it, what it gains, and what it costs.

    `gain` is how much longer the workload would take without it, in seconds: the time of each query
    multiplied by its frequency. `write` is what it adds to the insert of a row, in seconds: the
    median of several measurements, and `write_interval` the least and the most. `inserts` are the
    rows that its table is expected to get while the workload runs once.
    """

    statement: str
    serves: tuple[str, ...]
    gain: float
    bytes: int
    write: float
    write_interval: tuple[float, float] = (0.0, 0.0)
    inserts: float = 0.0


@dataclass(frozen=True)
class Analysis:
    """The effect of ANALYZE alone: its statements, and the workload's seconds before and after."""

    statements: tuple[str, ...]
    before: float
    after: float


@dataclass(frozen=True)
class Timing:
    """A query: how often it runs, and its seconds without and with what's recommended.

    The seconds are the mean of the query as it's written and with other values. A run that was
    stopped at the time limit counts as the limit. `indexes` are the names of those that its plan
    uses afterwards, new and old.
    """

    sql: str
    frequency: float
    before: float
    after: float
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recommendation:
    """The recommended indexes, and how they were judged.

    `analysis` is there if ANALYZE alone makes the workload faster. `queries` are sorted, most
    expensive first. `skipped` has the queries that were left out and the reason for each; `unused`
    the existing indexes that no query uses and no rule needs; `unverified` what might help, but
    couldn't be verified in the time; `harmful` what would help, but make a query slower, with that
    query. `print` shows it as text, JupyterLab as tables.
    """

    indexes: tuple[Advice, ...]
    queries: tuple[Timing, ...]
    skipped: Mapping[str, str]
    unused: tuple[str, ...]
    analysis: Analysis | None = None
    unverified: tuple[str, ...] = ()
    harmful: Mapping[str, str] = field(default_factory=dict)

    @property
    def statements(self) -> list[str]:
        """The statements for `create_indexes(db, indexes=...)`: ANALYZE if needed, then indexes."""
        statements = list(self.analysis.statements) if self.analysis else []
        return statements + [advice.statement for advice in self.indexes]

    @property
    def index_names(self) -> list[str]:
        """The names of the recommended indexes, as SQL."""
        return [advice.statement.split(" ON ")[0].split()[-1] for advice in self.indexes]

    @property
    def before(self) -> float:
        """The seconds of the workload on the database without any change."""
        return sum(timing.frequency * timing.before for timing in self.queries)

    @property
    def after(self) -> float:
        """The seconds of the workload with everything that's recommended."""
        return sum(timing.frequency * timing.after for timing in self.queries)

    @property
    def writing(self) -> float:
        """The seconds that the indexes add to the inserts while the workload runs once."""
        return sum(advice.inserts * advice.write for advice in self.indexes)

    def __str__(self) -> str:
        summary = [
            f"the workload takes {_ms(self.before)} now,"
            f" {_ms(self.after)} with what is recommended here"
        ]
        if any(advice.inserts for advice in self.indexes):
            summary.append(
                f"the indexes add {_ms(self.writing)} to the inserts that are expected with it;"
                " an index that saves less than it adds is not here (writes=0 ignores inserts)"
            )
        return "\n".join(summary + [line for table in self._tables() for line in as_lines(table)])

    def _repr_html_(self) -> str:
        return "".join(as_html(table) for table in self._tables() if table.rows)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, with the statements to run, as JSON can store it."""
        totals = {"statements": self.statements, "before": self.before, "after": self.after}
        return totals | asdict(self)

    def _tables(self) -> list[Table]:
        """Return the tables that are shown, in order of importance."""
        lists = [
            ("could not be verified: pass a larger `seconds`", self.unverified),
            ("existing index that no query in the workload uses", self.unused),
        ]
        return [
            Table(("refresh the statistics first", "workload before", "after"), self._analysis()),
            Table(
                ("index", "serves", "without it the workload takes", "size", "each insert"),
                [self._index_row(advice) for advice in self.indexes],
            ),
            Table(
                ("query", "frequency", "before", "after", "by index"),
                [_query_row(timing) for timing in self.queries],
            ),
            Table(("left out", "reason"), list(self.skipped.items())),
            Table(("would help, but is harmful", "slower query"), list(self.harmful.items())),
            *(Table((heading,), [(name,) for name in names]) for heading, names in lists),
        ]

    def _analysis(self) -> list[tuple[str, ...]]:
        analysis = self.analysis
        if analysis is None:
            return []
        return [("; ".join(analysis.statements), _ms(analysis.before), _ms(analysis.after))]

    def _index_row(self, advice: Advice) -> tuple[str, ...]:
        share = advice.gain / (self.before or 1.0)
        return (
            advice.statement,
            "; ".join(advice.serves),
            f"{_ms(advice.gain)} more, {share:.1%} of the {_ms(self.before)} that it takes now",
            f"{advice.bytes / 1e6:.2f} MB",
            f"{_write(advice)}, {advice.inserts:,.0f} inserts expected",
        )


def _query_row(timing: Timing) -> tuple[str, ...]:
    return (
        timing.sql,
        f"{timing.frequency:g}",
        _ms(timing.before),
        _ms(timing.after),
        ", ".join(timing.indexes) or "none",
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.3f} ms"


def _write(advice: Advice) -> str:
    """Return what an index adds to an insert, as far as the measurement can tell."""
    least, most = (f"{seconds * 1e6:.1f}" for seconds in advice.write_interval)
    if most == "0.0":
        return "too little to measure"
    if least == "0.0":
        return f"at most +{most} µs"
    return f"+{advice.write * 1e6:.1f} µs ({least} to {most})"
