"""A help desk: LIKE, OR, dates as text, NULLs, few tickets that aren't closed."""

import random

from advisor_schemas.random_data import DAYS, ROWS, WORDS, skewed, timestamp

QUEUES = ["billing", "access", "network", "hardware", "mail", "printing", "travel", "other"]
STATES = ["closed"] * 93 + ["open"] * 3 + ["waiting"] * 3 + ["escalated"]


def tickets(connection, rows=None):
    """Create agents, tickets and their log."""
    rows = rows or ROWS
    count = rows * 2 // 5
    draw = random.Random(12).random
    connection.executescript("""
        CREATE TABLE agents(id INTEGER PRIMARY KEY, name TEXT NOT NULL, team TEXT NOT NULL);
        CREATE TABLE tickets(id INTEGER PRIMARY KEY, reference TEXT NOT NULL, queue TEXT NOT NULL,
            state TEXT NOT NULL, priority INTEGER NOT NULL, agent_id INTEGER,
            requester TEXT NOT NULL, subject TEXT NOT NULL, opened TEXT NOT NULL, closed TEXT,
            body TEXT NOT NULL);
        CREATE TABLE log(ticket_id INTEGER NOT NULL, at INTEGER NOT NULL, level TEXT NOT NULL,
            source TEXT NOT NULL, message TEXT NOT NULL);
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
            (
                number,
                f"{QUEUES[number % 8][:3].upper()}-{number:07d}",
                QUEUES[skewed(draw(), 8, 2)],
                (state := STATES[int(draw() * 100)]),
                1 + skewed(draw(), 5),
                1 + skewed(draw(), 200),
                f"user{skewed(draw(), count // 8 + 1)}@corp.example",
                f"{WORDS[skewed(draw(), 14)].title()} {WORDS[int(draw() * 14)]}"
                f" problem {int(draw() * 500)}",
                timestamp(number * DAYS * 86400 // count),
                timestamp(number * DAYS * 86400 // count + int(draw() * 900000))
                if state == "closed"
                else None,
                "Hello, since this morning nothing works any more. " * (1 + int(draw() * 3)),
            )
            for number in range(1, count + 1)
        ),
    )
    connection.execute("UPDATE tickets SET agent_id = NULL WHERE state = 'open' AND id % 2")
    base, logs = 1_672_531_200, rows - count
    connection.executemany(
        "INSERT INTO log VALUES (?, ?, ?, ?, ?)",
        (
            (
                1 + int(draw() * count),
                base + number * DAYS * 86400 // logs,
                "info" if (chance := draw()) < 0.95 else "warning" if chance < 0.995 else "error",
                f"host{skewed(draw(), 60)}.corp.example",
                f"step {int(draw() * 1000)} of the workflow took {number % 977} ms",
            )
            for number in range(logs)
        ),
    )


TICKETS = [
    (
        "by reference",
        300,
        "SELECT * FROM tickets WHERE reference = '{r}'",
        [{"r": "BIL-0000800"}, {"r": "NET-0100002"}],
    ),
    (
        "my open tickets",
        200,
        "SELECT id, reference, subject, priority FROM tickets WHERE agent_id = {a} AND"
        " state IN ('open', 'waiting', 'escalated') ORDER BY priority DESC, opened LIMIT 25",
        [{"a": 3}, {"a": 90}, {"a": 1}],
    ),
    (
        "unassigned tickets",
        100,
        "SELECT id, queue, subject FROM tickets WHERE agent_id IS NULL ORDER BY opened LIMIT 20",
        [{}],
    ),
    (
        "queue's open, newest",
        80,
        "SELECT id, subject FROM tickets WHERE queue = '{q}' AND state = 'open' ORDER BY"
        " opened DESC LIMIT 20",
        [{"q": "mail"}, {"q": "billing"}, {"q": "other"}],
    ),
    (
        "open by queue",
        40,
        "SELECT queue, count(*) FROM tickets WHERE state = 'open' GROUP BY queue",
        [{}],
    ),
    (
        "of a requester",
        100,
        "SELECT id, state, subject, opened FROM tickets WHERE requester = '{u}'"
        " ORDER BY opened DESC",
        [
            {"u": "user0@corp.example"},
            {"u": "user900@corp.example"},
            {"u": "user12000@corp.example"},
        ],
    ),
    (
        "escalated or urgent",
        30,
        "SELECT id, subject FROM tickets WHERE state = 'escalated' OR"
        " (priority = 5 AND opened >= '2024-12-01')",
        [{}],
    ),
    (
        "requester or reference",
        60,
        "SELECT id FROM tickets WHERE requester = '{u}' OR reference = '{r}'",
        [
            {"u": "user77@corp.example", "r": "ACC-0000001"},
            {"u": "user4000@corp.example", "r": "MAI-0000004"},
        ],
    ),
    (
        "subject prefix",
        30,
        "SELECT id, subject FROM tickets WHERE subject LIKE '{w}%' LIMIT 100",
        [{"w": "refund backup"}, {"w": "Ticket vpn"}],
    ),
    (
        "subject contains",
        5,
        "SELECT count(*) FROM tickets WHERE subject LIKE '%{w}%'",
        [{"w": "vpn problem 17"}],
    ),
    (
        "opened on a day",
        20,
        "SELECT count(*) FROM tickets WHERE date(opened) = '{d}'",
        [{"d": "2024-03-01"}, {"d": "2023-11-30"}],
    ),
    (
        "per month",
        3,
        "SELECT substr(opened, 1, 7) AS month, count(*) FROM tickets GROUP BY month",
        [{}],
    ),
    (
        "slow to close",
        3,
        "SELECT queue, avg(julianday(closed) - julianday(opened)) FROM tickets"
        " WHERE closed IS NOT NULL AND opened >= '2024-11-01' GROUP BY queue",
        [{}],
    ),
    (
        "log of a ticket",
        300,
        "SELECT at, level, message FROM log WHERE ticket_id = {t} ORDER BY at",
        [{"t": 500}, {"t": 60000}],
    ),
    (
        "newest errors",
        50,
        "SELECT at, source, message FROM log WHERE level = 'error' ORDER BY at DESC LIMIT 50",
        [{}],
    ),
    (
        "warnings of a host",
        20,
        "SELECT count(*) FROM log WHERE source = '{h}' AND level <> 'info'",
        [{"h": "host30.corp.example"}, {"h": "host0.corp.example"}],
    ),
    (
        "busiest hosts of a day",
        5,
        "SELECT source, count(*) AS n FROM log WHERE at BETWEEN 1730000000 AND 1730086400"
        " GROUP BY source ORDER BY n DESC LIMIT 5",
        [{}],
    ),
    (
        "team's load",
        5,
        "SELECT a.team, count(*) FROM agents a JOIN tickets t ON t.agent_id = a.id"
        " WHERE t.state = 'open' GROUP BY a.team",
        [{}],
    ),
    (
        "tickets with errors",
        5,
        "SELECT DISTINCT t.reference FROM tickets t JOIN log l ON l.ticket_id = t.id"
        " WHERE l.level = 'error' AND t.state <> 'closed'",
        [{}],
    ),
    (
        "hottest requesters",
        2,
        "SELECT requester, count(*) AS n FROM tickets GROUP BY requester"
        " ORDER BY n DESC, 1 LIMIT 10",
        [{}],
    ),
]
TICKETS_WRITE = (
    "INSERT INTO tickets(reference, queue, state, priority, requester, subject, opened, body)"
    " VALUES (?,?,?,?,?,?,?,?)",
    lambda draw, number: (
        f"NEW-{number:07d}",
        QUEUES[int(draw() * 8)],
        "open",
        2,
        f"user{int(draw() * 20000)}@corp.example",
        "Printer on fire",
        timestamp(DAYS * 86400 + number),
        "Please help.",
    ),
    5_000,
)
