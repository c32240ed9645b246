"""Schemas and workloads unlike the workbook's events, to test and measure the advisor with.

Each entry of SCHEMAS has a function that fills an open database; a list of queries, each with a
name, a frequency, SQL with placeholders for literals, and sets of literals; and a write: an INSERT
statement, a function that makes a row from `random()` and a number, and the rows written while the
workload runs once. The advisor sees only the first set of literals. SCHEMA_ROWS sets the size.
"""

# ruff: noqa: E501  a query is easier to read on one line

import json
import os
import random
from datetime import datetime, timedelta

ROWS = int(os.environ.get("SCHEMA_ROWS", "500000"))
START = datetime(2023, 1, 1)
DAYS = 730
CITIES = [
    "Berlin",
    "Lyon",
    "Porto",
    "Graz",
    "Ghent",
    "Turin",
    "Delft",
    "Bergen",
    "Malmo",
    "Cork",
    "Tartu",
    "Brno",
    "Split",
    "Bari",
    "Nice",
    "Linz",
    "Lund",
    "Riga",
]
SHOP_STATES = (
    ["delivered"] * 900 + ["shipped"] * 50 + ["paid"] * 25 + ["cancelled"] * 20 + ["disputed"] * 5
)
CATEGORIES = [
    "books",
    "games",
    "garden",
    "kitchen",
    "music",
    "office",
    "outdoor",
    "pets",
    "sport",
    "toys",
]
QUEUES = ["billing", "access", "network", "hardware", "mail", "printing", "travel", "other"]
STATES = ["closed"] * 93 + ["open"] * 3 + ["waiting"] * 3 + ["escalated"]
LANGUAGES = ["en", "de", "fr", "es", "it", "fi"]
WORDS = [
    "printer",
    "password",
    "invoice",
    "laptop",
    "screen",
    "vpn",
    "mailbox",
    "badge",
    "monitor",
    "keyboard",
    "licence",
    "backup",
    "ticket",
    "refund",
]


def _timestamp(seconds):
    return (START + timedelta(seconds=seconds)).isoformat(sep=" ")


def _skewed(number, limit, power=3):
    """Return a whole number below `limit`; low ones are frequent."""
    return int(limit * number**power)


def shop(connection, rows=None):
    """Create customers, orders, items and products: joins, JSON, text dates, groups."""
    rows = rows or ROWS
    orders, customers, products = rows * 3 // 10, max(rows // 20, 10), max(rows // 200, 10)
    draw = random.Random(11).random
    connection.executescript("""
        CREATE TABLE customers(id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT, city TEXT, joined TEXT);
        CREATE TABLE products(sku TEXT PRIMARY KEY, title TEXT, category TEXT, price REAL, attributes TEXT);
        CREATE TABLE orders(id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id),
            state TEXT NOT NULL, placed_at TEXT NOT NULL, total REAL NOT NULL, shipping TEXT NOT NULL, note TEXT);
        CREATE TABLE items(id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders(id), sku TEXT NOT NULL,
            quantity INTEGER NOT NULL, price REAL NOT NULL, returned INTEGER NOT NULL DEFAULT 0);
        BEGIN
    """)
    connection.executemany(
        "INSERT INTO customers VALUES (?, ?, ?, ?, ?)",
        (
            (number, f"c{number}@shop.example", f"Customer {number * 7 % customers}", CITIES[_skewed(draw(), 18)],
             _timestamp(int(draw() * DAYS * 86400))[:10])
            for number in range(1, customers + 1)
        ),
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO products VALUES (?, ?, ?, ?, ?)",
        (
            (f"SKU{number:06d}", f"{CATEGORIES[number % 10]} thing {number}", CATEGORIES[_skewed(draw(), 10, 2)],
             round(1 + 200 * draw() ** 2, 2), json.dumps({"colour": ["red", "green", "blue", "grey"][number % 4],
             "weight": number % 50, "brand": f"brand{_skewed(draw(), 40)}"}))
            for number in range(products)
        ),
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (number, 1 + _skewed(draw(), customers), SHOP_STATES[int(draw() * 1000)],
             _timestamp(number * DAYS * 86400 // orders), round(5 + 500 * draw() ** 3, 2),
             json.dumps({"city": CITIES[_skewed(draw(), 18)], "carrier": ["post", "dhl", "ups", "gls"][_skewed(draw(), 4)],
                         "code": f"T{int(draw() * orders * 2):08d}"}),
             None if draw() < 0.9 else f"please ring {int(draw() * 90)} times, and wait at the door")
            for number in range(1, orders + 1)
        ),
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)",
        (
            (number, 1 + int(draw() * orders), f"SKU{_skewed(draw(), products):06d}", 1 + _skewed(draw(), 5),
             round(1 + 100 * draw() ** 2, 2), int(draw() < 0.02))
            for number in range(1, rows - orders - customers - products + 1)
        ),
    )  # fmt: skip


