"""The lessons as files: the learner's copies in work/, and the shipped ones, run and kept in a clean form.

`python -m course_lib.tools.notebooks open|copy|reset|check|run|store`; the Makefile has the everyday commands.
"""

import argparse
import contextlib
import hashlib
import os
import re
import subprocess
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
from nbformat.v4 import new_output
from nbformat.validator import normalize

from course_lib.lab import events, paths, progress
from course_lib.lab.lessons import is_exercise, lesson_name, lesson_number, read, shipped

CELL_SECONDS = 120  # a cell that runs longer hangs
MADE_FROM = "made_from"  # the key in a copy's metadata
MARK = re.compile(r"^\s*#\s*NBVAL_CHECK_OUTPUT", re.MULTILINE)
SANITIZE = Path(__file__).with_name("nbval_sanitize.txt")
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


# The learner's copies


def copy() -> None:
    """Put a copy of each lesson into work/ where there is none; name the copies of an older lesson."""
    for lesson in shipped():
        mine = paths.WORK / lesson.name
        if not mine.exists():
            _copy(lesson)
            continue
        try:
            made_from = _read_copy(lesson).metadata.get(MADE_FROM)
        except ValueError as error:
            print(error)
            continue
        if made_from not in (_digest(lesson), None):
            print(
                f"{mine.name} is your copy of an older version of this lesson, and stays as you left it. "
                f"`make reset LESSON={lesson_number(lesson)}` brings the new version and keeps yours aside."
            )


def reset(lesson: Path) -> None:
    """A fresh copy of a lesson and fresh progress; the old copy is kept under a name with date and time."""
    mine = paths.WORK / lesson.name
    if mine.exists():
        kept = mine.with_name(f"{mine.stem}_kept_{datetime.now():%Y-%m-%d_%H-%M-%S.%f}.ipynb")
        mine.rename(kept)
        print(f"Your copy is now {kept.name}.")
    _copy(lesson)
    progress.reset(lesson_name(lesson))
    print(f"{mine.name} is fresh. If it is open in JupyterLab: File, Reload Notebook from Disk.")


def open_lab(flags: list[str]) -> None:
    """Make the copies where missing, then run JupyterLab, which gets `flags`. The table is seeded meanwhile.

    A lesson that is opened before the table is whole waits for it in its first cell.
    """
    events.rows()  # a wrong COURSE_ROWS is said before anything starts
    subprocess.Popen([sys.executable, "-m", "course_lib.lab.events"], stdin=subprocess.DEVNULL)
    copy()
    first = "/tree/00_welcome.ipynb" if (paths.WORK / "00_welcome.ipynb").exists() else ""
    settings = [f"--ServerApp.root_dir={paths.WORK}", f"--LabApp.default_url=/lab{first}"]
    if os.geteuid() == 0:
        settings.append("--allow-root")
    # In this process, which has imported a good part of JupyterLab already.
    from jupyterlab.labapp import LabApp  # noqa: PLC0415  the other commands do without it

    LabApp.launch_instance([*settings, *flags])


def check(lesson: Path) -> bool:
    """Run the learner's copy under nbval as it stands, against the claims of the shipped lesson.

    Prints a line for each exercise: right, refused and why, or not attempted. False if a claim did not hold,
    a cell failed or an answer was refused.
    """
    mine = paths.WORK / lesson.name
    if not mine.exists():
        sys.exit(f"There is no {mine} yet: `make lab` makes it.")
    notebook, original = _read_copy(lesson), read(lesson)
    marked = {cell.id: cell for cell in original.cells if is_marked(cell)}
    for cell in notebook.cells:
        # What another editor saved may have no ids.
        if cell.cell_type == "code" and (claim := marked.get(cell.get("id"))):
            cell.outputs, cell.execution_count = claim.outputs, claim.execution_count
    with fresh_work() as folder:
        nbformat.write(notebook, folder / lesson.name)
        passed = subprocess.run(nbval_command(folder / lesson.name), check=False).returncode == 0
        verdicts = _verdicts(lesson, original)
    if events.rows() != events.ROWS:
        print(
            f"At {events.rows():,} rows, claims about {events.ROWS:,} rows aren't judged; they count as held."
        )
    for name, verdict in verdicts.items():
        refused = verdict["verdict"] == "refused"
        print(
            f"{name}: refused ({verdict['sentence']})"
            if refused
            else f"{name}: {verdict['verdict']}"
        )
        passed = passed and not refused
    return passed


# The shipped lessons


