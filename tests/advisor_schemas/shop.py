"""A shop: joins, JSON, dates as text, groups."""

import json
import random

from advisor_schemas.random_data import CITIES, DAYS, ROWS, skewed, timestamp

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


def shop(connection, rows=None):
    """Create customers, orders with JSON in them, their items, and products."""
    rows = rows or ROWS
    orders, customers, products = rows * 3 // 10, max(rows // 20, 10), max(rows // 200, 10)
    draw = random.Random(11).random
    connection.executescript("""
        CREATE TABLE customers(id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT,
            city TEXT, joined TEXT);
        CREATE TABLE products(sku TEXT PRIMARY KEY, title TEXT, category TEXT, price REAL,
            attributes TEXT);
        CREATE TABLE orders(id INTEGER PRIMARY KEY,
            customer_id INTEGER NOT NULL REFERENCES customers(id), state TEXT NOT NULL,
            placed_at TEXT NOT NULL, total REAL NOT NULL, shipping TEXT NOT NULL, note TEXT);
        CREATE TABLE items(id INTEGER PRIMARY KEY,
            order_id INTEGER NOT NULL REFERENCES orders(id), sku TEXT NOT NULL,
            quantity INTEGER NOT NULL, price REAL NOT NULL, returned INTEGER NOT NULL DEFAULT 0);
        BEGIN
    """)
    connection.executemany(
        "INSERT INTO customers VALUES (?, ?, ?, ?, ?)",
        (
            (
                number,
                f"c{number}@shop.example",
                f"Customer {number * 7 % customers}",
                CITIES[skewed(draw(), 18)],
                timestamp(int(draw() * DAYS * 86400))[:10],
            )
            for number in range(1, customers + 1)
        ),
    )
    connection.executemany(
        "INSERT INTO products VALUES (?, ?, ?, ?, ?)",
        (
            (
                f"SKU{number:06d}",
                f"{CATEGORIES[number % 10]} thing {number}",
                CATEGORIES[skewed(draw(), 10, 2)],
                round(1 + 200 * draw() ** 2, 2),
                json.dumps(
                    {
                        "colour": ["red", "green", "blue", "grey"][number % 4],
                        "weight": number % 50,
                        "brand": f"brand{skewed(draw(), 40)}",
                    }
                ),
            )
            for number in range(products)
        ),
    )
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (
                number,
                1 + skewed(draw(), customers),
                SHOP_STATES[int(draw() * 1000)],
                timestamp(number * DAYS * 86400 // orders),
                round(5 + 500 * draw() ** 3, 2),
                json.dumps(
                    {
                        "city": CITIES[skewed(draw(), 18)],
                        "carrier": ["post", "dhl", "ups", "gls"][skewed(draw(), 4)],
                        "code": f"T{int(draw() * orders * 2):08d}",
                    }
                ),
                None
                if draw() < 0.9
                else f"please ring {int(draw() * 90)} times, and wait at the door",
            )
            for number in range(1, orders + 1)
        ),
    )
    connection.executemany(
        "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)",
        (
            (
                number,
                1 + int(draw() * orders),
                f"SKU{skewed(draw(), products):06d}",
                1 + skewed(draw(), 5),
                round(1 + 100 * draw() ** 2, 2),
                int(draw() < 0.02),
            )
            for number in range(1, rows - orders - customers - products + 1)
        ),
    )


