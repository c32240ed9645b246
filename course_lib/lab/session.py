"""The lesson in progress. A lesson's first cell sets it: `lab.start("indexing")`."""

import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

PACKAGE = str(Path(__file__).resolve().parents[1])
LESSONS = ("welcome", "caching", "indexing", "rate_limiting", "monitoring", "report_card")
STOPPED = "Stopped. Nothing is broken: run the cell again when you like."
_lesson = LESSONS[0]


def lesson() -> str:
    """Return the name of the lesson that this kernel runs."""
    return _lesson


def is_short() -> bool:
    """Return whether measurements are brief, because `COURSE_SHORT` is set.

    The tests set it when they run a lesson.
    """
    return bool(os.environ.get("COURSE_SHORT"))


def begin(name: str) -> None:
    """Make `name` the lesson in progress, and show the library's errors without a traceback.

    Raises ValueError if there's no such lesson.
    """
    global _lesson  # noqa: PLW0603  one kernel, one lesson
    if name not in LESSONS:
        raise ValueError(f"there is no lesson {name!r}; choose from {', '.join(LESSONS)}")
    _lesson = name
    if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()):
        shell.set_custom_exc((Exception, KeyboardInterrupt), _show_error)


def _show_error(
    shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, **_: Any
) -> None:
    """Show an error raised in the library as the learner's line and the error's message.

    The learner's own errors keep their traceback.
    """
    frames = traceback.extract_tb(trace)
    if not any(frame.filename.startswith(PACKAGE) for frame in frames):
        shell.showtraceback((kind, error, trace), tb_offset=1)
        return
    # %tb reads these, so the full traceback is there if the fault is the library's.
    sys.last_type = kind
    sys.last_value = error
    sys.last_traceback = trace
    message = f"{kind.__name__}: {_text(error)}"
    shell._showtraceback(kind, error, [_line_of_cell(frames) + message])


def _line_of_cell(frames: traceback.StackSummary) -> str:
    """Return the line of the learner's code that led to the error, or "" if there's none."""
    in_cells = [frame for frame in frames if "ipykernel" in frame.filename]
    if not in_cells:
        return ""
    innermost = in_cells[-1]
    return f"line {innermost.lineno} of this cell: {innermost.line}\n"


def _text(error: BaseException) -> str:
    """Return the message of an error, followed by its notes."""
    if type(error) is KeyboardInterrupt:
        return STOPPED
    return "\n".join([str(error), *getattr(error, "__notes__", ())])
