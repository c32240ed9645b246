"""Indexes for SQLite: make them, see which queries use them, and what they cost.

    create_indexes("events.db")
    print(analyze_query_performance("events.db", "SELECT * FROM events WHERE user_id = ?"))

Each function takes a path, for which it opens and closes a connection of its own, or an open
`sqlite3.Connection`. A path without a database is a FileNotFoundError, never a new file. What SQLite says
clearly (`sqlite3.OperationalError: database is locked`) comes through, with a note on what to do.
"""

import itertools
import re
import shutil
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

Database: TypeAlias = str | PathLike[str] | sqlite3.Connection

EVENTS_INDEXES = (
    # The newest events of a user; and, read from end to end, the ten busiest users.
    "CREATE INDEX idx_events_user_id_created_at ON events(user_id, created_at)",
    # Totals by type.
    "CREATE INDEX idx_events_type ON events(type)",
    # When the newest event was, and the users of the seven days before it.
    "CREATE INDEX idx_events_created_at_user_id ON events(created_at, user_id)",
)


@contextmanager
def connected(db: Database, timeout: float = 5.0, mode: str = "rw") -> Iterator[sqlite3.Connection]:
    """A connection whose rows are plain tuples of str; one that was given gets its factories back.

    `mode` is "rw" or, where nothing at all may be written, "ro"; neither makes a file.
    """
    try:
        if isinstance(db, sqlite3.Connection):
            factories = db.row_factory, db.text_factory
            db.row_factory, db.text_factory = None, str
            try:
                yield db
            finally:
                db.row_factory, db.text_factory = factories
        else:
            path = Path(db)
            if not path.is_file():
                raise FileNotFoundError(f"no database at {str(path)!r}: make it first, or correct the path")
            # Only a URI can say the mode; as_uri() quotes '?', '#' and '%'.
            uri = f"{path.resolve().as_uri()}?mode={mode}"
            with closing(sqlite3.connect(uri, uri=True, timeout=timeout)) as connection:
                yield connection
    except sqlite3.Error as error:
        if not isinstance(db, sqlite3.Connection):
            error.add_note(f"The database: {Path(db)}.")
        if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            error.add_note(f"What to do: {_remedy(error)}.")
        raise


def _code(error: Exception) -> int:
    """SQLite's primary result code; 0 where Python's own module found the fault."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _remedy(error: sqlite3.Error) -> str:
    """What to do; empty where SQLite's own words have to do."""
    match _code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "end what else reads or writes, or wait longer: sqlite3.connect(path, timeout=60)"
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return "free some space, also for temporary files (SQLITE_TMPDIR names their folder)"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN:
            return "make the file and its folder writable, and open it without mode=ro"
        case sqlite3.SQLITE_ERROR:
            return "fetch what is left in this connection's cursors or close them, or give the path"
        case _:
            return ""


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


# --- create_indexes ---------------------------------------------------------------------------------------


class IndexConflictError(ValueError):
    """An index of the wanted name is there already, and is another index."""


def create_indexes(db: Database, *, indexes: Iterable[str] = EVENTS_INDEXES) -> list[str]:
    """Make those of the indexes that are missing, and return their names.

    One transaction makes all of them or none, and ends with ANALYZE, which tells the planner how selective
    each is. Where nothing is missing, nothing is locked. Several workers may start at once: the first makes
    the indexes, the others wait (a minute for a path, else the connection's own `timeout`) and find them.

    `indexes` are statements `CREATE [UNIQUE] INDEX [IF NOT EXISTS] name ON table(...)`. Anything else is a
    ValueError, and so is what SQLite refuses. An IndexConflictError says that the name belongs to another
    definition (letter case, blanks, comments, quotes and ASC make no difference); a ProgrammingError of
    sqlite3, that the given connection is inside a transaction.
    """
    wanted = [(_index_name(statement), statement) for statement in indexes]
    with connected(db, timeout=60.0) as connection:
        if connection.in_transaction:
            raise sqlite3.ProgrammingError(
                "the connection is inside a transaction: commit it or roll it back first,"
                " or, with autocommit=False, give the path"
            )
        if all(_exists(connection, name, statement) for name, statement in wanted):
            return []
        made = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for name, statement in wanted:
                # Asked again: while this worker waited for the lock, another may have made it.
                if not _exists(connection, name, statement):
                    _create(connection, statement)
                    made.append(name)
            if made:
                connection.execute("ANALYZE")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return made


