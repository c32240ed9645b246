"""Find out which `max(column)` or `min(column)` goes straight to its row.

The plan says SEARCH, without a condition, for both: `max(id)` reads the last row, and the `max` of
a column without an index reads them all. The program of SQLite's virtual machine tells them apart:

    Last    go to the last row             Rewind  go to the first row
    Rowid   read the id                    Column  read the column
    Goto    leave the loop                 Next    go on with the next row

Source: https://www.sqlite.org/opcode.html and sqlite3WhereMinMaxOptEarlyOut in SQLite's where.c.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

PlanRow: TypeAlias = tuple[int, int, int, str]  # of EXPLAIN QUERY PLAN
Program: TypeAlias = Sequence[tuple[Any, ...]]  # of EXPLAIN: address, opcode, p1, p2, ...

# Anything else in the loop may skip a row, and then it reads on.
_HARMLESS = {"AggStep", "CollSeq", "Column", "Copy", "IdxRowid", "RealAffinity", "Rowid", "SCopy"}


def immediate_steps(rows: Sequence[PlanRow], program: Program) -> frozenset[int]:
    """Return the numbers of the plan's steps that read one row at an end of a table or index."""
    instructions = {address: (opcode, p2) for address, opcode, _, p2, *_ in program}
    numbers = []
    for position, (number, _, _, text) in enumerate(rows):
        # Numbers are addresses in a program that also has an instruction for each step before.
        if text.startswith("SEARCH") and _leaves_at_once(instructions, number - position):
            numbers.append(number)
    return frozenset(numbers)


def _leaves_at_once(instructions: Mapping[int, tuple[str, int]], start: int) -> bool:
    """Check whether the loop that starts at an address ends with the first row."""
    opcode, after = instructions.get(start, ("", 0))
    if opcode == "Null":  # for `min`, which searches behind the NULLs first
        return True
    if opcode not in ("Last", "Rewind"):
        return False
    for address in range(start + 1, after):
        opcode, target = instructions.get(address, ("", 0))
        if opcode == "Goto":
            return target >= after
        if opcode not in _HARMLESS:
            return False
    return False