CUSTOMERS = [{"c": 5}, {"c": 800}, {"c": 9000}, {"c": 1}]
SHOP = [
    (
        "orders of a customer",
        300,
        "SELECT id, state, total, placed_at FROM orders WHERE customer_id = {c}"
        " ORDER BY placed_at DESC LIMIT 10",
        CUSTOMERS,
    ),
    (
        "spent by a customer",
        100,
        "SELECT count(*), sum(total) FROM orders WHERE customer_id = {c}",
        CUSTOMERS,
    ),
    (
        "items of an order",
        300,
        "SELECT i.sku, p.title, i.quantity, i.price FROM items i JOIN products p ON p.sku = i.sku"
        " WHERE i.order_id = {o}",
        [{"o": 1234}, {"o": 99}, {"o": 14000}],
    ),
    (
        "login",
        150,
        "SELECT id, name FROM customers WHERE lower(email) = '{e}'",
        [{"e": "c77@shop.example"}, {"e": "c5000@shop.example"}],
    ),
    (
        "track a parcel",
        40,
        "SELECT id, customer_id, state FROM orders WHERE json_extract(shipping, '$.code') = '{t}'",
        [{"t": "T00001234"}, {"t": "T00200001"}],
    ),
    (
        "to be sent",
        60,
        "SELECT id, customer_id, placed_at FROM orders WHERE state = 'paid'"
        " ORDER BY placed_at LIMIT 50",
        [{}],
    ),
    (
        "disputed, most expensive",
        20,
        "SELECT id, total FROM orders WHERE state = 'disputed' ORDER BY total DESC LIMIT 20",
        [{}],
    ),
    (
        "by state in a month",
        5,
        "SELECT state, count(*), sum(total) FROM orders WHERE placed_at >= '{m}-01' AND"
        " placed_at < '{m}-31' GROUP BY state",
        [{"m": "2024-05"}, {"m": "2023-08"}],
    ),
    (
        "sales of a product",
        50,
        "SELECT sum(quantity), sum(quantity * price) FROM items WHERE sku = '{s}'",
        [{"s": "SKU000040"}, {"s": "SKU002000"}, {"s": "SKU000000"}],
    ),
    (
        "best sellers",
        3,
        "SELECT sku, sum(quantity) AS n FROM items GROUP BY sku ORDER BY n DESC, sku LIMIT 10",
        [{}],
    ),
    (
        "category in a week",
        5,
        "SELECT p.category, sum(i.quantity) FROM orders o JOIN items i ON i.order_id = o.id"
        " JOIN products p ON p.sku = i.sku"
        " WHERE o.placed_at BETWEEN '2024-06-01' AND '2024-06-08' GROUP BY p.category",
        [{}],
    ),
    (
        "city by JSON",
        5,
        "SELECT shipping ->> '$.city' AS city, count(*) FROM orders GROUP BY city",
        [{}],
    ),
    (
        "customers of a city in dispute",
        10,
        "SELECT c.name, o.total FROM customers c JOIN orders o ON"
        " o.customer_id = c.id WHERE c.city = '{c}' AND o.state = 'disputed'",
        [{"c": "Cork"}, {"c": "Berlin"}],
    ),
    (
        "returned items of a product",
        20,
        "SELECT id, order_id FROM items WHERE returned = 1 AND sku = '{s}'",
        [{"s": "SKU000001"}, {"s": "SKU000300"}],
    ),
    (
        "never ordered",
        2,
        "SELECT count(*) FROM customers c WHERE c.id > 24900 AND NOT EXISTS"
        " (SELECT 1 FROM orders o WHERE o.customer_id = c.id)",
        [{}],
    ),
    (
        "products of a category",
        40,
        "SELECT sku, title, price FROM products WHERE category = '{c}' AND price < {p}"
        " ORDER BY price LIMIT 30",
        [{"c": "toys", "p": 20}, {"c": "books", "p": 5}],
    ),
    (
        "name prefix",
        20,
        "SELECT id, name FROM customers WHERE name LIKE '{n}%'",
        [{"n": "Customer 123"}, {"n": "customer 9"}],
    ),
    (
        "orders per day",
        3,
        "SELECT date(placed_at) AS day, count(*), sum(total) FROM orders GROUP BY day",
        [{}],
    ),
    ("notes that say", 3, "SELECT id, note FROM orders WHERE note LIKE '%ring 17 times%'", [{}]),
    ("newest order", 50, "SELECT max(placed_at) FROM orders", [{}]),
]
SHOP_WRITE = (
    "INSERT INTO orders(customer_id, state, placed_at, total, shipping) VALUES (?, ?, ?, ?, ?)",
    lambda draw, number: (
        1 + int(5000 * draw()),
        "paid",
        timestamp(DAYS * 86400 + number),
        9.5,
        json.dumps({"city": "Lyon", "carrier": "dhl", "code": f"T99{number:06d}"}),
    ),
    10_000,
)