def nbval_command(notebook: Path) -> list[str]:
    """Return the command that runs a notebook under nbval and compares the output of its marked cells."""
    plugins = [
        "--disable-plugin-autoload",
        "-p",
        "nbval.plugin",
        "-p",
        "no:cacheprovider",
    ]  # others take seconds
    nbval = [
        "--nbval-lax",
        f"--nbval-cell-timeout={CELL_SECONDS}",
        f"--nbval-sanitize-with={SANITIZE}",
    ]
    return [sys.executable, "-m", "pytest", "-q", *plugins, *nbval, str(notebook)]


def is_marked(cell: NotebookNode) -> bool:
    """Whether nbval compares this cell's output."""
    return cell.cell_type == "code" and MARK.search(cell.source) is not None


def filled(notebook: NotebookNode) -> NotebookNode:
    """A copy of the notebook with the solution in the place of each stub."""
    notebook = deepcopy(notebook)
    for cell in filter(is_exercise, notebook.cells):
        module, name = cell.metadata["exercise"].split(".")
        cell.source = getattr(import_module(f"course_lib.exercises.{module}"), name).solution_code
    return notebook


@contextlib.contextmanager
def fresh_work() -> Iterator[Path]:
    """A temporary folder instead of work/, here and in every child: the learner's progress is left alone.

    What runs there is a test of a lesson, so the report card is brief.
    """
    work, environment = paths.WORK, dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        paths.WORK = Path(folder)
        os.environ.update(COURSE_WORK=folder, COURSE_SHORT="1")
        try:
            yield paths.WORK
        finally:
            paths.WORK = work
            os.environ.clear()
            os.environ.update(environment)


