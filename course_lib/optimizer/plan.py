"""Read SQLite's query plans: facts instead of wording, which changes between releases.

SQLite 3.33 says   SCAN TABLE events AS e
SQLite 3.54 says   SCAN e
both become        Step(kind="scan", table="e")
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Step:
    """A line of a query plan: its `text`, and what it means.

    `kind` is one of

    - "scan": reads a table or an index from end to end (a LIMIT can stop it early).
    - "search": finds its rows directly, by an index or the primary key.
    - "skip-scan": searches an index once for each value of a leading column that the query leaves
      open.
    - "virtual table": calls a module (full-text search, JSON); SQLite doesn't know how much that
      reads.
    - "subquery": reads the rows of a subquery, a view or a common table expression. (A CTE that the
      query gives an alias looks like a table, and counts as one.)
    - "sort": builds a temporary B-tree, for the `purpose` "ORDER BY", "PART OF ORDER BY",
      "GROUP BY", ...
    - "other": structure only, such as COMPOUND QUERY or MULTI-INDEX OR.

    `table` is the table's alias if the query gives it one, else its name. `index` is None for the
    table itself and its primary key. `covering` means the index has every column the query needs,
    so the table isn't read. `number` and `parent` make the steps a tree.
    """

    text: str
    kind: str
    table: str | None = None
    index: str | None = None
    covering: bool = False
    purpose: str | None = None
    number: int = 0
    parent: int = 0


@dataclass(frozen=True)
class Plan:
    """The way SQLite would run a query. `print(plan)` draws the tree that SQLite's shell draws."""

    steps: tuple[Step, ...]

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[tuple[int, int, int, str]],
        *,
        immediate: Collection[int] | None = None,
        indexes: Collection[str] = (),
    ) -> "Plan":
        """Read the rows of EXPLAIN QUERY PLAN, in the words of any SQLite from 3.33 to 3.54.

        `immediate` has the numbers of the steps that go straight to the first or the last row, if
        that's known. `indexes` are the names of all indexes: with them, a plan is read right even
        if a column's name has parentheses.
        """
        results = {_result_name(text) for *_, text in rows}
        results.discard(None)
        steps: list[Step] = []
        ancestors: dict[int, list[str]] = {0: []}  # the texts of a step and of all steps above it
        for number, parent, _, text in rows:
            step = _with_known_index(_read_step(text), indexes)
            step = replace(step, number=number, parent=parent)
            ancestors[number] = [*ancestors[parent], text]
            if immediate is not None and may_be_immediate(text):
                step = replace(step, kind="search" if number in immediate else "scan")
            if step.table in results and not _is_inside(step.table, ancestors[parent]):
                step = replace(step, kind="subquery", index=None, covering=False)
            steps.append(step)
        return cls(tuple(steps))

    @property
    def scans(self) -> tuple[Step, ...]:
        """The steps that read a table or an index from end to end."""
        return self._of_kind("scan")

    @property
    def searches(self) -> tuple[Step, ...]:
        """The steps that find their rows directly, skip-scans not included."""
        return self._of_kind("search")

    @property
    def skip_scans(self) -> tuple[Step, ...]:
        """The steps that try each value of an index's leading column."""
        return self._of_kind("skip-scan")

    @property
    def sorts(self) -> tuple[str, ...]:
        """The purposes of temporary B-trees, such as "ORDER BY". Empty if nothing is sorted."""
        return tuple(step.purpose for step in self.steps if step.purpose)

    @property
    def indexes(self) -> tuple[str, ...]:
        """The names of the indexes used, without duplicates, primary keys and automatic indexes."""
        return tuple(dict.fromkeys(step.index for step in self.steps if step.index))

    @property
    def covering(self) -> bool:
        """True if indexes alone are enough for the query, and no table is read."""
        reads = self._of_kind("scan", "search", "skip-scan", "virtual table")
        return bool(reads) and all(step.covering for step in reads)

    def _of_kind(self, *kinds: str) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.kind in kinds)

    def __str__(self) -> str:
        children = defaultdict(list)
        for step in self.steps:
            children[step.parent].append(step)

        def draw(parent: int, margin: str) -> Iterator[str]:
            for step in children[parent]:
                is_last = step is children[parent][-1]
                branch, below = ("`--", "   ") if is_last else ("|--", "|  ")
                yield margin + branch + step.text
                yield from draw(step.number, margin + below)

        return "\n".join(["QUERY PLAN", *draw(0, "")])


