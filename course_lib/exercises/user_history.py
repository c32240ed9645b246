"""A user's history, to scroll through: its events, its pages, and wrong conditions for a page.

The exercise `keyset` asks for the next page after any row of it.
"""

from typing import Any, NamedTuple

from course_lib.exercises.verdict import brief
from course_lib.optimizer import Plan

ALL_OF_USER = """SELECT id, created_at, type FROM events WHERE user_id = :user_id
    ORDER BY created_at DESC, id DESC"""
USER, EVENTS, TIED = 501, 3_000, 25
# The two users take turns. 25 events of each have the same `created_at`, which are more than fit on
# a page, and a later event may have a smaller ID. The earlier half of them is a year older.
HISTORY = f"""
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {2 * EVENTS - 1})
INSERT INTO events SELECT 10000 + i * 2477 % {2 * EVENTS}, {USER} + i % 2, 'type ' || (i % 5),
    200, 1, 'page', 1, 1705000000 + i / {2 * TIED} * 60 - (i < {EVENTS}) * 31536000, '{{}}'
FROM n"""

Row = tuple[int, int, str]
"""An event's ID, its time and its type."""


class Page(NamedTuple):
    """The rows that the answer returned after `shown` rows, and how SQLite found them."""

    shown: int
    last: dict[str, int]
    used: set[str]
    unknown: list[str]
    columns: list[str]
    rows: list[Any]
    steps: int
    plan: Plan


class Parameters(dict[str, int]):
    """The parameters of a page. Any other has the number of rows shown, as an OFFSET would."""

    def __init__(self, shown: int, last: dict[str, int]) -> None:
        super().__init__(last)
        self.shown = shown
        self.used: set[str] = set()
        self.unknown: list[str] = []

    def __getitem__(self, name: str) -> int:
        self.used.add(name)
        return super().__getitem__(name)

    def __missing__(self, name: str) -> int:
        self.unknown.append(name)
        return self.shown


def newest_first(rows: list[Row]) -> list[Row]:
    """Return rows in the order of the list: by time and ID, the largest first."""
    return sorted(rows, key=lambda row: (row[1], row[0]), reverse=True)


def skips_twice(page: Page, rows: list[Row]) -> bool:
    """Return True if the page begins later by one row, a page, or as many rows as were shown."""
    starts = [page.shown + more for more in (1, 20, page.shown)]
    skipped = [rows[start : start + 20] for start in starts]
    return bool(page.rows) and page.rows in skipped


def from_first_difference(rows: list[Any], others: list[Any]) -> tuple[str, str]:
    """Return two lists as text: how many rows, and which, from the first row that differs."""
    pairs = zip(rows, others, strict=False)
    are_same = [row == other for row, other in pairs]
    first = [*are_same, False].index(False)

    def described(of: list[Any]) -> str:
        shown = brief(of[first : first + 4]) if of[first:] else "none"
        return f"rows: {len(of)}; from row {first + 1}: {shown}"

    return described(rows), described(others)


def wrong_conditions(page: Page, rows: list[Row]) -> dict[str, bool]:
    """Return, for each wrong condition that can be recognized, whether it leads to these rows."""
    number, created_at = page.last["id"], page.last["created_at"]
    newer = [row for row in rows if row[1] > created_at]
    earlier = [row for row in rows if row[1] < created_at]
    smaller_ids = [row for row in rows if row[0] < number]
    smaller_and_earlier = [row for row in smaller_ids if row[1] < created_at]
    smaller_and_not_newer = [row for row in smaller_ids if row[1] <= created_at]
    lists = {
        "backwards": (newer, rows[: page.shown - 1]),
        "loses_ties": (earlier,),
        "id_alone": (smaller_ids, sorted(smaller_ids, reverse=True)),
        "joined_by_and": (smaller_and_not_newer, smaller_and_earlier),
        "wrong_order": (sorted(rows[page.shown :], key=lambda row: (row[1], -row[0])),),
    }
    found = {mistake: _begins_one(page, of) for mistake, of in lists.items()}
    found["wrong_order"] |= page.rows != newest_first(page.rows)
    return found


def _begins_one(page: Page, lists: tuple[list[Row], ...]) -> bool:
    """Return True if the page is the first twenty rows of one of these lists."""
    return any(page.rows == rows[:20] for rows in lists)