class CellError(RuntimeError):
    """A cell raised an error, hung or ended its kernel; says which cell, counted from 0, and how."""


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run the notebook headless with `folder` as its own; raises CellError."""
    number = 0

    def begin(cell: NotebookNode, cell_index: int) -> None:
        nonlocal number
        number = cell_index

    client = NotebookClient(
        deepcopy(notebook),
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],
        on_cell_start=begin,
    )
    try:
        return client.execute()
    except CellExecutionError as error:
        raise CellError(f"cell {number}: {error.ename}: {error.evalue}") from error
    except (CellTimeoutError, DeadKernelError) as error:
        raise CellError(f"cell {number}: {str(error).splitlines()[0]}") from error


def run(lesson: Path) -> bool:
    """Run a shipped lesson with its exercises filled in and print its claims, a line each.

    False if a cell fails, a claim differs from the shipped one or a solution is refused.
    """
    notebook = filled(read(lesson))
    with fresh_work() as folder:
        began = time.monotonic()
        try:
            done = execute(notebook, folder)
        except CellError as error:
            print(f"{lesson.stem}: {error}")
            return False
        print(f"{lesson.stem}: ran through in {time.monotonic() - began:.0f} s")
        verdicts = _verdicts(lesson, notebook)
    passed = True
    for before, after in zip(notebook.cells, done.cells, strict=True):
        if is_marked(after):
            same = _sanitized(text_of(after)) == text_of(before)
            print(
                f"{lesson.stem}: {text_of(after).strip()}"
                + f" [shipped: {text_of(before).strip()}]" * (not same)
            )
            passed = passed and same
    for name, verdict in verdicts.items():
        if verdict["verdict"] != "right":
            print(f"{lesson.stem}: the solution of {name} is {verdict['verdict']}")
            passed = False
    return passed


def _sanitized(text: str) -> str:
    """Replace in a text what nbval replaces before it compares."""
    from nbval.plugin import get_sanitize_patterns  # noqa: PLC0415  imports pytest, which other commands don't need

    for pattern, replacement in get_sanitize_patterns(SANITIZE.read_text()):
        text = re.sub(pattern, replacement, text)
    return text


def text_of(cell: NotebookNode) -> str:
    """What a code cell printed."""
    return "".join(output.text for output in cell.outputs if output.get("name") == "stdout")


def clean(notebook: NotebookNode) -> NotebookNode:
    """The stored form: output and a fixed execution_count in marked cells only, and no stray metadata."""
    with_ids = {**notebook, "nbformat_minor": 5}  # the first version in which cells have ids
    stored: NotebookNode = nbformat.from_dict(normalize(with_ids)[1])
    stored.metadata = nbformat.from_dict(KERNEL)
    for cell in stored.cells:
        kept = {key: value for key, value in cell.metadata.items() if key in ("exercise", "tags")}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            text = text_of(cell) if is_marked(cell) else ""
            cell.outputs = [new_output("stream", text=text)] if text else []
            cell.execution_count = 1 if is_marked(cell) else None
    return stored


def is_clean(notebook: NotebookNode) -> list[str]:
    """What keeps a notebook from its stored form, a sentence each; empty when it is clean."""
    stored = clean(notebook)
    faults = []
    if notebook.metadata != stored.metadata or notebook.nbformat_minor != stored.nbformat_minor:
        faults.append("the notebook's metadata or version is not that of the stored form")
    for number, (cell, wanted) in enumerate(zip(notebook.cells, stored.cells, strict=True)):
        differ = sorted(key for key in wanted if cell.get(key) != wanted[key])
        if differ:
            faults.append(f"cell {number} differs from its stored form in {' and '.join(differ)}")
        if is_marked(cell) and not text_of(wanted):
            faults.append(
                f"cell {number} is marked but has no output, so nbval passes whatever it prints"
            )
    return faults


def store(lesson: Path, *, run_first: bool) -> None:
    """Put a shipped lesson into its stored form; running it first makes the output of its claims anew."""
    notebook = read(lesson)
    if run_first:
        with fresh_work() as folder:
            notebook = execute(notebook, folder)
    nbformat.write(clean(notebook), lesson)
    print(*(f"{lesson.name}: {fault}" for fault in is_clean(read(lesson))), sep="\n")


def main() -> int:
    """The command line; returns what the process exits with."""
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.tools.notebooks", description=__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "open", help="seed the table, make the copies, start JupyterLab with the flags that follow"
    )
    commands.add_parser("copy", help="make the learner's copies where they are missing")
    reset_one = commands.add_parser(
        "reset", help="a fresh copy of a lesson; the old one is kept aside"
    )
    check_one = commands.add_parser("check", help="test the learner's copy of a lesson")
    run_some = commands.add_parser("run", help="run the lessons with their exercises filled in")
    store_some = commands.add_parser("store", help="put the lessons into their stored form")
    store_some.add_argument(
        "--run", action="store_true", help="run them first, for the output of marked cells"
    )
    for command in (reset_one, check_one):
        command.add_argument("lesson", nargs="?", default="", help="its number")
    for command in (run_some, store_some):
        command.add_argument("lesson", nargs="?", help="the number of one; all where none is given")
    arguments, flags = parser.parse_known_args()
    if flags and arguments.command != "open":
        parser.error(f"unrecognized arguments: {' '.join(flags)}")

    try:
        match arguments.command:
            case "open":
                open_lab(flags)
            case "copy":
                copy()
            case "reset":
                reset(chosen(arguments.lesson))
            case "check":
                return int(not check(chosen(arguments.lesson)))
            case "run":
                # A list, so that one lesson's fault does not hide the next one's.
                return int(not all([run(lesson) for lesson in some(arguments.lesson)]))
            case "store":
                for lesson in some(arguments.lesson):
                    store(lesson, run_first=arguments.run)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    return 0


def chosen(number: str) -> Path:
    """The lesson of this number; exits with a list of the lessons if there is none."""
    for lesson in shipped():
        if number.isdecimal() and int(number) == lesson_number(lesson):
            return lesson
    known = ", ".join(f"{lesson_number(lesson)} {lesson_name(lesson)}" for lesson in shipped())
    asked = f"There is no lesson {number}" if number else "Say which lesson, as in LESSON=2"
    sys.exit(f"{asked}. The lessons: {known or 'none yet'}.")


def some(number: str | None) -> list[Path]:
    """The lesson of this number, or all."""
    return [chosen(number)] if number else shipped()


def _copy(lesson: Path) -> None:
    """Write a copy that remembers what it was made from, in one step: an interruption leaves no half."""
    notebook = read(lesson)
    notebook.metadata[MADE_FROM] = _digest(lesson)
    paths.WORK.mkdir(parents=True, exist_ok=True)
    unfinished = paths.WORK / f".{lesson.name}.unfinished"
    nbformat.write(notebook, unfinished)
    unfinished.replace(paths.WORK / lesson.name)


def _digest(lesson: Path) -> str:
    return hashlib.sha256(lesson.read_bytes()).hexdigest()[:16]


def _read_copy(lesson: Path) -> NotebookNode:
    """The learner's copy of a lesson; a ValueError that names the remedy where it is damaged."""
    try:
        return read(paths.WORK / lesson.name)
    # nbformat lets through whatever Python makes of a file that is no notebook.
    except (AttributeError, LookupError, TypeError, ValueError, nbformat.ValidationError) as error:
        raise ValueError(
            f"{lesson.name} in {paths.WORK} is damaged. "
            f"`make reset LESSON={lesson_number(lesson)}` makes a fresh copy and keeps this one aside."
        ) from error


def _verdicts(lesson: Path, notebook: NotebookNode) -> dict[str, progress.Record]:
    """The last verdict on each exercise of a notebook, in its order."""
    recorded = progress.verdicts(lesson_name(lesson))
    names = [
        cell.metadata["exercise"].split(".")[1] for cell in notebook.cells if is_exercise(cell)
    ]
    return {name: recorded.get(name, {"verdict": "not attempted"}) for name in names}


if __name__ == "__main__":
    sys.exit(main())
