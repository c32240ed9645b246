"""The form in which a shipped notebook is stored.

It keeps the source of its cells, the output of cells with the tag `nbval-check-output`, and
how long the machine worked on it, so that a commit shows only what an author changed.
"""

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbformat.validator import normalize

MARK = "nbval-check-output"  # the tag by which nbval knows the cells whose output it compares
KEPT_METADATA = ("exercise", "tags")  # of a cell
MACHINE_SECONDS = "machine_seconds"  # of a notebook: how long its cells run, which readers wait for
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "file_extension": ".py"},
}


def is_marked(cell: NotebookNode) -> bool:
    """Return True if nbval compares this cell's output."""
    return cell.cell_type == "code" and MARK in cell.metadata.get("tags", ())


def text_of(cell: NotebookNode) -> str:
    """Return what a code cell printed to stdout."""
    printed = [output.text for output in cell.outputs if output.get("name") == "stdout"]
    return "".join(printed)


def clean(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook in its stored form.

    Only marked cells keep their output, with a fixed execution_count. Stray metadata is removed.
    """
    with_ids = {**notebook, "nbformat_minor": 5}  # the first version in which cells have IDs
    _, normalized = normalize(with_ids)
    stored: NotebookNode = nbformat.from_dict(normalized)
    stored.metadata = nbformat.from_dict(KERNEL)
    if MACHINE_SECONDS in notebook.metadata:
        stored.metadata[MACHINE_SECONDS] = notebook.metadata[MACHINE_SECONDS]
    for cell in stored.cells:
        kept = {key: value for key, value in cell.metadata.items() if key in KEPT_METADATA}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            _clean_output(cell)
    return stored


def is_clean(notebook: NotebookNode) -> list[str]:
    """Return how a notebook differs from its stored form, a sentence each; empty if it's clean."""
    stored = clean(notebook)
    faults = []
    if notebook.metadata != stored.metadata or notebook.nbformat_minor != stored.nbformat_minor:
        faults.append("the notebook's metadata or version differs from the stored form")
    pairs = zip(notebook.cells, stored.cells, strict=True)
    for number, (cell, wanted) in enumerate(pairs):
        different = sorted(key for key in wanted if cell.get(key) != wanted[key])
        if different:
            keys = " and ".join(different)
            faults.append(f"cell {number} differs from its stored form in {keys}")
        if is_marked(cell) and not text_of(wanted):
            faults.append(
                f"cell {number} is marked but has no output, so nbval passes whatever it prints"
            )
    return faults


def _clean_output(cell: NotebookNode) -> None:
    """Keep what a marked cell printed, as a single output. Remove the outputs of other cells."""
    marked = is_marked(cell)
    text = text_of(cell) if marked else ""
    cell.outputs = [new_output("stream", text=text)] if text else []
    cell.execution_count = 1 if marked else None
