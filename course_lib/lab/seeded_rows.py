"""The recipe of the seeded table: every row of its 20,000 users and its million events.

The rows are the same on every machine. They come from the raw output of PCG64, whose stream numpy
keeps fixed (https://numpy.org/neps/nep-0019-rng-policy.html), and from integer arithmetic only.

    PCG64 --> one block: a twentieth of the events, three days --> SQL repeats it twenty times

Repeating in SQL is faster than binding every row. Each repetition gets different users, titles,
times and payloads. `data/README.md` describes the columns.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from course_lib.lab import show

USERS = 20_000

RECIPE = 1  # raise it when a row changes: files of another recipe are then created again
APPLICATION_ID = 0x45564E54  # "EVNT" in a file's header marks it as ours
SEED = 20240101
START = 1_704_067_200  # 2024-01-01 00:00 UTC
BLOCKS = 20
BLOCK_SECONDS = 3 * 86_400

# fmt: off
TYPES = [
    "view", "click", "search", "share", "login",
    "logout", "comment", "signup", "purchase", "refund",
]
STATUSES = [200] * 85 + [304] * 5 + [404] * 5 + [500] * 3 + [429] * 2
MOODS = [
    "Annual", "Daily", "Evening", "Monthly", "Open",
    "Private", "Quick", "Summer", "Team", "Weekly",
]
GATHERINGS = [
    "Demo", "Lunch", "Meetup", "Panel", "Planning",
    "Retro", "Review", "Standup", "Talk", "Tour",
]
FIRST_NAMES = [
    "Ada", "Alan", "Barbara", "Dennis", "Edsger",
    "Frances", "Grace", "Katherine", "Ken", "Leslie",
]
LAST_NAMES = [
    "Archer", "Baker", "Carter", "Dyer", "Fisher",
    "Hunter", "Mason", "Porter", "Smith", "Weaver",
]
# fmt: on
TITLES = [f"{mood} {gathering}" for mood in MOODS for gathering in GATHERINGS]
# The second part of a payload; the first is the session.
DETAILS = [
    f',"page":"/{page}/{number}","device":"{device}",'
    f'"version":"{number % 5}.{number % 7}.{number % 9}"}}'
    for page in ("calendar", "events", "groups", "people", "search")
    for number in range(100_000, 100_040)
    for device in ("phone", "tablet", "laptop")
]
COUNTRIES = ["US", "DE", "IN", "BR", "GB", "FR", "JP", "CA", "ES", "IT"]
PLANS = ["free"] * 90 + ["pro"] * 9 + ["team"]

# No process reads the file before it's complete, so a journal or waiting for the disk would
# protect nothing.
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
# `angle` is uniform in 21 bits. Adding a turn modulo 2**21 keeps it uniform but selects other
# users. Its cube, cut to 14 bits, is the user's rank by activity: the first of 16,384 ranks has
# 16384 ** (-1/3), or 4%, of the events. Multiplying by 7919 scatters the ranks over the IDs, and
# adding 15386 gives user 123 an ordinary rank.
# `id` is left out because SQLite numbers appended rows faster than it reads numbers from us.
REPEAT = f"""
INSERT INTO events(user_id, type, status, duration_ms, title, starts_at, created_at, payload)
SELECT 1 + ((turned * turned * turned >> 49) * 7919 + 15386) % {USERS}, type, status, duration_ms,
    title || :number, starts_at + :later, created_at + :later, :session || detail
FROM (SELECT *, (angle + :turn) & 0x1FFFFF AS turned FROM block)
WHERE id <= :rows ORDER BY id
"""

Words = NDArray[np.integer[Any]]
"""64-bit words of the generator, or numbers computed from them."""


def fill(database: sqlite3.Connection, rows: int) -> None:
    """Create both tables in an empty database and fill them, with `rows` events."""
    database.executescript(SCHEMA)
    generator = np.random.PCG64(SEED)
    database.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", _users(generator))
    block_rows = -(-rows // BLOCKS)  # rounded up
    block = _block(generator, block_rows)
    database.executemany("INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", block)
    with tqdm(total=rows, desc="seeding", **show.BAR) as bar:
        for number in range(BLOCKS):
            values = {
                "rows": rows - number * block_rows,
                "turn": number * 2**21 // BLOCKS,
                "later": number * BLOCK_SECONDS,
                "number": f" #{number + 1}",
                # The detail begins with the other five digits of the session.
                "session": f'{{"session":{number + 1}',
            }
            inserted = database.execute(REPEAT, values).rowcount
            bar.update(inserted)
    database.execute("COMMIT")


def _users(generator: np.random.PCG64) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `users`, who signed up in the year before the first event."""
    first, last, country, plan, age = _draw(generator, USERS, 5)
    ids = range(1, USERS + 1)
    emails = [f"user{id}@example.com" for id in ids]
    first_names = _pick(FIRST_NAMES, first)
    last_names = _pick(LAST_NAMES, last)
    names = map(" ".join, zip(first_names, last_names, strict=True))
    signed_up = START - 1 - _below(365 * 86_400, age)
    return zip(
        ids,
        emails,
        names,
        _pick(COUNTRIES, country),
        _pick(PLANS, plan),
        signed_up.tolist(),
        strict=True,
    )


def _block(generator: np.random.PCG64, size: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `block`: each random value uses one word of the generator."""
    words = _draw(generator, size, 9)
    angle, kind, status, duration, title, lead, offset, session, detail = words
    order = np.arange(size, dtype=np.uint64)
    ids = order + 1
    angles = angle >> 43
    seconds = (order * BLOCK_SECONDS + _below(BLOCK_SECONDS, offset)) // size
    created = START + seconds
    quarters_ahead = 1 + _skewed(30 * 96, lead, power=2)
    starts = (created // 900 + quarters_ahead) * 900
    durations = 5 + _skewed(2_996, duration, power=4)
    type_indexes = _skewed(len(TYPES), kind, power=3)
    types = [TYPES[index] for index in type_indexes.tolist()]
    sessions = _below(100_000, session).tolist()
    session_details = zip(sessions, _pick(DETAILS, detail), strict=True)
    details = [f"{session:05d}{detail}" for session, detail in session_details]
    return zip(
        ids.tolist(),
        angles.tolist(),
        types,
        _pick(STATUSES, status),
        durations.tolist(),
        _pick(TITLES, title),
        starts.tolist(),
        created.tolist(),
        details,
        strict=True,
    )


def _draw(generator: np.random.PCG64, rows: int, columns: int) -> Words:
    """Return 64-bit words of the generator as columns."""
    return generator.random_raw(rows * columns).reshape(rows, columns).T


def _below(limit: int, words: Words) -> Words:
    """Return integers below `limit`, all equally likely: a product's upper half (Lemire 2019)."""
    return (words >> 32) * limit >> 32


def _skewed(limit: int, words: Words, power: int) -> Words:
    """Return integers below `limit`, low ones more likely: `limit` times a power of a fraction.

    The power has 52 bits at most, so the product fits into 64 bits if `limit` is at most 4096.
    """
    bits = 52 // power
    return (words >> (64 - bits)) ** power * limit >> (bits * power)


def _pick(choices: Sequence[Any], words: Words) -> list[Any]:
    return [choices[index] for index in _below(len(choices), words).tolist()]