_TERM = r"(?: ANY\([^()]*\) | \([^()]*\)[<>]\([?,]*\) | [^()]+[=<>]\? )"
_ACCESS = re.compile(
    rf"""(?P<verb>SCAN|SEARCH)[ ]
      (?:TABLE[ ])? (?:main\.)? (?P<table>.+?) (?:[ ]AS[ ](?P<alias>.+?))? (?:[ ]EXISTS)?
      (?: [ ](?P<virtual>VIRTUAL[ ]TABLE[ ]INDEX)[ ].*
        | [ ](?P<using>USING)[ ]
          (?: (?:INTEGER[ ])?PRIMARY[ ]KEY (?:[ ]\((?P<key_terms>.+)\))?
            | (?P<automatic>AUTOMATIC)[ ](?:PARTIAL[ ])?(?:COVERING[ ])?INDEX (?:[ ]\(.+\))?
            | (?P<covering>COVERING[ ])?INDEX[ ](?P<index>.+?)
              (?:[ ]\((?P<terms>{_TERM}(?:[ ]AND[ ]{_TERM})*)\))? )
      )?
      (?:[ ]LEFT-JOIN)?""",
    re.VERBOSE,
)
_HAS_TERMS = re.compile(r"[=<>]\?.*\)(?: LEFT-JOIN)?$")
_ANY = re.compile(r"ANY\(.*?\)(?: AND |$)")  # the leading column of a skip-scan
_CONSTANT = re.compile(r"SCAN (?:CONSTANT ROW|\d+ CONSTANT ROWS|\d+-ROW VALUES CLAUSE)")
_MEMBERSHIP = re.compile(
    r"USING (?:INDEX (?P<index>.+)|ROWID SEARCH ON TABLE (?P<table>.+)) FOR IN-OPERATOR"
)
_SORT = re.compile(
    r"USE TEMP B-TREE FOR (?P<purpose>.+)|(?P<compound>UNION|EXCEPT|INTERSECT) USING TEMP B-TREE"
)
_PART = re.compile(r"(?:RIGHT PART|LAST TERM|LAST \d+ TERMS) OF ")
_UNNAMED = re.compile(r"SUBQUERY \d+|\((?:subquery|join)-\d+\)")
_RESULT = re.compile(r"(?:CO-ROUTINE|MATERIALIZE) (.+)")


def _read_step(text: str) -> Step:
    """Read one line of a plan, without the lines around it."""
    if match := _SORT.fullmatch(text):
        purpose = match["compound"] or _PART.sub("PART OF ", match["purpose"])
        return Step(text, "sort", purpose=purpose)
    if match := _MEMBERSHIP.fullmatch(text):
        index = match["index"]
        return Step(text, "search", match["table"], index, covering=index is not None)
    match = _ACCESS.fullmatch(text)
    if match is None or _CONSTANT.fullmatch(text):
        return Step(text, "other")
    if _UNNAMED.fullmatch(match["table"]):
        return Step(text, "subquery", match["alias"])
    table = match["alias"] or match["table"]
    return Step(text, _kind(match), table, match["index"], match["covering"] is not None)


def may_be_immediate(text: str) -> bool:
    """Check whether a step is the SEARCH without a condition of `max(column)` or `min(column)`."""
    access = _ACCESS.fullmatch(text)
    if access is None or access["verb"] != "SEARCH":
        return False
    return not (_HAS_TERMS.search(text) or access["virtual"] or access["automatic"])


def _with_known_index(step: Step, indexes: Collection[str]) -> Step:
    """Correct the name of the index, if it was read together with the columns behind it."""
    if step.index is None or step.index in indexes:
        return step
    beginnings = [name for name in indexes if step.index.startswith(f"{name} (")]
    if not beginnings:
        return step
    index = max(beginnings, key=len)
    terms = step.index.removeprefix(f"{index} (").removesuffix(")")
    is_skip_scan = _ANY.match(terms)
    return replace(step, index=index, kind="skip-scan" if is_skip_scan else step.kind)


def _kind(access: re.Match[str]) -> str:
    """Return the kind of a step that reads a table."""
    if access["virtual"]:
        return "virtual table"
    if _ANY.match(access["terms"] or access["key_terms"] or ""):
        return "skip-scan"
    # For `max(column)` SQLite says SEARCH without a condition, whether it can take the value from
    # one end or has to read every row. With an index it's the former, without one the latter.
    # An AUTOMATIC index is built for each run of the query, and building it reads the whole table.
    if access["verb"] == "SEARCH" and access["using"] and not access["automatic"]:
        return "search"
    return "scan"


def _result_name(text: str) -> str | None:
    """Return the name of the result that a step computes for other steps to read, if it does."""
    match = _RESULT.fullmatch(text)
    return match and match[1]


def _is_inside(name: str | None, ancestors: Sequence[str]) -> bool:
    """Check whether a step is part of computing the result that has this name.

    Inside `WITH events AS (SELECT ... FROM main.events)` the name still means the table. Only the
    recursive step of a recursive query reads the result there.
    """
    return name in map(_result_name, ancestors) and "RECURSIVE STEP" not in ancestors
