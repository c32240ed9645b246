"""Read a workload: check it, and prepare each query to be measured."""

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal
from numbers import Real
from typing import Any, TypeAlias

from course_lib.advisor.candidates import proposals
from course_lib.advisor.database_copy import DatabaseCopy, OutOfTime
from course_lib.advisor.foreign_keys import child_lookups
from course_lib.advisor.reading import Literal, Reading
from course_lib.advisor.reads import Reads, Run
from course_lib.advisor.schema import Index, Indexes
from course_lib.advisor.statement import Parameters
from course_lib.advisor.values import Values

# A query, how often it runs, and the values of its parameters.
Workload: TypeAlias = Iterable[str | tuple[str, float] | tuple[str, float, Parameters]]

MOST = 1e15  # executions of a query, or rows inserted; with more, sums would be inexact
NO_TIME_TO_READ = "no time was left to read it: pass a larger `seconds`"
READING_SHARE = 0.6  # of the time; the rest is for the values to measure with
READING_SPEED = 5_000  # characters that are read in a second, on a slow machine
MOST_VALUES = 3  # sets of parameters with which a query is measured; the first ones given count


@dataclass(frozen=True)
class Usage:
    """The frequency of a query, and the values given for its parameters."""

    frequency: float
    parameters: tuple[Parameters, ...] = ()


@dataclass(frozen=True)
class Query:
    """A query of the workload: its runs (first as it's written), tables and possible indexes."""

    sql: str
    frequency: float
    runs: tuple[Run, ...]
    tables: frozenset[str]
    candidates: tuple[Index, ...] = field(hash=False)

    def relevant(self, indexes: Indexes) -> Indexes:
        """Return the indexes on this query's tables."""
        return frozenset(index for index in indexes if index.table in self.tables)


def usages(queries: Workload) -> dict[str, Usage]:
    """Return each query, once, with its frequency and its parameters.

    Raises TypeError for a single string, a dict, or what can't be iterated; ValueError for anything
    but queries and frequencies.
    """
    if isinstance(queries, str | bytes):
        raise TypeError(
            "queries is one string: pass a list of queries, or of pairs (query, frequency)"
        )
    if isinstance(queries, Mapping):
        raise TypeError("queries is a dict, whose values would be lost: pass its items()")
    if not isinstance(queries, Iterable):
        raise TypeError(f"queries is {queries!r}: pass a list of queries")
    workload: dict[str, Usage] = {}
    for query in queries:
        sql, frequency, parameters = _parts(query)
        known = workload.get(sql, Usage(0.0))
        given = () if parameters is None else (parameters,)
        workload[sql] = Usage(known.frequency + frequency, known.parameters + given)
    return workload


def as_number(value: object) -> float:
    """Return a number of any type, as a Fraction or NumPy's, as a float; NaN if it's none."""
    if not isinstance(value, Real | Decimal):
        return math.nan
    try:
        return float(value)
    except (OverflowError, ValueError):  # larger than any float; a signaling NaN
        return math.nan


def _parts(query: Any) -> tuple[str, float, Parameters | None]:
    """Return a query's SQL, its frequency, and its parameters if there are any."""
    is_iterable = isinstance(query, Iterable) and not isinstance(query, str)
    parts = tuple(query) if is_iterable else (query, 1.0)
    if len(parts) not in (2, 3) or not isinstance(parts[0], str):
        raise ValueError(
            f"not a query, nor (query, frequency), nor (query, frequency, parameters): {query!r}"
        )
    sql, frequency, parameters = (*parts, None)[:3]
    number = as_number(frequency)
    if not 0 < number <= MOST:
        raise ValueError(
            f"the frequency is {frequency!r}: pass a number above 0, up to {MOST:g}, with the query"
            f"\n  {sql}"
        )
    if not _are_parameters(parameters):
        raise ValueError(
            f"the parameters are {parameters!r}: pass a tuple, a list or a dict with the query"
            f"\n  {sql}"
        )
    return sql, number, parameters


def _are_parameters(values: object) -> bool:
    is_text = isinstance(values, str | bytes | bytearray)
    return values is None or (isinstance(values, Sequence | Mapping) and not is_text)


def read_workload(
    copy: DatabaseCopy, reads: Reads, workload: Mapping[str, Usage]
) -> tuple[list[Query], dict[str, str]]:
    """Return the queries that can be measured, and for each of the others the reason why not."""
    readings, skipped = _readings(copy, reads, workload)
    scans = [scan for reading in readings.values() for scan in reading.scans]
    popular = Counter((scan.table, key) for scan in scans for key in scan.equal)
    values = Values(copy, reads.limit)

    def rank(table: str, key: str) -> tuple[int, int]:
        """Put popular keys first, so that queries share indexes; then those of many values."""
        return -popular[table, key], -values.typical(table, key).distinct

    queries = []
    try:
        constants = _constants(readings.values(), values)
    except OutOfTime:
        return [], skipped | dict.fromkeys(readings, NO_TIME_TO_READ)
    for sql, reading in readings.items():
        try:
            runs = _runs(reading, workload[sql], reads, values, constants)
            candidates = list[Index]()
            for scan in reading.scans:
                candidates += proposals(scan, copy.tables[scan.table], rank, values.is_rare)
        except ValueError as error:
            skipped[sql] = str(error)
        except OutOfTime:
            skipped[sql] = NO_TIME_TO_READ
        else:
            lookups = child_lookups(copy, reading)
            candidates = [lookup.index for lookup in lookups] + candidates
            checks = tuple(lookup.sql for lookup in lookups)
            query = Query(
                sql=sql,
                frequency=workload[sql].frequency,
                runs=tuple(replace(run, checks=checks) for run in runs),
                tables=reading.tables | {lookup.index.table for lookup in lookups},
                candidates=tuple(dict.fromkeys(candidates)),
            )
            queries.append(query)
    return queries, skipped


def _readings(
    copy: DatabaseCopy, reads: Reads, workload: Iterable[str]
) -> tuple[dict[str, Reading], dict[str, str]]:
    readings = {}
    skipped = {}
    now = time.perf_counter()
    end = now + READING_SHARE * (copy.deadline - now)
    for sql in sorted(workload, key=len):  # so that a list of 10,000 values costs only itself
        if len(sql) > READING_SPEED * (end - time.perf_counter()):
            skipped[sql] = NO_TIME_TO_READ
            continue
        try:
            reads.check(sql)
            readings[sql] = Reading(sql, copy.tables, copy.views, copy.unreadable)
        except ValueError as error:
            skipped[sql] = str(error).splitlines()[0]
    return {sql: readings[sql] for sql in workload if sql in readings}, skipped


def _constants(readings: Iterable[Reading], values: Values) -> set[Literal]:
    """Return the literals that don't vary.

    If several queries name the same state or kind, it's a constant of the application.
    """
    uses = Counter(literal for reading in readings for literal in reading.literals)
    constants = set()
    for literal, number in uses.items():
        table, column, _ = literal
        if number > 1 and values.typical(table, column).is_state:
            constants.add(literal)
    return constants


def _runs(
    reading: Reading, usage: Usage, reads: Reads, values: Values, constants: Set[Literal]
) -> list[Run]:
    """Return the runs of a query: as it's written, then with other literals.

    Its parameters get the values given, or typical ones.
    """
    changes = reading.changes
    statement = reading.statement
    values_given = [statement.bound(given) for given in usage.parameters[:MOST_VALUES]]
    if values_given and statement.names:
        return [Run.of(statement.text, given, changes=changes) for given in values_given]
    variants = reading.variants(values.typical, constants)
    runs = [Run.of(sql, bound, changes=changes) for sql, bound in variants]
    # A value of another column type may be one that SQLite refuses in this place.
    return [run for run in dict.fromkeys(runs) if run.sql == runs[0].sql or reads.accepts(run)]