CUSTOMERS = [{"c": 5}, {"c": 800}, {"c": 9000}, {"c": 1}]
SHOP = [
    ("orders of a customer", 300, "SELECT id, state, total, placed_at FROM orders WHERE customer_id = {c}"
     " ORDER BY placed_at DESC LIMIT 10", CUSTOMERS),
    ("spent by a customer", 100, "SELECT count(*), sum(total) FROM orders WHERE customer_id = {c}", CUSTOMERS),
    ("items of an order", 300, "SELECT i.sku, p.title, i.quantity, i.price FROM items i JOIN products p ON p.sku = i.sku"
     " WHERE i.order_id = {o}", [{"o": 1234}, {"o": 99}, {"o": 14000}]),
    ("login", 150, "SELECT id, name FROM customers WHERE lower(email) = '{e}'",
     [{"e": "c77@shop.example"}, {"e": "c5000@shop.example"}]),
    ("track a parcel", 40, "SELECT id, customer_id, state FROM orders WHERE json_extract(shipping, '$.code') = '{t}'",
     [{"t": "T00001234"}, {"t": "T00200001"}]),
    ("to be sent", 60, "SELECT id, customer_id, placed_at FROM orders WHERE state = 'paid' ORDER BY placed_at LIMIT 50",
     [{}]),
    ("disputed, most expensive", 20, "SELECT id, total FROM orders WHERE state = 'disputed' ORDER BY total DESC LIMIT 20", [{}]),
    ("by state in a month", 5, "SELECT state, count(*), sum(total) FROM orders WHERE placed_at >= '{m}-01' AND"
     " placed_at < '{m}-31' GROUP BY state", [{"m": "2024-05"}, {"m": "2023-08"}]),
    ("sales of a product", 50, "SELECT sum(quantity), sum(quantity * price) FROM items WHERE sku = '{s}'",
     [{"s": "SKU000040"}, {"s": "SKU002000"}, {"s": "SKU000000"}]),
    ("best sellers", 3, "SELECT sku, sum(quantity) AS n FROM items GROUP BY sku ORDER BY n DESC, sku LIMIT 10", [{}]),
    ("category in a week", 5, "SELECT p.category, sum(i.quantity) FROM orders o JOIN items i ON i.order_id = o.id"
     " JOIN products p ON p.sku = i.sku WHERE o.placed_at BETWEEN '2024-06-01' AND '2024-06-08' GROUP BY p.category",
     [{}]),
    ("city by JSON", 5, "SELECT shipping ->> '$.city' AS city, count(*) FROM orders GROUP BY city", [{}]),
    ("customers of a city in dispute", 10, "SELECT c.name, o.total FROM customers c JOIN orders o ON"
     " o.customer_id = c.id WHERE c.city = '{c}' AND o.state = 'disputed'", [{"c": "Cork"}, {"c": "Berlin"}]),
    ("returned items of a product", 20, "SELECT id, order_id FROM items WHERE returned = 1 AND sku = '{s}'",
     [{"s": "SKU000001"}, {"s": "SKU000300"}]),
    ("never ordered", 2, "SELECT count(*) FROM customers c WHERE c.id > 24900 AND NOT EXISTS"
     " (SELECT 1 FROM orders o WHERE o.customer_id = c.id)", [{}]),
    ("products of a category", 40, "SELECT sku, title, price FROM products WHERE category = '{c}' AND price < {p}"
     " ORDER BY price LIMIT 30", [{"c": "toys", "p": 20}, {"c": "books", "p": 5}]),
    ("name prefix", 20, "SELECT id, name FROM customers WHERE name LIKE '{n}%'",
     [{"n": "Customer 123"}, {"n": "customer 9"}]),
    ("orders per day", 3, "SELECT date(placed_at) AS day, count(*), sum(total) FROM orders GROUP BY day", [{}]),
    ("notes that say", 3, "SELECT id, note FROM orders WHERE note LIKE '%ring 17 times%'", [{}]),
    ("newest order", 50, "SELECT max(placed_at) FROM orders", [{}]),
]  # fmt: skip
SHOP_WRITE = (
    "INSERT INTO orders(customer_id, state, placed_at, total, shipping) VALUES (?, ?, ?, ?, ?)",
    lambda draw, number: (1 + int(5000 * draw()), "paid", _timestamp(DAYS * 86400 + number), 9.5,
                          json.dumps({"city": "Lyon", "carrier": "dhl", "code": f"T99{number:06d}"})),
    10_000,
)  # fmt: skip


