"""A library: a table WITHOUT ROWID, a view, NULL for books that are out."""

import json
import random

from advisor_schemas.random_data import CITIES, DAYS, ROWS, WORDS, skewed

LANGUAGES = ["en", "de", "fr", "es", "it", "fi"]


def library(connection, rows=None):
    """Create books, members and loans."""
    rows = rows or ROWS
    books, members, loans = rows // 10, rows // 10, rows * 4 // 5
    draw = random.Random(13).random
    connection.executescript("""
        CREATE TABLE books(id INTEGER PRIMARY KEY, isbn TEXT NOT NULL UNIQUE,
            title TEXT NOT NULL COLLATE NOCASE, author TEXT NOT NULL, year INTEGER,
            details TEXT NOT NULL);
        CREATE TABLE members(card TEXT PRIMARY KEY, surname TEXT NOT NULL, branch TEXT NOT NULL,
            joined INTEGER NOT NULL, blocked INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
        CREATE TABLE loans(book_id INTEGER NOT NULL, card TEXT NOT NULL, taken INTEGER NOT NULL,
            due INTEGER NOT NULL, returned INTEGER, renewals INTEGER NOT NULL, fee REAL NOT NULL);
        CREATE VIEW out AS SELECT book_id, card, due FROM loans WHERE returned IS NULL;
        BEGIN
    """)
    connection.executemany(
        "INSERT INTO books VALUES (?, ?, ?, ?, ?, ?)",
        (
            (
                number,
                f"978{number * 7919 % 10**9:09d}",
                f"{WORDS[number % 14].title()} and {WORDS[number % 13]} {number % 997}",
                f"Author {skewed(draw(), 4000)}",
                None if draw() < 0.05 else 1950 + int(75 * draw() ** 0.5),
                json.dumps(
                    {
                        "language": LANGUAGES[skewed(draw(), 6, 4)],
                        "pages": 80 + int(900 * draw()),
                        "shelf": f"{'ABCDEFGH'[number % 8]}{number % 60}",
                    }
                ),
            )
            for number in range(1, books + 1)
        ),
    )
    connection.executemany(
        "INSERT INTO members VALUES (?, ?, ?, ?, ?)",
        (
            (
                f"M{number:07d}",
                f"Name{skewed(draw(), 9000)}",
                CITIES[skewed(draw(), 12)],
                int(draw() * DAYS),
                int(draw() < 0.01),
            )
            for number in range(members)
        ),
    )
    start = 1_672_531_200
    connection.executemany(
        "INSERT INTO loans VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (
                1 + skewed(draw(), books),
                f"M{skewed(draw(), members):07d}",
                (taken := start + number * DAYS * 86400 // loans),
                taken + 28 * 86400,
                None
                if draw() < (0.7 if number > 0.97 * loans else 0.002)
                else taken + int(draw() * 40 * 86400),
                skewed(draw(), 4),
                round(max(0.0, draw() - 0.9) * 50, 2),
            )
            for number in range(loans)
        ),
    )


