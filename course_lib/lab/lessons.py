"""The shipped lessons as notebook files: `notebooks/02_indexing.ipynb` is the lesson `indexing`, number 2."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.lab import paths


def shipped() -> list[Path]:
    """The lessons that exist, in their order: notebooks/00_welcome.ipynb and so on."""
    return sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def lesson_name(notebook: Path) -> str:
    """02_indexing.ipynb holds the lesson `indexing`, which its exercises and its progress go by."""
    return notebook.stem[3:]


def lesson_number(notebook: Path) -> int:
    """02_indexing.ipynb is lesson 2."""
    return int(notebook.name[:2])


def read(notebook: Path) -> NotebookNode:
    """A notebook, in the present version of the format."""
    content: NotebookNode = nbformat.read(notebook, as_version=4)
    return content


def is_exercise(cell: NotebookNode) -> bool:
    """Whether this cell holds the stub of an exercise."""
    return "exercise" in cell.metadata.get("tags", ())