def tickets(connection, rows=None):
    """Create tickets and their log: LIKE, OR, text dates, NULLs, few tickets that aren't closed."""
    rows = rows or ROWS
    count = rows * 2 // 5
    draw = random.Random(12).random
    connection.executescript("""
        CREATE TABLE agents(id INTEGER PRIMARY KEY, name TEXT NOT NULL, team TEXT NOT NULL);
        CREATE TABLE tickets(id INTEGER PRIMARY KEY, reference TEXT NOT NULL, queue TEXT NOT NULL, state TEXT NOT NULL,
            priority INTEGER NOT NULL, agent_id INTEGER, requester TEXT NOT NULL, subject TEXT NOT NULL,
            opened TEXT NOT NULL, closed TEXT, body TEXT NOT NULL);
        CREATE TABLE log(ticket_id INTEGER NOT NULL, at INTEGER NOT NULL, level TEXT NOT NULL, source TEXT NOT NULL,
            message TEXT NOT NULL);
        BEGIN
    """)
    connection.executemany(
        "INSERT INTO agents VALUES (?, ?, ?)",
        (
            (number, f"Agent {number}", ["north", "south", "east", "west"][number % 4])
            for number in range(1, 201)
        ),
    )
    connection.executemany(
        "INSERT INTO tickets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (number, f"{QUEUES[number % 8][:3].upper()}-{number:07d}", QUEUES[_skewed(draw(), 8, 2)],
             (state := STATES[int(draw() * 100)]), 1 + _skewed(draw(), 5), 1 + _skewed(draw(), 200),
             f"user{_skewed(draw(), count // 8 + 1)}@corp.example",
             f"{WORDS[_skewed(draw(), 14)].title()} {WORDS[int(draw() * 14)]} problem {int(draw() * 500)}",
             _timestamp(number * DAYS * 86400 // count),
             _timestamp(number * DAYS * 86400 // count + int(draw() * 900000)) if state == "closed" else None,
             "Hello, since this morning nothing works any more. " * (1 + int(draw() * 3)))
            for number in range(1, count + 1)
        ),
    )  # fmt: skip
    connection.execute("UPDATE tickets SET agent_id = NULL WHERE state = 'open' AND id % 2")
    base, logs = 1_672_531_200, rows - count
    connection.executemany(
        "INSERT INTO log VALUES (?, ?, ?, ?, ?)",
        (
            (1 + int(draw() * count), base + number * DAYS * 86400 // logs,
             "info" if (chance := draw()) < 0.95 else "warning" if chance < 0.995 else "error",
             f"host{_skewed(draw(), 60)}.corp.example", f"step {int(draw() * 1000)} of the workflow took {number % 977} ms")
            for number in range(logs)
        ),
    )  # fmt: skip


