"""The seeded table of the workbook: 20,000 users and a million events in one SQLite file.

The rows are the same on every machine: they come from the raw words of PCG64, whose stream numpy keeps fixed
(https://numpy.org/neps/nep-0019-rng-policy.html), and from whole numbers only. One block of three days is
drawn in Python; SQL repeats it twenty times, which is faster than binding every row, and gives each
repetition other users, titles, times and payloads. `data/README.md` describes the columns.
"""

import argparse
import errno
import fcntl
import itertools
import os
import shutil
import sqlite3
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from course_lib.lab import paths, show

ROWS = 1_000_000
USERS = 20_000
MOST_COPIES = 6

RECIPE = 1  # raise it whenever a row changes: files of another recipe are then made anew
APPLICATION_ID = 0x45564E54  # "EVNT": tells our files from other people's
SEED = 20240101
START = 1_704_067_200  # 2024-01-01 00:00 UTC
BLOCKS = 20
BLOCK_SECONDS = 3 * 86_400

TYPES = ["view", "click", "search", "share", "login", "logout", "comment", "signup", "purchase", "refund"]
STATUSES = [200] * 85 + [304] * 5 + [404] * 5 + [500] * 3 + [429] * 2
MOODS = ["Annual", "Daily", "Evening", "Monthly", "Open", "Private", "Quick", "Summer", "Team", "Weekly"]
GATHERINGS = ["Demo", "Lunch", "Meetup", "Panel", "Planning", "Retro", "Review", "Standup", "Talk", "Tour"]
TITLES = [f"{mood} {gathering}" for mood in MOODS for gathering in GATHERINGS]
DETAILS = [
    f',"page":"/{page}/{number}","device":"{device}","version":"{number % 5}.{number % 7}.{number % 9}"}}'
    for page in ("calendar", "events", "groups", "people", "search")
    for number in range(100_000, 100_040)
    for device in ("phone", "tablet", "laptop")
]
FIRST_NAMES = ["Ada", "Alan", "Barbara", "Dennis", "Edsger", "Frances", "Grace", "Katherine", "Ken", "Leslie"]
LAST_NAMES = ["Archer", "Baker", "Carter", "Dyer", "Fisher", "Hunter", "Mason", "Porter", "Smith", "Weaver"]
COUNTRIES = ["US", "DE", "IN", "BR", "GB", "FR", "JP", "CA", "ES", "IT"]
PLANS = ["free"] * 90 + ["pro"] * 9 + ["team"]

# Nobody reads the file before it is whole: a journal, or waiting for the disk, would protect nothing.
SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = MEMORY;
BEGIN;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {RECIPE};
CREATE TABLE users(
    id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL, country TEXT NOT NULL,
    plan TEXT NOT NULL, created_at INTEGER NOT NULL);
CREATE TABLE events(
    id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, type TEXT NOT NULL, status INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL, title TEXT NOT NULL, starts_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, payload TEXT NOT NULL);
CREATE TEMP TABLE block(
    id INTEGER PRIMARY KEY, angle, type, status, duration_ms, title, starts_at, created_at, detail);
"""
# `angle` is uniform in 21 bits; turning the circle keeps it uniform, but brings other users. Its cube, cut to
# 14 bits, is the user's place by activity: the first of 16,384 has 16384 ** (-1/3), or 4%, of the events.
# 7919 strews the places over the ids, and 15386 gives user 123 an ordinary place.
# The id is left out because SQLite numbers appended rows faster than it takes numbers from us.
REPEAT = f"""
INSERT INTO events(user_id, type, status, duration_ms, title, starts_at, created_at, payload)
SELECT 1 + ((turned * turned * turned >> 49) * 7919 + 15386) % {USERS}, type, status, duration_ms,
    title || :number, starts_at + :later, created_at + :later, :session || detail