def _exists(connection: sqlite3.Connection, name: str, statement: str) -> bool:
    found = connection.execute(
        "SELECT sql FROM main.sqlite_master WHERE type = 'index' AND name = ? COLLATE NOCASE", (name,)
    ).fetchone()
    if found and definition(found[0] or "") != definition(statement):
        raise IndexConflictError(
            f"the name {name!r} belongs to another index already:\n"
            f"  in the database: {found[0]}\n"
            f"  wanted:          {statement}\n"
            f"Choose another name, or remove the old index first: DROP INDEX {quoted(name)}"
        )
    return found is not None


def _create(connection: sqlite3.Connection, statement: str) -> None:
    try:
        connection.execute(statement)
    except sqlite3.Error as error:
        if _code(error) == sqlite3.SQLITE_ERROR:
            raise ValueError(f"SQLite refuses the index: {error}\n  {statement}") from error
        error.add_note(f"The index: {statement}")  # UNIQUE, and there are rows that are not
        raise


_TOKEN = re.compile(
    r"""(?P<blank>   \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
      | (?P<string>  '(?:[^']|'')*' )
      | (?P<quoted>  "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^]]*\] )
      | (?P<other>   [\w$]+ | . )""",
    re.VERBOSE | re.DOTALL,
)
_CREATE_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?(?P<name>(?:(?! [.] ).)+?) ON .", re.I)


def _tokens(sql: str) -> list[str]:
    """The words and signs of a statement: names without their quotes, no comments, no last semicolon."""
    tokens = []
    for match in _TOKEN.finditer(sql):
        if match.lastgroup == "quoted":
            quote = match[0][-1]
            tokens.append(match[0][1:-1].replace(quote * 2, quote))
        elif match.lastgroup != "blank":
            tokens.append(match[0])
    return tokens[:-1] if tokens[-1:] == [";"] else tokens


def _index_name(statement: str) -> str:
    tokens = _tokens(statement)
    match = _CREATE_INDEX.match(" ".join(tokens))
    if match is None or ";" in tokens:
        raise ValueError(f"not a statement CREATE [UNIQUE] INDEX name ON table(columns): {statement!r}")
    return match["name"]


def definition(statement: str) -> str:
    """What the index is, however it is written: SQLite keeps the text of CREATE INDEX as it was typed."""
    tokens = [token if token.startswith("'") else token.lower() for token in _tokens(statement)]
    return " ".join(token for token in tokens if token != "asc").replace(" if not exists", "", 1)


# --- analyze_query_performance ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One line of a query plan.

    Its `kind` is one of

    - "scan": reads a table, or an index of it, from end to end (a LIMIT may stop it early). So does an
      AUTOMATIC index, for which the whole table is read each time the query runs.
    - "search": goes straight to the rows by an index or the primary key.
      (SQLite says SEARCH without a condition for `max(column)`, whether it finds it at an end or has to read
      everything. Without an index that counts as a scan, with one as a search.)
    - "skip-scan": searches an index once for each value of a leading column that the query leaves open.
    - "virtual table": asks a module (full-text search, JSON), which alone knows how much it reads.
    - "subquery": reads rows that the query made before, of a subquery, a view, a common table expression.
      (Under an alias of its own a CTE cannot be told from a table, and counts as one.)
    - "sort": builds a temporary B-tree; `purpose` says for what: "ORDER BY", "PART OF ORDER BY", "GROUP BY".
    - "other": structure only, such as COMPOUND QUERY, MULTI-INDEX OR or CO-ROUTINE.

    `table` is what the query calls the table: its alias, if it has one. `index` is None where the table
    itself is read, or searched by its primary key. `covering` means that the index holds all that is wanted,
    so that the table is not touched. `number` and `parent` say which step is part of which.
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
    """How SQLite would run a query. `print(plan)` draws the tree as its shell does."""

    steps: tuple[Step, ...]

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[int, int, int, str]]) -> "Plan":
        """Read the rows of EXPLAIN QUERY PLAN, as any release of SQLite from 3.33 to 3.54 words them."""
        steps: list[Step] = []
        made = {_made(text) for *_, text in rows} - {None}
        above: dict[int, list[str]] = {0: []}  # the texts of the steps that each step is part of
        for number, parent, _, text in rows:
            step = replace(_read_step(text), number=number, parent=parent)
            above[number] = [*above[parent], text]
            # Inside WITH events AS (SELECT ... FROM main.events) the name still is the table's; only a
            # recursion reads there what it makes.
            inside = step.table in map(_made, above[parent]) and "RECURSIVE STEP" not in above[parent]
            if step.table in made and not inside:
                step = replace(step, kind="subquery", index=None, covering=False)
            steps.append(step)
        return cls(tuple(steps))

    @property
    def scans(self) -> tuple[Step, ...]:
        """The steps that read a table, or an index of it, from end to end."""
        return self._of_kind("scan")

    @property
    def searches(self) -> tuple[Step, ...]:
        """The steps that go straight to their rows. Skip-scans are not among them."""
        return self._of_kind("search")

    @property
    def skip_scans(self) -> tuple[Step, ...]:
        """The steps that try each value of an index's leading column."""
        return self._of_kind("skip-scan")

    @property
    def sorts(self) -> tuple[str, ...]:
        """What temporary B-trees are built for: ("GROUP BY", "ORDER BY"), say. Empty: rows come in order."""
        return tuple(step.purpose for step in self.steps if step.purpose)

    @property
    def indexes(self) -> tuple[str, ...]:
        """The names of the indexes used, each once. Primary keys and automatic indexes have none."""
        return tuple(dict.fromkeys(step.index for step in self.steps if step.index))

    @property
    def covering(self) -> bool:
        """Whether indexes answer the query alone, without touching any table."""
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
                last = step is children[parent][-1]
                yield margin + ("`--" if last else "|--") + step.text
                yield from draw(step.number, margin + ("   " if last else "|  "))

        return "\n".join(["QUERY PLAN", *draw(0, "")])


