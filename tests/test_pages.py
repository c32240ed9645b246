"""Pages are counted as SQLite reads them, and the file stays unchanged."""

import sqlite3
from contextlib import closing

import apsw
import pytest

from course_lib.lab import events, pages

BY_ID = "SELECT * FROM events WHERE id = ?"
ALL = "SELECT * FROM events WHERE title = ?"
RANGE = "SELECT * FROM events WHERE id BETWEEN ? AND ?"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return events.seed(tmp_path_factory.mktemp("pages") / "events.db", rows=20_000)


def test_a_lookup_reads_a_few_pages_a_range_some_and_a_scan_nearly_all(table):
    lookup = pages.read(table, BY_ID, [7_000])
    some = pages.read(table, RANGE, [7_000, 8_000])
    scan = pages.read(table, ALL, ["no such title"])
    assert len(lookup) <= 5
    assert len(lookup) < len(some) < len(scan) / 4
    assert len(scan) > 0.7 * scan.total
    assert lookup.touched <= scan.touched


def test_the_total_is_the_files_pages_and_page_numbers_are_below_it(table):
    scan = pages.read(table, ALL, ["no such title"])
    with closing(sqlite3.connect(table)) as database:
        assert scan.total == database.execute("PRAGMA page_count").fetchone()[0]
    assert all(0 <= page < scan.total for page in scan.touched)


def test_each_read_starts_with_nothing_cached(table):
    assert pages.read(table, BY_ID, [7_000]) == pages.read(table, BY_ID, [7_000])


def test_an_index_turns_a_scan_into_a_lookup(table, tmp_path):
    copy = tmp_path / "indexed.db"
    copy.write_bytes(table.read_bytes())
    query, user = "SELECT count(*) FROM events WHERE user_id = ?", events.median_user(table)
    with closing(sqlite3.connect(copy)) as database:
        database.execute("CREATE INDEX i ON events(user_id)")
    assert len(pages.read(copy, query, [user])) * 20 < len(pages.read(table, query, [user]))


def test_the_file_is_unchanged_and_no_side_file_is_left(table):
    before = table.read_bytes()
    with pytest.raises(apsw.ReadOnlyError):
        pages.read(table, "DELETE FROM events")
    pages.read(table, ALL, ["no such title"])
    assert table.read_bytes() == before
    assert {file.name for file in table.parent.iterdir()} <= {"events.db", "events.db.lock"}


def test_the_alt_text_says_how_many_pages_each_query_read(table):
    lookup, scan = pages.read(table, BY_ID, [7_000]), pages.read(table, ALL, ["no such title"])
    picture = pages.picture({"by id": lookup, "all": scan}, "A scan reads them all")
    assert (
        picture.alt == f"A scan reads them all. Pages read: by id {len(lookup)}, all {len(scan):,}."
    )
    assert len(picture.figure.axes) == 2
    assert picture.png()
