"""Test the advisor's command line: its file of queries, what it prints, and how it ends."""

import codecs
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from course_lib.advisor.__main__ import _pasteable, main, read_queries
from course_lib.advisor.recommendation import Recommendation
from course_lib.optimizer import analyze_query_performance

# An index is only recommended if it measures as faster.
pytestmark = pytest.mark.measures

QUERY = "SELECT count(*) FROM log WHERE owner = 7"


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE log(id INTEGER PRIMARY KEY, owner INTEGER, body TEXT)")
        values = ((i % 900, "x" * 90) for i in range(20_000))
        connection.executemany("INSERT INTO log(owner, body) VALUES (?, ?)", values)
    return path


@pytest.fixture
def queries(tmp_path) -> Path:
    path = tmp_path / "queries.sql"
    path.write_text(f"{QUERY};\n")
    return path


# --- the file of queries --------------------------------------------------------------------------


def test_a_file_of_queries_is_read_with_their_frequencies():
    text = "-- first\n-- frequency: 2.5\nSELECT ';'; \n\nDELETE FROM t WHERE a = ?;;"
    assert read_queries(text) == [("SELECT ';'", 2.5), ("DELETE FROM t WHERE a = ?", 1.0)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--FREQUENCY : 1e3 a day\r\nSELECT 1\r\n;\r\n", [("SELECT 1", 1000.0)]),
        ("SELECT '-- frequency: 5'", [("SELECT '-- frequency: 5'", 1.0)]),
        ("SELECT 1 -- frequency: 5\n;", [("SELECT 1 -- frequency: 5", 1.0)]),
        ("/* a; */ SELECT 1; -- b; c\n-- d", [("SELECT 1", 1.0)]),
        ("", []),
        (";;\n-- nothing\n/* at all */", []),
    ],
)
def test_comments_and_ends_of_lines_are_no_part_of_a_query(text, expected):
    assert read_queries(text) == expected


def test_a_trigger_is_one_statement():
    trigger = "CREATE TRIGGER t AFTER INSERT ON u BEGIN SELECT 1; SELECT ';'; END"
    assert read_queries(f"{trigger};\nSELECT 2;") == [(trigger, 1.0), ("SELECT 2", 1.0)]


@pytest.mark.parametrize("frequency", ["0", "-5", "1,000", "many", "", "inf", "nan", "100/day"])
def test_a_frequency_that_is_no_number_above_0_is_an_error_and_not_1(frequency):
    with pytest.raises(ValueError, match="isn't a number above 0: write '-- frequency: 100'"):
        read_queries(f"-- frequency: {frequency}\nSELECT 1;")


def test_a_frequency_that_could_belong_to_another_query_is_an_error():
    with pytest.raises(ValueError, match="'-- frequency: 5' is behind a statement"):
        read_queries("SELECT 1; -- frequency: 5\nSELECT 2;")
    with pytest.raises(ValueError, match="'-- frequency: 5' and another one"):
        read_queries("-- frequency: 5\n-- SELECT 1;\n-- frequency: 6\nSELECT 2;")
    with pytest.raises(ValueError, match="no statement after it"):
        read_queries("SELECT 1;\n-- frequency: 5\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_queries_may_be_saved_in_utf8_or_by_windows(encoding, log, queries, capsys):
    queries.write_bytes("SELECT 'ж' FROM log WHERE id = 5;\r\n".encode(encoding))
    assert main([str(log), str(queries), "--seconds", "20", "--json"]) == 0
    (timing,) = json.loads(capsys.readouterr().out)["queries"]
    assert timing["sql"] == "SELECT 'ж' FROM log WHERE id = 5"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("SELECT 'ä';".encode("latin-1"), "isn't text in UTF-8"),
        (codecs.BOM_UTF16_LE + b"\0", "isn't text in UTF-8"),
        (QUERY.encode("utf-16-le"), "has a null character"),
        (b"-- only a comment", "no statement in"),
    ],
)
def test_a_file_that_has_no_queries_is_an_error_that_names_it(content, error, log, queries, capsys):
    queries.write_bytes(content)
    assert main([str(log), str(queries)]) == 1
    message = capsys.readouterr().err
    assert error in message and str(queries) in message