_TERM = r"(?: ANY\([^()]*\) | \([^()]*\)[<>]\([?,]*\) | [^()]+[=<>]\? )"
_ACCESS = re.compile(
    rf"""(?P<verb>SCAN|SEARCH)[ ]
      (?:TABLE[ ])? (?:main\.)? (?P<table>.+?) (?:[ ]AS[ ](?P<alias>.+?))? (?:[ ]EXISTS)?
      (?: [ ](?P<virtual>VIRTUAL[ ]TABLE[ ]INDEX)[ ].*
        | [ ](?P<using>USING)[ ]
          (?: (?:INTEGER[ ])?PRIMARY[ ]KEY
            | (?P<automatic>AUTOMATIC)[ ](?:PARTIAL[ ])?(?:COVERING[ ])?INDEX
            | (?P<covering>COVERING[ ])?INDEX[ ](?P<index>.+?) )
          (?: [ ]\((?P<terms>{_TERM}(?:[ ]AND[ ]{_TERM})*)\) )?
      )?
      (?:[ ]LEFT-JOIN)?""",
    re.VERBOSE,
)
_CONSTANT = re.compile(r"SCAN (?:CONSTANT ROW|\d+ CONSTANT ROWS|\d+-ROW VALUES CLAUSE)")
_MEMBERSHIP = re.compile(r"USING (?:INDEX (?P<index>.+)|ROWID SEARCH ON TABLE (?P<table>.+)) FOR IN-OPERATOR")
_SORT = re.compile(r"USE TEMP B-TREE FOR (?P<purpose>.+)|(?P<compound>UNION|EXCEPT|INTERSECT) USING TEMP B-TREE")
_PART = re.compile(r"(?:RIGHT PART|LAST TERM|LAST \d+ TERMS) OF ")
_UNNAMED = re.compile(r"SUBQUERY \d+|\((?:subquery|join)-\d+\)")


def _made(text: str) -> str | None:
    """The name of the rows that this step makes for others to read."""
    match = re.fullmatch("(?:CO-ROUTINE|MATERIALIZE) (.+)", text)
    return match and match[1]


def _read_step(text: str) -> Step:
    """Facts instead of wording, which changes between releases (`SCAN TABLE events AS e`, later `SCAN e`)."""
    if match := _SORT.fullmatch(text):
        return Step(text, "sort", purpose=match["compound"] or _PART.sub("PART OF ", match["purpose"]))
    if match := _MEMBERSHIP.fullmatch(text):
        return Step(text, "search", match["table"], match["index"], covering=match["index"] is not None)
    match = _ACCESS.fullmatch(text)
    if match is None or _CONSTANT.fullmatch(text):
        return Step(text, "other")
    if _UNNAMED.fullmatch(match["table"]):
        return Step(text, "subquery", match["alias"])
    if match["virtual"]:
        kind = "virtual table"
    elif "ANY(" in (match["terms"] or ""):
        kind = "skip-scan"
    elif match["verb"] == "SEARCH" and match["using"] and not match["automatic"]:
        kind = "search"
    else:
        kind = "scan"
    return Step(text, kind, match["alias"] or match["table"], match["index"], match["covering"] is not None)


_PLANNING_SECONDS = 1.0
_serial = itertools.count()


class _OneQuery:
    """An authorizer that allows a SELECT, and only for so long.

    Of a query SQLite asks first whether it may SELECT, of any other statement something else. What it asks
    later belongs to the query: full-text tables, when first used, ask for PRAGMA and more. It asks for each
    column of each view too, which makes it the one clock that every release has while it plans (before 3.41 a
    progress handler is not called then).
    """

    def __init__(self) -> None:
        self.deadline = time.perf_counter() + _PLANNING_SECONDS
        self.asked = False
        self.refusal = ""

    def __call__(self, action: int, *_details: str | None) -> int:
        if not self.asked and action != sqlite3.SQLITE_SELECT:
            self.refusal = "only a single SELECT, WITH ... SELECT or VALUES can be explained"
        elif time.perf_counter() > self.deadline:
            self.refusal = f"planning takes over {_PLANNING_SECONDS:g} s: do its views multiply one another?"
        self.asked = True
        return sqlite3.SQLITE_DENY if self.refusal else sqlite3.SQLITE_OK


def analyze_query_performance(db: Database, query: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> Plan:
    """Ask SQLite how it would run a query, by EXPLAIN QUERY PLAN; the query itself never runs.

    `params` is a sequence for `?`, a mapping for named parameters (`:name`), and may lack values: what is
    absent is NULL. (The values matter a little: the planner looks at some.)
    A ValueError, with SQLite's words and the query, says that the query is wrong, is not one read-only
    statement, or takes more than about a second to plan.

    The plan is the one that the database has now, whoever made or dropped an index meanwhile. On a given
    connection an authorizer is set and taken off; one that was there before is gone then, for Python cannot
    read it back: give the path where that matters.
    """
    with connected(db) as connection:
        # EXPLAIN believes the schema that the connection remembers; only reading it makes SQLite look again.
        for _, name, _ in connection.execute("PRAGMA database_list").fetchall():
            connection.execute(f"SELECT 1 FROM {quoted(name)}.sqlite_master").fetchone()
        # And a statement that Python has cached keeps its old plan: this text is new each time.
        statement = f"EXPLAIN QUERY PLAN /* {next(_serial)} */ {query}"
        guard = _OneQuery()
        connection.set_authorizer(guard)
        try:
            rows = _execute(connection, statement, params).fetchall()
        except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
            if _code(error) not in (0, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_TOOBIG):
                raise
            raise ValueError(f"cannot explain this: {guard.refusal or error}\n  {query}") from error
        finally:
            connection.set_authorizer(None)
        if not guard.asked:  # VACUUM, for one, asks for nothing
            raise ValueError(f"only a query can be explained, not this\n  {query}")
        return Plan.from_rows(rows)


class _NullIfAbsent(dict[str, Any]):
    def __missing__(self, name: str) -> None:
        return None


def _execute(
    connection: sqlite3.Connection, statement: str, params: Sequence[Any] | Mapping[str, Any]
) -> sqlite3.Cursor:
    if isinstance(params, Mapping):
        return connection.execute(statement, _NullIfAbsent(params))
    values = tuple(params)
    if not values:
        with suppress(sqlite3.ProgrammingError):  # which a nameless `?` raises: only a sequence fills it
            return connection.execute(statement, _NullIfAbsent())
    try:
        return connection.execute(statement, values)
    except sqlite3.ProgrammingError as error:
        # Only the message tells how many there are: "The current statement uses 3, and there are 1 supplied."
        needed = re.search(r"statement uses (\d+)", str(error))
        if needed is None or int(needed[1]) < len(values):
            raise
        return connection.execute(statement, values + (None,) * (int(needed[1]) - len(values)))


# --- vacuum_database --------------------------------------------------------------------------------------


class VacuumError(sqlite3.OperationalError):
    """The space could not be given back, and why. The database is whole, all its rows are there."""


@dataclass(frozen=True)
class VacuumReport:
    """The size of the database before and after VACUUM, the pages that it shrank by, the time it took."""

    bytes_before: int
    bytes_after: int
    pages_freed: int
    seconds: float


def vacuum_database(db: Database) -> VacuumReport:
    """Write the database anew without its free pages, and give their space back to the disk.

    What stays needs its disk space twice more meanwhile: beside the file for a journal, and in SQLite's
    temporary folder for a copy. Nobody else may write then (nor, unless in WAL mode, read). A VacuumError
    says what is in the way and, where it is known, what to do; a damaged file is a DatabaseError of sqlite3.
    """
    with connected(db) as connection:
        if connection.in_transaction:
            raise VacuumError(
                "VACUUM cannot run inside a transaction: commit it or roll it back,"
                " or, with autocommit=False, give the path"
            )
        pages, page_size, free_pages, file = connection.execute(
            "SELECT page_count, page_size, freelist_count, file FROM pragma_page_count, pragma_page_size,"
            " pragma_freelist_count, pragma_database_list AS databases WHERE databases.name = 'main'"
        ).fetchone()
        needed = (pages - free_pages) * page_size
        if file and (free := shutil.disk_usage(Path(file).parent).free) < needed:
            raise VacuumError(
                f"VACUUM may need {needed:,} bytes beside {file!r}, and {free:,} are free: free some first"
            )
        start = time.perf_counter()
        try:
            connection.execute("VACUUM")
            # In WAL mode the new pages are in the log still: only a checkpoint makes the file shorter.
            blocked, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            remedy = _remedy(error)
            raise VacuumError(f"VACUUM failed, nothing is lost: {error}{remedy and '; ' + remedy}") from error
        if blocked:
            raise VacuumError(
                "VACUUM is done, but a reader still needs the old pages, so the file has not shrunk: "
                "when the reader has ended, PRAGMA wal_checkpoint(TRUNCATE) shrinks it"
            )
        seconds = time.perf_counter() - start
        (pages_after,) = connection.execute("PRAGMA page_count").fetchone()
        return VacuumReport(pages * page_size, pages_after * page_size, pages - pages_after, seconds)


# --- get_table_stats --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class IndexStats:
    """An index: its columns, its bytes on disk (None where SQLite lacks dbstat), the queries that use it."""

    name: str
    columns: tuple[str, ...]
    bytes: int | None
    used_by: tuple[str, ...]


@dataclass(frozen=True)
class TableStats:
    """A table: its rows, its own bytes on disk (None where SQLite lacks dbstat), its indexes."""

    name: str
    rows: int
    bytes: int | None
    indexes: tuple[IndexStats, ...]


def get_table_stats(db: Database, queries: Iterable[str] = ()) -> list[TableStats]:
    """Count what each ordinary table (no view, no virtual table) and each of its indexes holds.

    SQLite does not count how often an index is used. `used_by` holds those of the given queries whose plan
    uses it; an index that none of them uses may serve a query that was not given. A descending column reads
    "created_at DESC", an expression "<expression>". Errors are those of `analyze_query_performance`.
    """
    with connected(db) as connection:
        sizes = _sizes(connection)
        plans = {query: analyze_query_performance(connection, query) for query in queries}
        indexes = defaultdict(list)
        for table, name in connection.execute(
            "SELECT tbl_name, name FROM main.sqlite_master WHERE type = 'index' ORDER BY name"
        ).fetchall():
            used_by = tuple(query for query, plan in plans.items() if name in plan.indexes)
            indexes[table].append(IndexStats(name, _columns(connection, name), sizes.get(name), used_by))
        # A virtual table has no pages of its own, hence no root page.
        tables = connection.execute(
            "SELECT name FROM main.sqlite_master WHERE type = 'table' AND rootpage > 0"
            " AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
        ).fetchall()
        stats = []
        for (table,) in tables:
            (rows,) = connection.execute(f"SELECT count(*) FROM main.{quoted(table)}").fetchone()
            stats.append(TableStats(table, rows, sizes.get(table), tuple(indexes[table])))
        return stats


def _sizes(connection: sqlite3.Connection) -> dict[str, int]:
    """Bytes of each table and index; empty where SQLite was built without the table `dbstat`."""
    try:
        return dict(connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall())
    except sqlite3.DatabaseError as error:
        if _code(error) in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH):
            return {}
        raise


def _columns(connection: sqlite3.Connection, index: str) -> tuple[str, ...]:
    return tuple(
        (name or "<expression>") + (" DESC" if descending else "")
        for name, descending in connection.execute(
            "SELECT name, \"desc\" FROM pragma_index_xinfo(?, 'main') WHERE key ORDER BY seqno", (index,)
        )
    )
