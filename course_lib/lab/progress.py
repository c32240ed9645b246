"""The learner's verdicts, predictions and answers, in one small file of JSON lines.

The file only ever grows, one line per write under a lock, so two kernels can write at the same
time. A damaged line is skipped, and if the file is deleted a new one is started. A record that
equals the last one of its kind and name isn't written again.
"""

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from course_lib.lab import file_lock, paths

LOCK_TIMEOUT = 3.0  # seconds

Record = dict[str, Any]

# The fields that a record of each kind has when it's read, and their types. Anything else is a
# damaged line.
FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "verdict": {"name": (str,), "verdict": (str,)},
    "prediction": {
        "name": (str,),
        "guess": (int, float, str),
        "sure": (int, float),
        "unit": (str,),
    },
    "measurement": {"name": (str,), "measured": (int, float, str)},
    "question": {"name": (str,)},
}
LARGEST = 1e300


def file() -> Path:
    """Return the progress file, `progress.jsonl` beside the learner's copies of the lessons."""
    return paths.WORK / "progress.jsonl"


def record(kind: str, lesson: str, name: str, **facts: object) -> None:
    """Store the current facts about `name`, an exercise, prediction or question of `lesson`.

    If the file can't be written or stays locked, prints one line and goes on: a learner may lose
    the record, but never the lesson.
    """
    new = {"kind": kind, "lesson": lesson, "name": name, **facts}
    if latest(kind, lesson).get(name) == new:
        return
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
        if file().exists() and not file().is_file():
            raise OSError(f"{file()} isn't a file")  # a FIFO would wait for a reader
        with file().open("ab+") as stream:
            file_lock.acquire(
                stream,
                waiting_for=f"another program has locked {file()}",
                give_up_after=LOCK_TIMEOUT,
            )
            line = json.dumps(new).encode() + b"\n"
            if _is_torn(stream):
                line = b"\n" + line
            stream.write(line)
    except OSError as error:
        print(f"Your progress could not be saved ({error}). The lesson goes on without it.")


def _is_torn(stream: IO[bytes]) -> bool:
    """Return True if the last line was cut short, so that a new one would continue it."""
    # Seek under the lock: the file may have grown while we waited for it.
    end = stream.seek(0, os.SEEK_END)
    if end == 0:
        return False
    last_byte = os.pread(stream.fileno(), 1, end - 1)
    return last_byte != b"\n"


def records(kind: str, lesson: str) -> list[Record]:
    """Return all records of a kind since the lesson was last reset, oldest first."""
    current: list[Record] = []
    for entry in _entries():
        if entry.get("lesson") != lesson:
            continue
        if entry.get("kind") == "reset":
            current.clear()
        elif entry.get("kind") == kind and _is_whole(entry, kind):
            current.append(entry)
    return current


def _is_whole(entry: Record, kind: str) -> bool:
    """Return True if a record has its fields, and in the types that we write."""
    fields = FIELDS.get(kind, {"name": (str,)})
    return all(_is_one_of(types, entry.get(name)) for name, types in fields.items())


def _is_one_of(types: tuple[type, ...], value: object) -> bool:
    """Return True if a value has one of the types, and can be calculated with or printed."""
    if type(value) not in types:
        return False
    if isinstance(value, str):
        return value.isprintable()
    return isinstance(value, int | float) and abs(value) < LARGEST  # False for NaN


def latest(kind: str, lesson: str) -> dict[str, Record]:
    """Return the last record of each name."""
    return {entry["name"]: entry for entry in records(kind, lesson)}


def verdicts(lesson: str) -> dict[str, Record]:
    """Return the last verdict on each exercise: `verdict` is right, refused or not attempted."""
    return latest("verdict", lesson)


def done(lesson: str) -> bool:
    """Return True if the learner has solved an exercise of a lesson: questions may refer to it."""
    return any(entry.get("verdict") == "right" for entry in verdicts(lesson).values())


def reset(lesson: str) -> None:
    """Start a lesson over: earlier records no longer count."""
    record("reset", lesson, lesson)


def _entries() -> Sequence[Record]:
    """Return the file's entries, oldest first. Reads the file again only if it has changed."""
    try:
        if not file().is_file():
            return ()
        status = file().stat()
        return _read(file(), status.st_ino, status.st_mtime_ns, status.st_size)
    except OSError:
        return ()


@lru_cache(maxsize=1)
def _read(path: Path, *_version: int) -> Sequence[Record]:
    """Return the entries of one version of the file; skip damaged lines."""
    entries = []
    for line in path.read_bytes().splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):  # damaged, or nested thousands of levels deep
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries
