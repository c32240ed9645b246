"""Run lessons without a browser, and update the stored output of the shipped ones.

Whatever runs here is a test, so it never touches the learner's folder work/ or their progress.
"""

import contextlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime
from importlib import import_module
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from course_lib.exercises.engine import Exercise
from course_lib.lab import events, paths, progress, session
from course_lib.lab.lessons import exercise_of, is_exercise, lesson_name, read
from course_lib.tools.stored_form import MACHINE_SECONDS, clean, is_clean, is_marked, text_of

CELL_SECONDS = 120  # a cell that runs longer counts as hanging
FULL_CELL_SECONDS = 900  # the same for a run whose measurements aren't brief
SANITIZE = Path(__file__).with_name("nbval_sanitize.txt")


class CellError(RuntimeError):
    """A cell raised an error, hung or ended its kernel.

    The message has the cell's number, counted from 0, and the reason.
    """


@contextlib.contextmanager
def fresh_work(*, short: bool = True) -> Iterator[Path]:
    """Replace work/ with a temporary folder, in this process and in every child.

    `short` sets COURSE_SHORT, which keeps measurements brief: what runs there is usually a test.
    """
    work = paths.WORK
    environment = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        paths.WORK = Path(folder)
        os.environ.update(COURSE_WORK=folder, COURSE_SHORT="1" if short else "")
        try:
            yield paths.WORK
        finally:
            paths.WORK = work
            os.environ.clear()
            os.environ.update(environment)


def nbval_command(notebook: Path) -> list[str]:
    """Return the command that runs a notebook under nbval and compares what marked cells print."""
    plugins = ["--disable-plugin-autoload"]  # loading all of them takes seconds
    plugins += ["-p", "nbval.plugin", "-p", "no:cacheprovider"]
    options = [
        "--nbval-lax",
        f"--nbval-cell-timeout={CELL_SECONDS}",
        f"--nbval-sanitize-with={SANITIZE}",
    ]
    return [sys.executable, "-m", "pytest", "-q", *plugins, *options, str(notebook)]


def filled(notebook: NotebookNode) -> NotebookNode:
    """Return a copy of the notebook in which each stub is replaced by its solution."""
    notebook = deepcopy(notebook)
    for cell in filter(is_exercise, notebook.cells):
        cell.source = exercise_in(cell).solution_code
    return notebook


def exercise_in(cell: NotebookNode) -> Exercise:
    """Return the exercise whose stub a cell contains."""
    lesson, name = exercise_of(cell)
    exercise: Exercise = getattr(import_module(f"course_lib.exercises.{lesson}"), name)
    return exercise


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run a copy of the notebook in `folder` and return it with its outputs.

    Raises CellError at the first cell that fails.
    """
    number = 0

    def remember(cell: NotebookNode, cell_index: int) -> None:
        nonlocal number
        number = cell_index

    client = NotebookClient(
        deepcopy(notebook),
        timeout=CELL_SECONDS if session.is_short() else FULL_CELL_SECONDS,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],
        on_cell_start=remember,
    )
    try:
        return client.execute()
    except CellExecutionError as error:
        raise CellError(f"cell {number}: {error.ename}: {error.evalue}") from error
    except (CellTimeoutError, DeadKernelError) as error:
        first_line = str(error).splitlines()[0]
        raise CellError(f"cell {number}: {first_line}") from error


def last_verdicts(lesson: Path, notebook: NotebookNode) -> dict[str, progress.Record]:
    """Return the last verdict on each exercise of a notebook, in the order of its cells."""
    recorded = progress.verdicts(lesson_name(lesson))
    verdicts = {}
    for cell in filter(is_exercise, notebook.cells):
        _, name = exercise_of(cell)
        verdicts[name] = recorded.get(name, {"verdict": "not attempted"})
    return verdicts


def run(lesson: Path, *, short: bool = True) -> NotebookNode | None:
    """Run a shipped lesson with its exercises filled in and print its claims, a line each.

    Return the executed notebook, or None if a cell fails, a claim differs from the shipped one or a
    solution is refused.
    """
    notebook = filled(read(lesson))
    with fresh_work(short=short) as folder:
        started = time.monotonic()
        try:
            executed = execute(notebook, folder)
        except CellError as error:
            print(f"{lesson.stem}: {error}")
            return None
        elapsed = time.monotonic() - started
        print(f"{lesson.stem}: finished in {elapsed:.0f} s")
        verdicts = last_verdicts(lesson, notebook)
    passed = _claims_hold(lesson, notebook, executed)
    for name, verdict in verdicts.items():
        if verdict["verdict"] != "right":
            print(f"{lesson.stem}: the solution of {name} is {verdict['verdict']}")
            passed = False
    return executed if passed else None


def store(lesson: Path, *, run_first: bool) -> None:
    """Write a shipped lesson in its stored form, and print what still differs from that form.

    With `run_first`, run the lesson as shipped, nothing shortened, to update the output of its
    claims and the seconds for which a reader waits.
    """
    notebook = read(lesson)
    if run_first:
        events.path()  # seeds the table now, so that no cell is timed while it waits for that
        with fresh_work(short=False) as folder:
            notebook = execute(notebook, folder)
        notebook.metadata[MACHINE_SECONDS] = round(_seconds_of_cells(notebook))
    nbformat.write(clean(notebook), lesson)
    for fault in is_clean(read(lesson)):
        print(f"{lesson.name}: {fault}")


def _seconds_of_cells(notebook: NotebookNode) -> float:
    """Return how long the cells of an executed notebook ran, by the times that nbclient noted."""
    seconds = 0.0
    for cell in notebook.cells:
        times = cell.metadata.get("execution", {})
        start = times.get("iopub.status.busy")
        end = times.get("iopub.status.idle")
        if start and end:
            running = datetime.fromisoformat(end) - datetime.fromisoformat(start)
            seconds += running.total_seconds()
    return seconds


def _claims_hold(lesson: Path, shipped: NotebookNode, executed: NotebookNode) -> bool:
    """Print each claim of an executed lesson, and return True if all are as shipped."""
    all_hold = True
    for before, after in zip(shipped.cells, executed.cells, strict=True):
        if not is_marked(after):
            continue
        expected, printed = text_of(before), text_of(after)
        line = f"{lesson.stem}: {printed.strip()}"
        if _sanitized(printed) != expected:
            line += f" [shipped: {expected.strip()}]"
            all_hold = False
        print(line)
    return all_hold


def _sanitized(text: str) -> str:
    """Apply the replacements that nbval makes before it compares."""
    # Imported here because it imports pytest, which the other commands don't need.
    from nbval.plugin import get_sanitize_patterns  # noqa: PLC0415

    for pattern, replacement in get_sanitize_patterns(SANITIZE.read_text()):
        text = re.sub(pattern, replacement, text)
    return text
