"""Query plans in the words of SQLite's releases from 3.33 to 3.54.

data/plans.json has, for each query, every wording and the releases that use it. To add the wording
of the SQLite that Python uses, run `python tests/plan_texts.py`.
"""

import json
import sqlite3
from pathlib import Path

FILE = Path(__file__).parent / "data" / "plans.json"

SCHEMA = """
CREATE TABLE events(id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, type TEXT NOT NULL,
                    status INTEGER, duration_ms INTEGER, created_at INTEGER NOT NULL);
CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT UNIQUE, country TEXT);
CREATE TABLE plain(a, b);
CREATE TABLE pairs(a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE "my table"("my col", b);
CREATE INDEX i_user ON events(user_id, created_at);
CREATE INDEX i_type_user ON events(type, user_id);
CREATE INDEX "odd (index" ON "my table"("my col");
CREATE INDEX i_part ON events(status) WHERE status <> 200;
CREATE INDEX i_expr ON events(date(created_at, 'unixepoch'));
CREATE VIRTUAL TABLE f USING fts4(x);
CREATE VIEW per_user AS SELECT user_id, count(*) n FROM events GROUP BY user_id;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 5999)
INSERT INTO events(user_id, type, status, duration_ms, created_at)
SELECT i % 400, substr('abc', i % 3 + 1, 1), CASE WHEN i % 9 THEN 200 ELSE 500 END, i, i FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 399)
INSERT INTO users SELECT i, i, i % 5 FROM n;
ANALYZE;
"""

# query: scans, searches and skip-scans, all as (table, index), then sorts and covering
FACTS = {
    "select * from events": ([("events", None)], [], [], [], False),
    "select * from events e": ([("e", None)], [], [], [], False),
    "select * from events where user_id=5": ([], [("events", "i_user")], [], [], False),
    "select * from events e where e.user_id=5 order by created_at desc limit 20": (
        ([], [("e", "i_user")], [], [], False)
    ),
    "select * from events where id=5": ([], [("events", None)], [], [], False),
    "select type,count(*) from events group by type": (
        [("events", "i_type_user")],
        [],
        [],
        [],
        True,
    ),
    "select status,count(*) from events group by status": (
        [("events", None)],
        [],
        [],
        ["GROUP BY"],
        False,
    ),
    "select distinct country from users": ([("users", None)], [], [], ["DISTINCT"], False),
    "select user_id from events where user_id=5 and created_at>3": (
        [],
        [("events", "i_user")],
        [],
        [],
        True,
    ),
    "select * from events where user_id=5 order by type": (
        [],
        [],
        [("events", "i_type_user")],
        [],
        False,
    ),
    "select * from events order by user_id, type": (
        [("events", "i_user")],
        [],
        [],
        ["PART OF ORDER BY"],
        False,
    ),
    "select * from events not indexed where type='a'": ([("events", None)], [], [], [], False),
    "select * from pairs where a=1": ([], [("pairs", None)], [], [], False),
    'select * from "my table" where "my col"=4': ([], [("my table", "odd (index")], [], [], False),
    'select * from "my table" as "t x"': ([("t x", None)], [], [], [], False),
    "select max(duration_ms) from events": ([("events", None)], [], [], [], False),
    "select max(user_id) from events": ([], [("events", "i_user")], [], [], True),
    "select * from f where x match 'a'": ([], [], [], [], False),
    "select 1": ([], [], [], [], False),
    "values(1),(2),(3)": ([], [], [], [], False),
    "select * from plain a join plain b on a.a=b.b": (
        [("a", None), ("b", None)],
        [],
        [],
        [],
        False,
    ),
    "select (select count(*) from events where user_id=users.id) from users": (
        ([("users", "sqlite_autoindex_users_1")], [("events", "i_user")], [], [], True)
    ),
    (
        "with events as (select user_id, count(*) n from main.events group by user_id)"
        " select * from events order by n"
    ): (
        [("events", "i_user")],
        [],
        [],
        ["ORDER BY"],
        True,
    ),
    "select * from events where user_id in (select id from users where country='1')": (
        ([("users", None)], [("events", "i_user")], [], [], False)
    ),
}


def plans(query: str) -> dict[str, list[tuple[int, int, int, str]]]:
    """Return the rows of EXPLAIN QUERY PLAN for a query, by release."""
    wordings = json.loads(FILE.read_text())[query]
    return {
        release: [(number, parent, 0, text) for number, parent, text in wording["plan"]]
        for wording in wordings
        for release in wording["sqlite"]
    }


def record(connection: sqlite3.Connection, release: str) -> None:
    """Add the wording of this SQLite to the file."""
    recorded = json.loads(FILE.read_text())
    connection.executescript(SCHEMA)
    for query, wordings in recorded.items():
        for wording in wordings:
            if release in wording["sqlite"]:
                wording["sqlite"].remove(release)
        try:
            rows = connection.execute("EXPLAIN QUERY PLAN " + query).fetchall()
        except sqlite3.OperationalError:
            continue  # SQLite has no RIGHT JOIN before 3.39
        # SQLite numbers the steps by addresses in its program. Number them from 1 instead.
        numbers = {0: 0} | {address: number for number, (address, *_) in enumerate(rows, 1)}
        plan = [[numbers[address], numbers[parent], text] for address, parent, _, text in rows]
        same = next((wording for wording in wordings if wording["plan"] == plan), None)
        if same is None:
            wordings.append(same := {"sqlite": [], "plan": plan})
        same["sqlite"].append(release)
        recorded[query] = [wording for wording in wordings if wording["sqlite"]]
    entries = []
    for query, wordings in recorded.items():
        lines = ",\n".join(f"  {json.dumps(wording)}" for wording in wordings)
        entries.append(f" {json.dumps(query)}: [\n{lines}\n ]")
    FILE.write_text("{\n" + ",\n".join(entries) + "\n}\n")


if __name__ == "__main__":
    record(sqlite3.connect(":memory:"), sqlite3.sqlite_version)