TICKETS = [
    ("by reference", 300, "SELECT * FROM tickets WHERE reference = '{r}'", [{"r": "BIL-0000800"}, {"r": "NET-0100002"}]),
    ("my open tickets", 200, "SELECT id, reference, subject, priority FROM tickets WHERE agent_id = {a} AND"
     " state IN ('open', 'waiting', 'escalated') ORDER BY priority DESC, opened LIMIT 25", [{"a": 3}, {"a": 90}, {"a": 1}]),
    ("unassigned tickets", 100, "SELECT id, queue, subject FROM tickets WHERE agent_id IS NULL ORDER BY opened LIMIT 20",
     [{}]),
    ("queue's open, newest", 80, "SELECT id, subject FROM tickets WHERE queue = '{q}' AND state = 'open' ORDER BY"
     " opened DESC LIMIT 20", [{"q": "mail"}, {"q": "billing"}, {"q": "other"}]),
    ("open by queue", 40, "SELECT queue, count(*) FROM tickets WHERE state = 'open' GROUP BY queue", [{}]),
    ("of a requester", 100, "SELECT id, state, subject, opened FROM tickets WHERE requester = '{u}' ORDER BY opened DESC",
     [{"u": "user0@corp.example"}, {"u": "user900@corp.example"}, {"u": "user12000@corp.example"}]),
    ("escalated or urgent", 30, "SELECT id, subject FROM tickets WHERE state = 'escalated' OR"
     " (priority = 5 AND opened >= '2024-12-01')", [{}]),
    ("requester or reference", 60, "SELECT id FROM tickets WHERE requester = '{u}' OR reference = '{r}'",
     [{"u": "user77@corp.example", "r": "ACC-0000001"}, {"u": "user4000@corp.example", "r": "MAI-0000004"}]),
    ("subject prefix", 30, "SELECT id, subject FROM tickets WHERE subject LIKE '{w}%' LIMIT 100",
     [{"w": "refund backup"}, {"w": "Ticket vpn"}]),
    ("subject contains", 5, "SELECT count(*) FROM tickets WHERE subject LIKE '%{w}%'", [{"w": "vpn problem 17"}]),
    ("opened on a day", 20, "SELECT count(*) FROM tickets WHERE date(opened) = '{d}'",
     [{"d": "2024-03-01"}, {"d": "2023-11-30"}]),
    ("per month", 3, "SELECT substr(opened, 1, 7) AS month, count(*) FROM tickets GROUP BY month", [{}]),
    ("slow to close", 3, "SELECT queue, avg(julianday(closed) - julianday(opened)) FROM tickets WHERE closed IS NOT NULL"
     " AND opened >= '2024-11-01' GROUP BY queue", [{}]),
    ("log of a ticket", 300, "SELECT at, level, message FROM log WHERE ticket_id = {t} ORDER BY at",
     [{"t": 500}, {"t": 60000}]),
    ("newest errors", 50, "SELECT at, source, message FROM log WHERE level = 'error' ORDER BY at DESC LIMIT 50", [{}]),
    ("warnings of a host", 20, "SELECT count(*) FROM log WHERE source = '{h}' AND level <> 'info'",
     [{"h": "host30.corp.example"}, {"h": "host0.corp.example"}]),
    ("busiest hosts of a day", 5, "SELECT source, count(*) AS n FROM log WHERE at BETWEEN 1730000000 AND 1730086400"
     " GROUP BY source ORDER BY n DESC LIMIT 5", [{}]),
    ("team's load", 5, "SELECT a.team, count(*) FROM agents a JOIN tickets t ON t.agent_id = a.id WHERE t.state = 'open'"
     " GROUP BY a.team", [{}]),
    ("tickets with errors", 5, "SELECT DISTINCT t.reference FROM tickets t JOIN log l ON l.ticket_id = t.id"
     " WHERE l.level = 'error' AND t.state <> 'closed'", [{}]),
    ("hottest requesters", 2, "SELECT requester, count(*) AS n FROM tickets GROUP BY requester ORDER BY n DESC, 1 LIMIT 10",
     [{}]),
]  # fmt: skip
TICKETS_WRITE = (
    "INSERT INTO tickets(reference, queue, state, priority, requester, subject, opened, body) VALUES (?,?,?,?,?,?,?,?)",
    lambda draw, number: (f"NEW-{number:07d}", QUEUES[int(draw() * 8)], "open", 2,
                          f"user{int(draw() * 20000)}@corp.example", "Printer on fire", _timestamp(DAYS * 86400 + number),
                          "Please help."),
    5_000,
)  # fmt: skip


