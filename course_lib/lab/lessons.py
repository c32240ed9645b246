"""The shipped lessons as files: `notebooks/02_indexing.ipynb` is lesson 2, `indexing`."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.lab import paths


def shipped() -> list[Path]:
    """Return the notebooks of the lessons in order, from notebooks/00_welcome.ipynb on."""
    return sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def lesson_name(notebook: Path) -> str:
    """Return the name of a lesson: `indexing` for 02_indexing.ipynb.

    Its exercises and its progress are saved under this name.
    """
    return notebook.stem[3:]


def lesson_number(notebook: Path) -> int:
    """Return the number of a lesson: 2 for 02_indexing.ipynb."""
    return int(notebook.name[:2])


def read(notebook: Path) -> NotebookNode:
    """Return the content of a notebook, converted to version 4 of the format."""
    content: NotebookNode = nbformat.read(notebook, as_version=4)
    return content


def is_exercise(cell: NotebookNode) -> bool:
    """Return whether a cell contains the stub of an exercise."""
    return "exercise" in cell.metadata.get("tags", ())