LIBRARY = [
    (
        "a member's loans",
        200,
        "SELECT book_id, taken, due FROM loans WHERE card = '{m}' AND returned IS NULL"
        " ORDER BY due",
        [{"m": "M0000050"}, {"m": "M0020000"}, {"m": "M0000000"}],
    ),
    (
        "history, newest",
        80,
        "SELECT b.title, l.taken, l.returned FROM loans l JOIN books b ON b.id = l.book_id"
        " WHERE l.card = '{m}' ORDER BY l.taken DESC LIMIT 20",
        [{"m": "M0000007"}, {"m": "M0011111"}],
    ),
    (
        "is it out?",
        300,
        "SELECT count(*) FROM out WHERE book_id = {b}",
        [{"b": 77}, {"b": 30000}, {"b": 1}],
    ),
    (
        "by isbn",
        150,
        "SELECT id, title, author FROM books WHERE isbn = '{i}'",
        [{"i": "978000554330"}],
    ),
    (
        "title begins",
        100,
        "SELECT id, title, author FROM books WHERE title LIKE '{t}%' LIMIT 20",
        [{"t": "printer and vpn"}, {"t": "Badge and s"}],
    ),
    (
        "by author",
        100,
        "SELECT id, title, year FROM books WHERE author = '{a}' ORDER BY year DESC",
        [{"a": "Author 10"}, {"a": "Author 3000"}],
    ),
    (
        "overdue",
        10,
        "SELECT card, book_id, due FROM loans WHERE returned IS NULL AND due < {d}"
        " ORDER BY due LIMIT 100",
        [{"d": 1734000000}],
    ),
    (
        "overdue by branch",
        4,
        "SELECT m.branch, count(*) FROM loans l JOIN members m ON m.card = l.card WHERE"
        " l.returned IS NULL AND l.due < 1734000000 GROUP BY m.branch",
        [{}],
    ),
    (
        "most lent",
        2,
        "SELECT book_id, count(*) AS n FROM loans GROUP BY book_id"
        " ORDER BY n DESC, book_id LIMIT 10",
        [{}],
    ),
    (
        "most lent of a month",
        5,
        "SELECT book_id, count(*) AS n FROM loans WHERE taken BETWEEN 1717200000 AND 1719791999"
        " GROUP BY book_id ORDER BY n DESC, book_id LIMIT 10",
        [{}],
    ),
    (
        "loans per weekday",
        2,
        "SELECT strftime('%w', taken, 'unixepoch') AS d, count(*) FROM loans GROUP BY d",
        [{}],
    ),
    (
        "on the shelf",
        40,
        "SELECT id, title FROM books WHERE json_extract(details, '$.shelf') = '{s}'",
        [{"s": "A8"}, {"s": "C26"}],
    ),
    (
        "in a language since",
        10,
        "SELECT count(*) FROM books WHERE details ->> 'language' = '{l}' AND year >= 2015",
        [{"l": "fi"}, {"l": "de"}],
    ),
    ("no year", 5, "SELECT id, title FROM books WHERE year IS NULL ORDER BY title LIMIT 50", [{}]),
    (
        "surname",
        60,
        "SELECT card, surname, branch FROM members WHERE surname = '{n}' OR card = '{m}'",
        [{"n": "Name77", "m": "M0000003"}, {"n": "Name4000", "m": "M0030000"}],
    ),
    (
        "blocked",
        10,
        "SELECT card, surname FROM members WHERE blocked = 1 AND branch = '{b}'",
        [{"b": "Ghent"}, {"b": "Berlin"}],
    ),
    (
        "fees of a member",
        40,
        "SELECT sum(fee) FROM loans WHERE card = '{m}' AND fee > 0",
        [{"m": "M0000100"}, {"m": "M0000001"}],
    ),
    ("highest fees", 5, "SELECT card, fee FROM loans ORDER BY fee DESC, taken DESC LIMIT 20", [{}]),
    (
        "rank of books by author",
        2,
        "SELECT author, title, rank() OVER (PARTITION BY author ORDER BY year) FROM books"
        " WHERE author IN ('Author 5', 'Author 50', 'Author 500')",
        [{}],
    ),
    (
        "idle members",
        1,
        "SELECT count(*) FROM members m WHERE m.branch = 'Bergen'"
        " AND NOT EXISTS (SELECT 1 FROM loans l WHERE l.card = m.card AND l.taken > 1730000000)"
        " AND m.card < 'M0000400'",
        [{}],
    ),
]
LIBRARY_WRITE = (
    "INSERT INTO loans(book_id, card, taken, due, returned, renewals, fee)"
    " VALUES (?, ?, ?, ?, NULL, 0, 0)",
    lambda draw, number: (
        1 + int(draw() * 50_000),
        f"M{int(draw() * 50_000):07d}",
        1_735_603_200 + number,
        1_738_022_400,
    ),
    8_000,
)