def library(connection, rows=None):
    """Create books, members (WITHOUT ROWID) and loans, with no date of return if a book is out."""
    rows = rows or ROWS
    books, members, loans = rows // 10, rows // 10, rows * 4 // 5
    draw = random.Random(13).random
    connection.executescript("""
        CREATE TABLE books(id INTEGER PRIMARY KEY, isbn TEXT NOT NULL UNIQUE, title TEXT NOT NULL COLLATE NOCASE,
            author TEXT NOT NULL, year INTEGER, details TEXT NOT NULL);
        CREATE TABLE members(card TEXT PRIMARY KEY, surname TEXT NOT NULL, branch TEXT NOT NULL, joined INTEGER NOT NULL,
            blocked INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
        CREATE TABLE loans(book_id INTEGER NOT NULL, card TEXT NOT NULL, taken INTEGER NOT NULL, due INTEGER NOT NULL,
            returned INTEGER, renewals INTEGER NOT NULL, fee REAL NOT NULL);
        CREATE VIEW out AS SELECT book_id, card, due FROM loans WHERE returned IS NULL;
        BEGIN
    """)
    connection.executemany(
        "INSERT INTO books VALUES (?, ?, ?, ?, ?, ?)",
        (
            (number, f"978{number * 7919 % 10**9:09d}", f"{WORDS[number % 14].title()} and {WORDS[number % 13]} {number % 997}",
             f"Author {_skewed(draw(), 4000)}", None if draw() < 0.05 else 1950 + int(75 * draw() ** 0.5),
             json.dumps({"language": LANGUAGES[_skewed(draw(), 6, 4)], "pages": 80 + int(900 * draw()),
                         "shelf": f"{'ABCDEFGH'[number % 8]}{number % 60}"}))
            for number in range(1, books + 1)
        ),
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO members VALUES (?, ?, ?, ?, ?)",
        (
            (f"M{number:07d}", f"Name{_skewed(draw(), 9000)}", CITIES[_skewed(draw(), 12)], int(draw() * DAYS),
             int(draw() < 0.01))
            for number in range(members)
        ),
    )  # fmt: skip
    start = 1_672_531_200
    connection.executemany(
        "INSERT INTO loans VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (1 + _skewed(draw(), books), f"M{_skewed(draw(), members):07d}",
             (taken := start + number * DAYS * 86400 // loans), taken + 28 * 86400,
             None if draw() < (0.7 if number > 0.97 * loans else 0.002) else taken + int(draw() * 40 * 86400),
             _skewed(draw(), 4), round(max(0.0, draw() - 0.9) * 50, 2))
            for number in range(loans)
        ),
    )  # fmt: skip


