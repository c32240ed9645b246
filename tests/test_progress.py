"""The learner's record survives damage, deletion and two kernels at once."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.lab import paths, progress


def solve(name, lesson="tiny", verdict="right"):
    progress.record("verdict", lesson, name, verdict=verdict)


def test_the_last_record_of_a_name_counts():
    solve("first", verdict="refused")
    solve("second")
    solve("first")
    assert {name: record["verdict"] for name, record in progress.verdicts("tiny").items()} == {
        "first": "right",
        "second": "right",
    }
    assert [record["verdict"] for record in progress.records("verdict", "tiny")] == [
        "refused",
        "right",
        "right",
    ]


def test_kinds_and_lessons_are_kept_apart():
    solve("first", lesson="other")
    progress.record("prediction", "tiny", "first", guess=3, sure=80, unit="")
    assert progress.verdicts("tiny") == {}
    assert progress.latest("prediction", "tiny")["first"]["guess"] == 3


def test_an_equal_record_is_not_written_again():
    for _ in range(3):
        solve("first")
    assert len(progress.file().read_text().splitlines()) == 1


def test_a_lesson_is_done_when_an_exercise_of_it_is_solved():
    solve("first", verdict="not attempted")
    assert not progress.done("tiny")
    solve("first")
    assert progress.done("tiny")
    assert not progress.done("other")


def test_reset_starts_one_lesson_over():
    solve("first")
    solve("first", lesson="other")
    progress.reset("tiny")
    assert progress.verdicts("tiny") == {}
    assert progress.done("other")
    solve("first")
    assert progress.done("tiny")


@pytest.mark.parametrize(
    "damage",
    [
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'{"lesson": "tiny", "kind": "verdict"}',
        b"\n\n",
        b"[" * 100_000,
    ],
)
def test_a_damaged_line_is_skipped(damage):
    solve("first")
    with progress.file().open("ab") as stream:
        stream.write(damage + b"\n")
    solve("second")
    assert list(progress.verdicts("tiny")) == ["first", "second"]


def test_a_record_with_a_field_of_another_type_is_skipped():
    whole = {"kind": "prediction", "lesson": "tiny", "guess": 3, "sure": 80, "unit": "ms"}
    damaged = [
        {"guess": None},
        {"guess": True},
        {"guess": 10**400},
        {"guess": float("nan")},
        {"sure": "very"},
        {"unit": 3},
        {"name": ["a"]},
        {"name": "\ud800"},
    ]
    for damage in [*damaged, {}]:
        with progress.file().open("a") as stream:
            stream.write(json.dumps(whole | {"name": "first"} | damage) + "\n")
    assert [record["guess"] for record in progress.records("prediction", "tiny")] == [3]


@pytest.mark.parametrize("put", [os.mkfifo, Path.mkdir, lambda file: file.symlink_to("/dev/zero")])
def test_what_is_no_file_never_stops_the_lesson(put, capsys):
    progress.file().parent.mkdir(parents=True, exist_ok=True)
    put(progress.file())
    solve("first")
    assert "isn't a file" in capsys.readouterr().out
    assert progress.verdicts("tiny") == {}


def test_a_line_that_was_cut_short_does_not_damage_the_next():
    solve("first")
    solve("second")
    progress.file().write_bytes(progress.file().read_bytes()[:-5])
    solve("third")
    assert list(progress.verdicts("tiny")) == ["first", "third"]


def test_after_the_file_is_deleted_a_new_one_is_started():
    solve("first")
    progress.file().unlink()
    assert progress.verdicts("tiny") == {}
    solve("second")
    assert list(progress.verdicts("tiny")) == ["second"]


def test_a_file_that_has_not_changed_is_not_read_again(monkeypatch):
    lines_read = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda line: lines_read.append(line) or loads(line))
    for number in range(10):
        solve(f"exercise {number}")
    progress.verdicts("tiny")
    lines_read.clear()
    for _ in range(3):
        progress.verdicts("tiny")
        progress.latest("prediction", "other")
    assert lines_read == []
    solve("exercise 1", verdict="refused")
    assert progress.verdicts("tiny")["exercise 1"]["verdict"] == "refused"


def test_a_missing_folder_is_created(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "WORK", tmp_path / "not" / "yet")
    solve("first")
    assert progress.done("tiny")


def test_a_read_only_folder_prints_one_line_and_never_stops_the_lesson(
    tmp_path, monkeypatch, capsys
):
    in_the_way = tmp_path / "work"
    in_the_way.write_text("no folder")
    monkeypatch.setattr(paths, "WORK", in_the_way)
    solve("first")
    assert progress.verdicts("tiny") == {}
    said = capsys.readouterr().out
    assert said.startswith("Your progress could not be saved")
    assert said.count("\n") == 1


APPEND = """
import sys
from course_lib.lab import progress
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    name = f"{sys.argv[1]} {number}"
    progress.record("verdict", "tiny", name, verdict="right", sentence="x" * 500)
"""


def test_a_file_that_stays_locked_prints_one_line_and_never_stops_the_lesson(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LOCK_TIMEOUT", 0.1)
    progress.record("verdict", "caching", "first", verdict="right")
    with progress.file().open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        progress.record("verdict", "caching", "second", verdict="right")
    assert "could not be saved (another program has locked" in capsys.readouterr().out
    assert list(progress.verdicts("caching")) == ["first"]


def test_two_kernels_that_write_at_once_lose_nothing():
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "other")
    ]
    for kernel in kernels:
        assert kernel.stdout.readline() == "ready\n"
    for kernel in kernels:
        kernel.stdin.write("\n")
        kernel.stdin.flush()
    for kernel in kernels:
        kernel.communicate()
        assert kernel.returncode == 0
    lines = progress.file().read_text().splitlines()
    names = {json.loads(line)["name"] for line in lines}
    assert names == {f"{name} {number}" for name in ("one", "other") for number in range(100)}
    assert len(lines) == 200
