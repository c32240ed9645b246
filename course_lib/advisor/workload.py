"""Read a workload: check it, and prepare each query to be measured."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import TypeAlias

from course_lib.advisor.candidates import proposals
from course_lib.advisor.database_copy import DatabaseCopy
from course_lib.advisor.reading import Literal, Reading
from course_lib.advisor.reads import Reads, Run
from course_lib.advisor.schema import Index
from course_lib.advisor.values import Values

Workload: TypeAlias = Iterable[str | tuple[str, float]]


@dataclass(frozen=True)
class Query:
    """A query of the workload: its runs (first as it's written), tables and possible indexes."""

    sql: str
    frequency: float
    runs: tuple[Run, ...]
    tables: frozenset[str]
    candidates: tuple[Index, ...]


def frequencies(queries: Workload) -> dict[str, float]:
    """Return each query, once, with its frequency.

    Raises TypeError for a single string, ValueError for anything but queries and frequencies.
    """
    if isinstance(queries, str):
        raise TypeError(
            "queries is one string: pass a list of queries, or of pairs (query, frequency)"
        )
    workload: dict[str, float] = {}
    for query in queries:
        sql, frequency = (query, 1.0) if isinstance(query, str) else query
        is_number = isinstance(frequency, int | float)
        if not isinstance(sql, str) or not is_number or not 0 < frequency < math.inf:
            raise ValueError(f"not a query, nor a pair of a query and a number above 0: {query!r}")
        workload[sql] = workload.get(sql, 0.0) + frequency
    return workload


def read_workload(
    copy: DatabaseCopy, reads: Reads, workload: Mapping[str, float]
) -> tuple[list[Query], dict[str, str]]:
    """Return the queries that can be measured, and for each of the others the reason why not."""
    readings, skipped = _readings(copy, reads, workload)
    scans = [scan for reading in readings.values() for scan in reading.scans]
    popular = Counter((scan.table, key) for scan in scans for key in scan.equal)
    values = Values(copy)
    constants = _constants(readings.values(), values)
    queries = []
    for sql, reading in readings.items():
        runs = _runs(sql, reading, reads, values, constants)
        if not runs:
            skipped[sql] = "it cannot be run: replace each parameter with a value"
            continue
        candidates = list[Index]()
        for scan in reading.scans:
            candidates += proposals(scan, copy.tables[scan.table], popular, values.is_rare)
        query = Query(
            sql=sql,
            frequency=workload[sql],
            runs=tuple(dict.fromkeys(runs)),
            tables=reading.tables,
            candidates=tuple(dict.fromkeys(candidates)),
        )
        queries.append(query)
    return queries, skipped


def _readings(
    copy: DatabaseCopy, reads: Reads, workload: Iterable[str]
) -> tuple[dict[str, Reading], dict[str, str]]:
    readings = {}
    skipped = {}
    for sql in workload:
        try:
            reads.check(sql)
            readings[sql] = Reading(sql, copy.tables, copy.views)
        except ValueError as error:
            skipped[sql] = str(error).splitlines()[0]
    return readings, skipped


def _constants(readings: Iterable[Reading], values: Values) -> set[Literal]:
    """Return the literals that don't vary.

    If several queries name the same state or kind, it's a constant of the application.
    """
    uses = Counter(literal for reading in readings for literal in reading.literals)
    constants = set()
    for literal, number in uses.items():
        table, column, _ = literal
        if number > 1 and values.typical(table, column).few:
            constants.add(literal)
    return constants


def _runs(
    sql: str, reading: Reading, reads: Reads, values: Values, constants: Set[Literal]
) -> list[Run]:
    """Return the query as it's written, if it has no parameters, and with typical values."""
    runs = [] if reading.parameters else [Run(sql)]
    for variant, parameters in reading.variants(values.typical, constants):
        run = Run(variant, parameters)
        if reads.accepts(run):
            runs.append(run)
    return runs