LIBRARY = [
    ("a member's loans", 200, "SELECT book_id, taken, due FROM loans WHERE card = '{m}' AND returned IS NULL ORDER BY due",
     [{"m": "M0000050"}, {"m": "M0020000"}, {"m": "M0000000"}]),
    ("history, newest", 80, "SELECT b.title, l.taken, l.returned FROM loans l JOIN books b ON b.id = l.book_id"
     " WHERE l.card = '{m}' ORDER BY l.taken DESC LIMIT 20", [{"m": "M0000007"}, {"m": "M0011111"}]),
    ("is it out?", 300, "SELECT count(*) FROM out WHERE book_id = {b}", [{"b": 77}, {"b": 30000}, {"b": 1}]),
    ("by isbn", 150, "SELECT id, title, author FROM books WHERE isbn = '{i}'", [{"i": "978000554330"}]),
    ("title begins", 100, "SELECT id, title, author FROM books WHERE title LIKE '{t}%' LIMIT 20",
     [{"t": "printer and vpn"}, {"t": "Badge and s"}]),
    ("by author", 100, "SELECT id, title, year FROM books WHERE author = '{a}' ORDER BY year DESC",
     [{"a": "Author 10"}, {"a": "Author 3000"}]),
    ("overdue", 10, "SELECT card, book_id, due FROM loans WHERE returned IS NULL AND due < {d} ORDER BY due LIMIT 100",
     [{"d": 1734000000}]),
    ("overdue by branch", 4, "SELECT m.branch, count(*) FROM loans l JOIN members m ON m.card = l.card WHERE"
     " l.returned IS NULL AND l.due < 1734000000 GROUP BY m.branch", [{}]),
    ("most lent", 2, "SELECT book_id, count(*) AS n FROM loans GROUP BY book_id ORDER BY n DESC, book_id LIMIT 10", [{}]),
    ("most lent of a month", 5, "SELECT book_id, count(*) AS n FROM loans WHERE taken BETWEEN 1717200000 AND 1719791999"
     " GROUP BY book_id ORDER BY n DESC, book_id LIMIT 10", [{}]),
    ("loans per weekday", 2, "SELECT strftime('%w', taken, 'unixepoch') AS d, count(*) FROM loans GROUP BY d", [{}]),
    ("on the shelf", 40, "SELECT id, title FROM books WHERE json_extract(details, '$.shelf') = '{s}'",
     [{"s": "A8"}, {"s": "C26"}]),
    ("in a language since", 10, "SELECT count(*) FROM books WHERE details ->> 'language' = '{l}' AND year >= 2015",
     [{"l": "fi"}, {"l": "de"}]),
    ("no year", 5, "SELECT id, title FROM books WHERE year IS NULL ORDER BY title LIMIT 50", [{}]),
    ("surname", 60, "SELECT card, surname, branch FROM members WHERE surname = '{n}' OR card = '{m}'",
     [{"n": "Name77", "m": "M0000003"}, {"n": "Name4000", "m": "M0030000"}]),
    ("blocked", 10, "SELECT card, surname FROM members WHERE blocked = 1 AND branch = '{b}'", [{"b": "Ghent"}, {"b": "Berlin"}]),
    ("fees of a member", 40, "SELECT sum(fee) FROM loans WHERE card = '{m}' AND fee > 0", [{"m": "M0000100"}, {"m": "M0000001"}]),
    ("highest fees", 5, "SELECT card, fee FROM loans ORDER BY fee DESC, taken DESC LIMIT 20", [{}]),
    ("rank of books by author", 2, "SELECT author, title, rank() OVER (PARTITION BY author ORDER BY year) FROM books"
     " WHERE author IN ('Author 5', 'Author 50', 'Author 500')", [{}]),
    ("idle members", 1, "SELECT count(*) FROM members m WHERE m.branch = 'Bergen' AND NOT EXISTS (SELECT 1 FROM loans l"
     " WHERE l.card = m.card AND l.taken > 1730000000) AND m.card < 'M0000400'", [{}]),
]  # fmt: skip
LIBRARY_WRITE = (
    "INSERT INTO loans(book_id, card, taken, due, returned, renewals, fee) VALUES (?, ?, ?, ?, NULL, 0, 0)",
    lambda draw, number: (1 + int(draw() * 50_000), f"M{int(draw() * 50_000):07d}", 1_735_603_200 + number, 1_738_022_400),
    8_000,
)  # fmt: skip

SCHEMAS = {
    "shop": (shop, SHOP, SHOP_WRITE),
    "tickets": (tickets, TICKETS, TICKETS_WRITE),
    "library": (library, LIBRARY, LIBRARY_WRITE),
}
