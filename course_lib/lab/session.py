"""The lesson in progress: set up by the first cell, `lab.start("indexing")`."""

import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

PACKAGE = str(Path(__file__).resolve().parents[1])
_lesson = "welcome"


def lesson() -> str:
    """The name of the lesson that this kernel is in."""
    return _lesson


def begin(name: str) -> None:
    """Make `name` the lesson in progress, and let errors of ours speak one sentence instead of a traceback."""
    global _lesson  # noqa: PLW0603  one kernel, one lesson
    _lesson = name
    if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()):
        shell.set_custom_exc((Exception, KeyboardInterrupt), _speak)


def _speak(shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, **_: Any) -> None:
    """Show an error raised inside the library as its sentence and the learner's line; any other as always."""
    frames = traceback.extract_tb(trace)
    if not frames or not any(frame.filename.startswith(PACKAGE) for frame in frames):
        shell.showtraceback((kind, error, trace), tb_offset=1)
        return
    own = [frame for frame in frames if "ipykernel" in frame.filename]
    where = f"line {own[-1].lineno} of this cell: {own[-1].line}\n" if own else ""
    said = "Stopped. Nothing is broken: run the cell again when you like." if kind is KeyboardInterrupt else error
    shell._showtraceback(kind, error, [f"{where}{kind.__name__}: {said}"])