# --- what's printed -------------------------------------------------------------------------------


def test_everything_that_is_printed_can_be_pasted(log, queries, tmp_path, capsys):
    more = f"{QUERY};\n/* a; b */ SELECT ';' FROM log LIMIT 1;\nSELECT absent\nFROM log"
    queries.write_text(f"-- frequency: 100\n{more}")
    assert main([str(log), str(queries), "--seconds", "20", "--writes", "0"]) == 0
    copy = tmp_path / "copy.db"
    shutil.copy(log, copy)
    with closing(sqlite3.connect(copy)) as connection:
        connection.executescript(capsys.readouterr().out)
    assert analyze_query_performance(copy, QUERY).searches


def test_json_has_the_same_keys_whatever_the_outcome(log, queries, capsys):
    keys = set()
    for query in (QUERY, "SELEC 1", "SELECT count(*) FROM log"):
        queries.write_text(query)
        assert main([str(log), str(queries), "--seconds", "20", "--json"]) == 0
        advice = json.loads(capsys.readouterr().out)
        keys.add(tuple(advice))
        assert bool(advice["statements"]) == (query == QUERY)
        assert [*advice["skipped"]] == (["SELEC 1"] if query == "SELEC 1" else [])
    assert len(keys) == 1


def test_if_nothing_was_measured_no_index_is_said_to_be_useless(log, queries, capsys):
    queries.write_text("SELEC 1")
    assert main([str(log), str(queries)]) == 0
    printed = capsys.readouterr().out
    assert "not everything was measured" in printed and "no index" not in printed


def test_if_what_would_help_is_harmful_no_index_is_said_to_be_useless():
    harmful = {"CREATE INDEX harmful ON log(owner)": "SELECT 1 FROM log"}
    advice = Recommendation(indexes=(), queries=(), skipped={}, unused=(), harmful=harmful)
    first, *_ = _pasteable(advice).splitlines()
    assert first == "-- nothing is recommended: what would help makes a query slower: see below"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("target", ["a closed pipe", "a full disk"])
def test_output_that_cannot_be_written_is_an_error_of_one_line(target, log, queries):
    if target == "a full disk" and not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    reader, writer = os.pipe()
    os.close(reader)
    if target == "a full disk":
        os.close(writer)
        writer = os.open("/dev/full", os.O_WRONLY)
    command = [sys.executable, "-m", "course_lib.advisor", log, queries, "--seconds", "20"]
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writer)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1


SLOW = "\n".join(
    f"SELECT count(*) FROM log a, log b WHERE a.body = b.body AND a.id > {number};"
    for number in range(40)
)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
def test_a_bar_is_drawn_on_a_terminal_and_erased_and_none_is_without_one(log, queries):
    queries.write_text(SLOW)
    command = [sys.executable, "-m", "course_lib.advisor", log, queries, "--seconds", "4"]
    terminal, its_other_end = os.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=its_other_end, check=True)
        drawn = screen.read(10_000).decode()
        os.close(its_other_end)
    *_, bar, erased, rest = drawn.split("\r")
    assert "measuring on a copy [#" in bar and not rest
    assert erased.isspace() and len(erased) >= len(bar)
    assert done.stdout.startswith(b"--")
    assert not subprocess.run(command, capture_output=True, check=True).stderr


def test_ctrl_c_ends_it_without_a_traceback_and_without_a_copy(log, queries, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    queries.write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "-m", "course_lib.advisor", log, queries],
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(temporary.glob("*/copy.db")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    printed, error = process.communicate(timeout=60)
    assert (process.returncode, printed, error) == (130, "", "interrupted\n")
    assert list(temporary.iterdir()) == []
