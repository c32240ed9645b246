"""The lesson in progress: set up by the first cell, `lab.start("indexing")`."""

import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

PACKAGE = str(Path(__file__).resolve().parents[1])
LESSONS = ("welcome", "caching", "indexing", "rate_limiting", "monitoring", "report_card")
_lesson = LESSONS[0]


def lesson() -> str:
    """The name of the lesson that this kernel is in."""
    return _lesson


def is_short() -> bool:
    """Return whether measurements are brief, because a test runs the lesson: `COURSE_SHORT` is in the environment."""
    return bool(os.environ.get("COURSE_SHORT"))


def begin(name: str) -> None:
    """Make `name` the lesson in progress, and let errors of ours speak one sentence instead of a traceback."""
    global _lesson  # noqa: PLW0603  one kernel, one lesson
    if name not in LESSONS:
        raise ValueError(f"there is no lesson {name!r}; there are {', '.join(LESSONS)}")
    _lesson = name
    if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()):
        shell.set_custom_exc((Exception, KeyboardInterrupt), _speak)


def _speak(
    shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, **_: Any
) -> None:
    """Show an error raised inside the library as its sentence and the learner's line; any other as always."""
    frames = traceback.extract_tb(trace)
    if not frames or not any(frame.filename.startswith(PACKAGE) for frame in frames):
        shell.showtraceback((kind, error, trace), tb_offset=1)
        return
    own = [frame for frame in frames if "ipykernel" in frame.filename]
    where = f"line {own[-1].lineno} of this cell: {own[-1].line}\n" if own else ""
    said = "\n".join([str(error), *getattr(error, "__notes__", ())])
    if kind is KeyboardInterrupt:
        said = "Stopped. Nothing is broken: run the cell again when you like."
    sys.last_type, sys.last_value, sys.last_traceback = (
        kind,
        error,
        trace,
    )  # for %tb, should the fault be ours
    shell._showtraceback(kind, error, [f"{where}{kind.__name__}: {said}"])