FROM (SELECT *, (angle + :turn) & 0x1FFFFF AS turned FROM block)
WHERE id <= :rows ORDER BY id
"""

Words = NDArray[np.integer[Any]]
Database = sqlite3.Connection | str | os.PathLike[str]


def rows() -> int:
    """Return the number of events that the lessons use: COURSE_ROWS where that is set, else a million."""
    text = os.environ.get("COURSE_ROWS", str(ROWS))
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"COURSE_ROWS is {text!r}: set it to a whole number from 1 on, such as 100000")
    return int(text)


def path(number: int | None = None) -> Path:
    """The seeded file of so many events (else `rows()`), made first where missing, damaged or of another recipe."""
    number = number or rows()
    return _ready(_standard(number), number)


def seed(target: str | os.PathLike[str], rows: int = ROWS) -> Path:
    """Make `target` the seeded table with so many events; if it is that already, leave it.

    The file gets its name when it is whole, so whatever interrupts this leaves nothing half-made.
    Raises FileExistsError for a file that is not a seeded table, ValueError for less than one row.
    """
    target = Path(target)
    if target.exists() and not _is_ours(target):
        raise FileExistsError(f"{target} is not a seeded events table: name another file, or move it away first")
    return _ready(target, rows)


class Copy(os.PathLike[str]):
    """A private copy of the seeded file, made by `copy()`; `sqlite3.connect` takes it as it is.

    The file goes at `close()`, at the end of a `with` block, or with the last reference to its Copy, and so do the
    connections that `connect` gave: an open one would keep a removed file's space.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections: list[sqlite3.Connection] = []
        self._remove = weakref.finalize(self, _close_and_remove, path, self._connections)
        _open_copies.add(self)

    def connect(self) -> sqlite3.Connection:
        """A connection that ends with the copy; each statement commits by itself."""
        # Whichever thread drops the last reference to the copy closes it.
        connection = sqlite3.connect(self, isolation_level=None, check_same_thread=False)
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Remove the file; again is no error."""
        self._remove()
        _open_copies.discard(self)

    def __fspath__(self) -> str:
        if not self._remove.alive:
            raise ValueError("this copy is closed and its file is gone: take another by events.copy()")
        return str(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _close_and_remove(path: Path, connections: list[sqlite3.Connection]) -> None:
    for connection in connections:
        connection.close()
    _remove(path)


_open_copies: weakref.WeakSet[Copy] = weakref.WeakSet()
_copy_numbers = itertools.count(1)


def copy(*statements: str, rows: int | None = None) -> Copy:
    """A copy of the seeded file for this process alone; `statements`, then ANALYZE, are run on it.

    Without statements it is the seeded file byte for byte; `rows` takes the file of another number of events. At most
    `MOST_COPIES` copies are open at once: one more raises RuntimeError. Raises OSError where the disk lacks room.
    """
    from course_lib.lab import lifeline  # noqa: PLC0415 - who only seeds has no use for a guarded folder

    if len(_open_copies) >= MOST_COPIES:
        raise RuntimeError(
            f"{MOST_COPIES} copies of the table are open, which is the limit: close one by .close(), or take "
            "them by `with events.copy() as ...:`; a restart of the kernel closes all"
        )
    source, folder = path(rows), lifeline.folder()
    size, free = source.stat().st_size, shutil.disk_usage(folder).free
    if size > free:
        advice = "make room there, point TMPDIR elsewhere, or set COURSE_ROWS to fewer rows"
        message = f"a copy of the table takes {size / 1e6:.0f} MB and {free / 1e6:.0f} MB are free: {advice}"
        raise OSError(errno.ENOSPC, message, str(folder))
    made = Copy(folder / f"events-{next(_copy_numbers)}.db")
    try:
        shutil.copyfile(source, made.path)
        if statements:
            with closing(sqlite3.connect(made, isolation_level=None)) as database:
                # No other process reads the copy yet, so neither a journal nor waiting for the disk serves anybody.
                database.executescript(
                    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000"
                )
                for statement in tqdm((*statements, "ANALYZE"), desc="making the indexes", **show.BAR):
                    database.execute(statement)
    except BaseException:  # a Stop as well: no reference to the copy would ever reach its caller
        made.close()
        raise
    return made


def hottest_user(db: Database) -> int:
    """Return the user with the most events; of several the lowest id."""
    return _user(db, "SELECT user_id FROM events GROUP BY user_id ORDER BY count(*) DESC, user_id LIMIT 1")


def median_user(db: Database) -> int:
    """Return the lowest id whose number of events is the (lower) median over the users who have any."""
    query = """
        WITH counts AS (SELECT user_id, count(*) AS events FROM events GROUP BY user_id)
        SELECT min(user_id) FROM counts WHERE events = (
            SELECT events FROM counts ORDER BY events LIMIT 1 OFFSET (SELECT (count(*) - 1) / 2 FROM counts))
    """
    return _user(db, query)


def _user(db: Database, query: str) -> int:
    if isinstance(db, sqlite3.Connection):
        return int(db.execute(query).fetchone()[0])
    with closing(_read_only(Path(db))) as database:
        return _user(database, query)


def _read_only(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file.resolve(strict=True).as_uri() + "?mode=ro", uri=True)


def _standard(rows: int) -> Path:
    return paths.DATA / ("events.db" if rows == ROWS else f"events-{rows}.db")


def _ready(target: Path, rows: int) -> Path:
    if rows < 1:
        raise ValueError(f"rows is {rows}: a seeded table has at least one event")
    if not _is_whole(target, rows):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            if not _is_whole(target, rows):  # else another process made it while we waited
                _write(target, rows)
    return target


def _is_ours(file: Path) -> bool:
    """Tell by the application id in the header (https://www.sqlite.org/fileformat.html#application_id)."""
    with open(file, "rb") as content:
        return content.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")


def _is_whole(file: Path, rows: int) -> bool:
    """Tell by version, size, tables and last row if the file is as we left it; most pages stay unread."""
    if not file.exists() or not _is_ours(file):
        return False
    query = """
        SELECT user_version, page_count * page_size, (SELECT count(*) FROM sqlite_master),
            (SELECT max(id) FROM events)
        FROM pragma_user_version, pragma_page_count, pragma_page_size
    """
    with closing(_read_only(file)) as database:
        try:
            found = database.execute(query).fetchone()
        except sqlite3.DatabaseError:
            return False
    return bool(found == (RECIPE, file.stat().st_size, 2, rows))


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Let one process at a time seed `target`; the system frees the lock of a process that was killed."""
    with open(f"{target}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove(file: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def _write(target: Path, rows: int) -> None:
    part = Path(f"{target}.part")
    _remove(part)  # left by a process that was killed, for we hold the lock
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as database:
            _fill(database, rows)
        _remove(target)  # and its side files, which SQLite would take for the new file's
        part.rename(target)
    finally:
        _remove(part)


def _fill(database: sqlite3.Connection, rows: int) -> None:
    database.executescript(SCHEMA)
    generator = np.random.PCG64(SEED)
    database.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", _users(generator))
    size = -(-rows // BLOCKS)
    database.executemany("INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _block(generator, size))
    with tqdm(total=rows, desc="seeding", **show.BAR) as bar:
        for block in range(BLOCKS):
            values = {
                "rows": rows - block * size,
                "turn": block * 2**21 // BLOCKS,
                "later": block * BLOCK_SECONDS,
                "number": f" #{block + 1}",
                "session": f'{{"session":{block + 1}',  # its other five digits begin the detail
            }
            bar.update(database.execute(REPEAT, values).rowcount)
    database.execute("COMMIT")


def _users(generator: np.random.PCG64) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `users`, who signed up in the year before the first event."""
    first, last, country, plan, age = _draw(generator, USERS, 5)
    ids = range(1, USERS + 1)
    emails = [f"user{id}@example.com" for id in ids]
    names = map(" ".join, zip(_pick(FIRST_NAMES, first), _pick(LAST_NAMES, last), strict=True))
    signed_up = START - 1 - _below(365 * 86_400, age)
    return zip(ids, emails, names, _pick(COUNTRIES, country), _pick(PLANS, plan), signed_up.tolist(), strict=True)


def _block(generator: np.random.PCG64, size: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `block`: one word of the generator for each value that is drawn."""
    angle, kind, status, duration, title, lead, moment, session, detail = _draw(generator, size, 9)
    order = np.arange(size, dtype=np.uint64)
    created = START + (order * BLOCK_SECONDS + _below(BLOCK_SECONDS, moment)) // size
    starts = (created // 900 + 1 + _skewed(30 * 96, lead, power=2)) * 900
    sessions, details = _below(100_000, session).tolist(), _pick(DETAILS, detail)
    return zip(
        (order + 1).tolist(),
        (angle >> 43).tolist(),
        [TYPES[place] for place in _skewed(len(TYPES), kind, power=3).tolist()],
        _pick(STATUSES, status),
        (5 + _skewed(2_996, duration, power=4)).tolist(),
        _pick(TITLES, title),
        starts.tolist(),
        created.tolist(),
        [f"{session:05d}{detail}" for session, detail in zip(sessions, details, strict=True)],
        strict=True,
    )


def _draw(generator: np.random.PCG64, rows: int, columns: int) -> Words:
    """Return 64-bit words of the generator as columns."""
    return generator.random_raw(rows * columns).reshape(rows, columns).T


def _below(limit: int, words: Words) -> Words:
    """Return whole numbers below `limit`, all as likely: the upper half of a product (Lemire 2019)."""
    return (words >> 32) * limit >> 32


def _skewed(limit: int, words: Words, power: int) -> Words:
    """Return whole numbers below `limit`, low ones likelier: `limit` times the power of a uniform fraction.

    The power takes 52 bits at most, so that all fits in 64 while `limit` is at most 4096.
    """
    bits = 52 // power
    return (words >> (64 - bits)) ** power * limit >> (bits * power)


def _pick(choices: Sequence[Any], words: Words) -> list[Any]:
    return [choices[place] for place in _below(len(choices), words).tolist()]


def main() -> None:
    """Seed a file from the command line."""
    parser = argparse.ArgumentParser(description="Seed the events table.")
    parser.add_argument("path", nargs="?", help="the file to make (default: the lessons' own)")
    parser.add_argument("--rows", type=int, help="how many events (default: COURSE_ROWS, else 1,000,000)")
    options = parser.parse_args()
    try:
        number = rows() if options.rows is None else options.rows
        made = seed(options.path, number) if options.path else _ready(_standard(number), number)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(f"{made}: {number:,} events")


if __name__ == "__main__":
    main()
