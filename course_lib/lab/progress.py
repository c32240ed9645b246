"""What the learner has done: verdicts, predictions and answers, kept in one small file of JSON lines.

Lines are only ever appended, each in a single write under a lock, so two kernels may write at once; a damaged line is
passed over and a deleted file begins anew. A line equal to the last one of its kind and name is not written again.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from course_lib.lab import paths

Record = dict[str, Any]


def file() -> Path:
    """The progress file, `progress.jsonl` beside the learner's copies of the lessons."""
    return paths.WORK / "progress.jsonl"


def record(kind: str, lesson: str, name: str, **facts: object) -> None:
    """Keep that `name` (an exercise, prediction or question) of `lesson` has these facts now.

    A folder that cannot be written costs the learner their record, never their lesson: it is said in one line.
    """
    new = {"kind": kind, "lesson": lesson, "name": name, **facts}
    if latest(kind, lesson).get(name) == new:
        return
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
        with file().open("ab+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            end = stream.seek(0, os.SEEK_END)  # anew, for the file may have grown while we waited
            torn = end and os.pread(stream.fileno(), 1, end - 1) != b"\n"
            stream.write(b"\n" * bool(torn) + json.dumps(new).encode() + b"\n")
    except OSError as error:
        print(f"Your progress could not be saved ({error}). The lesson goes on without it.")


def records(kind: str, lesson: str) -> list[Record]:
    """All records of a kind, oldest first, since the lesson was last reset."""
    found: list[Record] = []
    for line in _lines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict) or entry.get("lesson") != lesson:
            continue
        if entry.get("kind") == "reset":
            found.clear()
        elif entry.get("kind") == kind and isinstance(entry.get("name"), str):
            found.append(entry)
    return found


def latest(kind: str, lesson: str) -> dict[str, Record]:
    """The last record of each name."""
    return {entry["name"]: entry for entry in records(kind, lesson)}


def verdicts(lesson: str) -> dict[str, Record]:
    """The last verdict on each exercise of a lesson: `verdict` is right, refused or not attempted."""
    return latest("verdict", lesson)


def done(lesson: str) -> bool:
    """Whether the learner has solved any exercise of a lesson, so that questions may look back at it."""
    return any(entry.get("verdict") == "right" for entry in verdicts(lesson).values())


def reset(lesson: str) -> None:
    """Begin a lesson anew: what was recorded before no longer counts."""
    record("reset", lesson, lesson)


def _lines() -> list[bytes]:
    try:
        return file().read_bytes().splitlines()
    except OSError:
        return []
