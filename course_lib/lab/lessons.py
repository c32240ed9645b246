"""The shipped lessons as files: `notebooks/02_indexing.ipynb` is lesson 2, `indexing`.

A lesson can have a second, optional notebook: `02b_indexing_further.ipynb` is number 2b.
"""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.lab import paths

OPTIONAL = "_further"


def shipped() -> list[Path]:
    """Return the notebooks of the lessons in order, from notebooks/00_welcome.ipynb on."""
    return sorted(
        [*paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"), *paths.NOTEBOOKS.glob("[0-9][0-9]b_*.ipynb")]
    )


def lesson_name(notebook: Path) -> str:
    """Return the name of a lesson: `indexing` for 02_indexing.ipynb and 02b_indexing_further.ipynb.

    Its exercises and its progress are saved under this name.
    """
    _, _, name = notebook.stem.partition("_")
    return name.removesuffix(OPTIONAL)


def lesson_number(notebook: Path) -> str:
    """Return the number of a lesson: "2" for 02_indexing.ipynb, "2b" for its optional notebook."""
    number, _, _ = notebook.stem.partition("_")
    return number.removeprefix("0")


def is_optional(notebook: Path) -> bool:
    """Return whether a notebook is the optional one of its lesson."""
    return notebook.stem.endswith(OPTIONAL)


def read(notebook: Path) -> NotebookNode:
    """Return the content of a notebook, converted to version 4 of the format."""
    content: NotebookNode = nbformat.read(notebook, as_version=4)
    return content


def is_exercise(cell: NotebookNode) -> bool:
    """Return whether a cell contains the stub of an exercise."""
    return "exercise" in cell.metadata.get("tags", ())


def exercise_of(cell: NotebookNode) -> tuple[str, str]:
    """Return the lesson and the name of the exercise whose stub a cell contains."""
    lesson, _, name = cell.metadata["exercise"].partition(".")
    return lesson, name
