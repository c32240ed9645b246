"""Propose indexes that might serve a query.

The rule is the one that lesson 2 teaches: the equalities first, then one range or the order, then
the columns that are missing to cover the query. If a condition keeps few rows, a partial index of
those rows is proposed too. Only a measurement can tell which are worth their cost (`search.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from course_lib.advisor.scans import Scan
from course_lib.advisor.schema import Index, Keys, Table

MOST_COLUMNS = 8  # of an index
# Bytes of an entry that may always cover; a longer one may if it's less than half of a row.
SHORT_ENTRY = 48


def proposals(
    scan: Scan,
    table: Table,
    rank: Callable[[str, str], tuple[int, ...]],
    is_rare: Callable[[str, str, Keys], bool],
) -> Iterator[Index]:
    """Yield indexes for a scan.

    Of several equalities, those of the lowest `rank(table, key)` come first. `is_rare(table, where,
    columns)` returns True for a condition that a partial index may use.
    """
    if table.rowid & {*scan.equal}:
        return  # the rowid already finds the one row

    equal = scan.equal
    if len(equal) > 1:  # a rank may take long to find
        equal = tuple(sorted(equal, key=lambda key: (rank(scan.table, key), key)))
    joined = tuple(key for key in scan.joined if key not in table.rowid)
    ranges = [tuple(key for key in keys if key not in table.rowid) for keys in scan.ranges]
    # As they're written: in another order, SQLite may not search for `(a, b) IN (SELECT ...)`.
    listed = tuple(key for key in scan.listed if key not in table.rowid)
    tails = [tail for tail in [*scan.sorts, *ranges] if tail] or [()]
    orders = _key_orders(equal, joined, tails)
    if listed:
        with_list = _key_orders(equal + listed, joined, [*tails, ()])
        with_list += _key_orders(equal, joined, [listed])
        # A list helps a range, and breaks an order. If time is short, only the first are tried.
        orders = orders + with_list if scan.sorts else with_list + orders
    for keys in dict.fromkeys(orders):
        yield from _covering(table, keys, scan.needed)
    for where, columns in scan.filters:
        if is_rare(scan.table, where, columns):
            # An index needs a key, even if the condition alone finds the rows.
            last_resort = columns if _tests_truth_or_null(where, columns) else ()
            for head in dict.fromkeys((joined + equal, equal)):
                rest = tuple(key for key in head if key not in columns)
                for tail in tails[:2]:
                    for index in _covering(table, rest + tail or last_resort, scan.needed):
                        yield replace(index, where=where)


def _tests_truth_or_null(where: str, columns: Keys) -> bool:
    """Check whether a condition is `x`, `NOT x`, `x IS NULL`, `x IS NOT NULL`, `NOT (x IS NULL)`.

    Rows that meet another condition, such as `x = 5`, are found by an ordinary index on `x`.
    """
    return where.rstrip(")").endswith(" NULL") or where.removeprefix("NOT ") in columns


def _key_orders(equal: Keys, joined: Keys, tails: list[Keys]) -> list[Keys]:
    """Return the orders of keys to try, without duplicates."""
    # As the inner table of a join, whichever table is read before it, and as the outer one.
    heads = [(key, *equal, *joined) for key in joined] + [equal]
    orders = [head + tail for head in heads for tail in tails]
    if equal:
        orders += [tail + equal for tail in tails]
    return list(dict.fromkeys(orders))


def _covering(table: Table, keys: Keys, needed: Keys | None) -> Iterator[Index]:
    """Yield the index on these keys, if any, covering the query unless that takes too much."""
    keys = tuple(dict.fromkeys(keys))
    columns = {key.removesuffix(" DESC").removesuffix(" COLLATE NOCASE") for key in keys}
    columns |= table.rowid
    included = tuple(column for column in needed or () if column not in columns)
    width = sum(table.widths.get(column, 0) for column in (*columns, *included))
    is_short = width < max(SHORT_ENTRY, sum(table.widths.values()) / 2)
    has_few_columns = len(keys + included) <= MOST_COLUMNS
    covers = needed is not None and is_short and has_few_columns
    if keys:
        yield Index(table.name.lower(), keys, included if covers else ())
    elif covers and included:
        yield Index(table.name.lower(), included)
