"""Summarize what the learner has done: exercises, predictions and misconceptions."""

from pathlib import Path
from typing import Any

import pandas as pd

from course_lib.lab import progress, show
from course_lib.lab.lessons import (
    exercise_of,
    is_exercise,
    is_optional,
    lesson_name,
    lesson_number,
    read,
    shipped,
)

Misconceptions = dict[tuple[str, str], dict[str, str]]
"""The rows of a table of misconceptions, by exercise and ID."""

LESSONS = ("caching", "indexing", "rate_limiting", "monitoring")
# Reasons for a rejected answer that aren't misconceptions.
SLIPS = {"raised", "endless", "wrong_type", "cannot_check"}


def lessons() -> pd.DataFrame:
    """Return a row for each lesson: its state, exercises, predictions, and misconceptions.

    A lesson without a solved exercise is listed as missing.
    """
    rows = {}
    for notebook in shipped():
        name = lesson_name(notebook)
        if name in LESSONS and not is_optional(notebook):
            title = f"{lesson_number(notebook)} {name.replace('_', ' ')}"
            rows[title] = _lesson_row(name, notebook)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("lesson")


def _lesson_row(name: str, notebook: Path) -> dict[str, Any]:
    exercises = _exercises(notebook)
    verdicts = progress.verdicts(name)
    solved = 0
    for exercise in exercises:
        solved += verdicts.get(exercise, {}).get("verdict") == "right"
    misconceptions = _misconceptions(name)
    cleared = sum(row["cleared"] == "yes" for row in misconceptions)
    return {
        "state": _state(solved, len(exercises), notebook),
        "exercises": f"{solved} of {len(exercises)}",
        "predictions": len(progress.latest("prediction", name)),
        "misconceptions met": len(misconceptions),
        "cleared": cleared,
    }


def _exercises(notebook: Path) -> list[str]:
    """Return the names of the exercises in a notebook."""
    names = []
    for cell in filter(is_exercise, read(notebook).cells):
        _, name = exercise_of(cell)
        names.append(name)
    return names


def _state(solved: int, exercises: int, notebook: Path) -> str:
    if solved == exercises:
        return "done"
    return "started" if solved else f"missing: open {notebook.name}"


def misconceptions() -> pd.DataFrame | show.Card:
    """Return the misconceptions that checks named, and whether a right answer came later."""
    rows = []
    for lesson in LESSONS:
        rows += _misconceptions(lesson)
    if not rows:
        text = "So far, no check has rejected an answer of yours because of a misconception."
        return show.Card("No misconceptions", text)
    return pd.DataFrame(rows).set_index("exercise")


def _misconceptions(lesson: str) -> list[dict[str, str]]:
    """Return the misconceptions of a lesson, each one once per exercise."""
    rows: Misconceptions = {}
    for record in progress.records("verdict", lesson):
        exercise = record["name"]
        misconception = record.get("misconception")
        if record.get("verdict") == "right":
            _clear(rows, exercise)
        elif misconception and misconception not in SLIPS:
            rows[exercise, misconception] = {
                "exercise": exercise,
                "misconception": str(record.get("sentence", misconception)),
                "cleared": "not yet",
            }
    return list(rows.values())


def _clear(rows: Misconceptions, exercise: str) -> None:
    """Mark the misconceptions of an exercise as cleared."""
    for row in rows.values():
        if row["exercise"] == exercise:
            row["cleared"] = "yes"
