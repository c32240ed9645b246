"""Totals: everything that a process has counted, in a form that JSON can hold.

Workers send each other totals, so a total may come from another version, or may be damaged. What
isn't exactly as `Counters.dump` returns it is refused, before it's added to anything.

As text, a total has a line of JSON for each entry. A single large document would be encoded in one
step, and the event loop would wait for the end of that step even if it runs in another thread.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from course_lib.monitor.entries import Counters
from course_lib.monitor.histogram import Histogram

Total = dict[str, Any]

MOST = 2**100  # the largest sum that's accepted; a busy service exceeds 2**64 nanoseconds
MOST_IN_BUCKET = 2**50  # thousands of them add up to less than a bucket can hold


def combine(
    relative_error: float,
    plus: Sequence[Total],
    minus: Iterable[Total] = (),
    first: Iterable[Sequence[Total]] = (),
    *,
    keep_names: bool = False,
) -> Total:
    """Add the totals in `plus`, subtract those in `minus`, and return the result.

    The result has no entry for what was never counted, or was subtracted, unless `keep_names` is
    True. If there are too many names, those in the totals of `first` have entries of their own, in
    this order.
    """
    combined = Counters(relative_error)
    for totals in (*first, plus):
        combined.reserve(totals)
    for total in plus:
        combined.add_dump(total)
    for total in minus:
        combined.add_dump(without_gauges(total), times=-1)
    if not keep_names:
        combined.remove_empty()
    return combined.dump()


def names_in(total: Total) -> set[tuple[str, ...]]:
    """Return the names of all entries and counts in a total, each after its kind."""
    counts = {("count", name) for name in total["counts"]}
    endpoints = {("endpoint", name) for name, _ in total["endpoints"]}
    return counts | endpoints | {("statement", *name) for name, _ in total["statements"]}


def without_gauges(total: Total) -> Total:
    """Return a total of a process that has ended: nothing is in progress there."""
    return {**total, "gauges": {}}


def as_text(total: Total) -> str:
    """Return a total as text, which `parse` reads."""
    lines = [json.dumps({**total, "endpoints": [], "statements": []})]
    for kind in ("endpoints", "statements"):
        lines += [json.dumps([kind, name, entry]) for name, entry in total[kind]]
    return "\n".join(lines)


def parse(relative_error: float, text: bytes) -> Total:
    """Return the total in a text. Raises ValueError if it isn't one."""
    try:
        return _parsed(text, len(Histogram(relative_error).counts))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a total of this version: {error!r}"[:200]) from error


def _parsed(text: bytes, buckets: int) -> Total:
    first_line, *lines = text.split(b"\n")
    total: Total = json.loads(first_line)
    _check_entry(total["lag"], buckets)
    _check_numbers(total["counts"].values())
    _check_numbers(total["gauges"].values())
    entries: dict[str, list[Any]] = {"endpoints": [], "statements": []}
    for line in lines:
        kind, name, entry = json.loads(line)
        _check_names([name, ""] if kind == "endpoints" else name)
        _check_entry(entry, buckets)
        entries[kind].append((name, entry))
    return {**total, **entries}


def _check_entry(entry: Any, buckets: int) -> None:
    total, longest, clamped, first, counts, first_bytes, size, statuses = entry
    _check_numbers([total, longest, clamped, first, first_bytes, size])
    _check_numbers(counts, most=MOST_IN_BUCKET)
    if first + len(counts) > buckets:
        raise ValueError("too many buckets")
    for status, count in statuses:
        _check_numbers([status, count])


def _check_numbers(values: Iterable[Any], most: int = MOST) -> None:
    numbers = list(values)
    if set(map(type, numbers)) - {int}:
        raise ValueError("a count isn't a whole number")
    if numbers and not (min(numbers) >= 0 and max(numbers) <= most):
        raise ValueError("a count is out of range")


def _check_names(names: Any) -> None:
    first, second = names
    if not (isinstance(first, str) and isinstance(second, str)):
        raise ValueError("a name isn't text")
