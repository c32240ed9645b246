"""The learner's copies of the lessons, in work/.

    no copy yet --copy--> the learner's copy --reset--> a new copy, and the old one renamed
                           |   ^
                           +---+ copy: keep it, and name it if the shipped lesson has changed

A copy is never overwritten. Its metadata has a digest of the shipped lesson it was made from.
"""

import hashlib
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.lab import events, paths, progress
from course_lib.lab.lessons import is_optional, lesson_name, lesson_number, read, shipped
from course_lib.tools.running import fresh_work, last_verdicts, nbval_command
from course_lib.tools.stored_form import is_marked

MADE_FROM = "made_from"  # the key in a copy's metadata


def copy() -> None:
    """Create each copy that's missing, and print which ones are damaged or of an older lesson."""
    for lesson in shipped():
        mine = paths.WORK / lesson.name
        if not mine.exists():
            _write_copy(lesson)
            continue
        try:
            made_from = _read_copy(lesson).metadata.get(MADE_FROM)
        except ValueError as error:
            print(error)
            continue
        if made_from not in (_digest(lesson), None):
            print(
                f"{mine.name} is your copy of an older version of this lesson; it's unchanged. "
                f"`make reset LESSON={lesson_number(lesson)}` gives you the new version "
                "and keeps your old copy."
            )


def reset(lesson: Path) -> None:
    """Replace the learner's copy with a new one and reset the progress of the lesson.

    An optional notebook doesn't reset the progress.
    The old copy is kept under a name with the date and time.
    """
    mine = paths.WORK / lesson.name
    if mine.exists():
        now = f"{datetime.now():%Y-%m-%d_%H-%M-%S.%f}"
        kept = mine.with_name(f"{mine.stem}_kept_{now}.ipynb")
        mine.rename(kept)
        print(f"Your old copy is now {kept.name}.")
    _write_copy(lesson)
    if not is_optional(lesson):  # its exercises count for the lesson that it belongs to
        progress.reset(lesson_name(lesson))
    print(
        f"{mine.name} is a new copy. "
        "If it's open in JupyterLab, choose File, Reload Notebook from Disk."
    )


def open_lab(flags: list[str]) -> None:
    """Create missing copies and run JupyterLab with `flags`, while a child seeds the table.

    If a lesson is opened before the table is complete, its first cell waits.
    Raises ValueError if COURSE_ROWS isn't a valid number of rows.
    """
    events.rows()  # reject a wrong COURSE_ROWS before anything starts
    subprocess.Popen([sys.executable, "-m", "course_lib.lab.events"], stdin=subprocess.DEVNULL)
    copy()
    has_welcome = (paths.WORK / "00_welcome.ipynb").exists()
    first_page = "/lab/tree/00_welcome.ipynb" if has_welcome else "/lab"
    settings = [f"--ServerApp.root_dir={paths.WORK}", f"--LabApp.default_url={first_page}"]
    if os.geteuid() == 0:
        settings.append("--allow-root")
    # Started in this process, which has already imported much of JupyterLab. The other commands
    # don't need this import.
    from jupyterlab.labapp import LabApp  # noqa: PLC0415

    LabApp.launch_instance([*settings, *flags])


def check(lesson: Path) -> bool:
    """Run the learner's copy under nbval and compare it with the claims of the shipped lesson.

    Print a line for each exercise: right, refused and why, or not attempted. Return False if a
    claim didn't hold, a cell failed or an answer was refused.
    """
    mine = paths.WORK / lesson.name
    if not mine.exists():
        sys.exit(f"There is no {mine} yet. `make lab` creates it.")
    notebook = _read_copy(lesson)
    original = read(lesson)
    _put_shipped_claims(notebook, original)
    with fresh_work() as folder:
        nbformat.write(notebook, folder / lesson.name)
        finished = subprocess.run(nbval_command(folder / lesson.name), check=False)
        verdicts = last_verdicts(lesson, original)
    if events.rows() != events.ROWS:
        print(
            f"At {events.rows():,} rows, claims about {events.ROWS:,} rows aren't judged; "
            "they count as held."
        )
    passed = finished.returncode == 0
    for name, verdict in verdicts.items():
        if verdict["verdict"] == "refused":
            print(f"{name}: refused ({verdict['sentence']})")
            passed = False
        else:
            print(f"{name}: {verdict['verdict']}")
    return passed


def _put_shipped_claims(notebook: NotebookNode, original: NotebookNode) -> None:
    """Replace the outputs of a copy's marked cells with the shipped ones, which nbval expects."""
    claims = {cell.id: cell for cell in original.cells if is_marked(cell)}
    for cell in notebook.cells:
        # Another editor may have saved the copy without cell IDs.
        claim = claims.get(cell.get("id"))
        if claim is not None and cell.cell_type == "code":
            cell.outputs = claim.outputs
            cell.execution_count = claim.execution_count


def _write_copy(lesson: Path) -> None:
    """Write a copy without outputs, so that it answers no question before the learner does.

    It's written in a single step, so that an interruption never leaves half a file.
    """
    notebook = read(lesson)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    notebook.metadata[MADE_FROM] = _digest(lesson)
    paths.WORK.mkdir(parents=True, exist_ok=True)
    unfinished = paths.WORK / f".{lesson.name}.unfinished"
    nbformat.write(notebook, unfinished)
    unfinished.replace(paths.WORK / lesson.name)


def _digest(lesson: Path) -> str:
    return hashlib.sha256(lesson.read_bytes()).hexdigest()[:16]


def _read_copy(lesson: Path) -> NotebookNode:
    """Return the learner's copy of a lesson.

    Raises ValueError if the file is damaged; the message names the command that replaces it.
    """
    try:
        return read(paths.WORK / lesson.name)
    # If the file isn't a notebook, nbformat fails with various errors of Python's own.
    except (AttributeError, LookupError, TypeError, ValueError, nbformat.ValidationError) as error:
        raise ValueError(
            f"{lesson.name} in {paths.WORK} is damaged. "
            f"`make reset LESSON={lesson_number(lesson)}` gives you a new copy "
            "and keeps the damaged file."
        ) from error
