"""Count the pages of a database file that a query reads, and draw them.

A page (4,096 bytes) is what SQLite reads at a time, and it's a node of a B-tree. Python's `sqlite3`
can't report which pages a query read; `apsw` can put a listener between SQLite and the file.
"""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import apsw
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from course_lib.lab.plots import COLORS, Picture, in_words
from course_lib.lab.show import number

SMALLEST_PAGE = 512  # bytes
FEW_PAGES = 500  # fewer get a marker each, because a single pixel would be invisible


@dataclass(frozen=True)
class Pages:
    """The pages that one query read, numbered from 0, and how many the file has."""

    touched: frozenset[int]
    total: int

    def __len__(self) -> int:
        return len(self.touched)


class _Listener(apsw.VFS):
    """A file layer that passes every call on and keeps the offset of each read of the database."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.name = f"listener-{id(self)}"
        super().__init__(self.name, base="")

    def xOpen(  # noqa: N802  apsw's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        offsets = self.offsets

        class ListenedFile(apsw.VFSFile):
            def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
                if amount >= SMALLEST_PAGE:  # less only checks if the file's header has changed
                    offsets.append(offset)
                data: bytes = super().xRead(amount, offset)
                return data

        is_main = flags[0] & apsw.SQLITE_OPEN_MAIN_DB
        file_class = ListenedFile if is_main else apsw.VFSFile
        return file_class("", name, flags)


def read(db: str | os.PathLike[str], query: str, parameters: Sequence[object] = ()) -> Pages:
    """Run a query to its last row with nothing cached, and return the pages that it read."""
    with closing(sqlite3.connect(db)) as database:
        (page_size,) = database.execute("PRAGMA page_size").fetchone()
        (total,) = database.execute("PRAGMA page_count").fetchone()
    listener = _Listener()
    connection = apsw.Connection(os.fspath(db), flags=apsw.SQLITE_OPEN_READONLY, vfs=listener.name)
    try:
        # Read the schema first: SQLite reads it once per connection, not once per query.
        list(connection.execute("SELECT * FROM sqlite_master"))
        listener.offsets.clear()
        list(connection.execute(query, tuple(parameters)))
    finally:
        connection.close()
    return Pages(frozenset(offset // page_size for offset in listener.offsets), total)


def picture(queries: Mapping[str, Pages], title: str) -> Picture:
    """Draw the whole file as a square of pages, once per query, and mark the pages that it read."""
    figure = Figure(figsize=(8, 3.4))
    figure.suptitle(title, x=0.02, ha="left", fontweight="bold")
    counts = {}
    for column, (name, pages) in enumerate(queries.items(), start=1):
        axes = figure.add_subplot(1, len(queries), column)
        _draw(axes, pages)
        counts[name] = len(pages)
        label = f"{name}\n{counts[name]:,} of {pages.total:,} pages"
        axes.set_title(label, fontsize=10)
    return Picture(figure, f"{title}. Pages read: " + in_words(counts, number))


def _draw(axes: Any, pages: Pages) -> None:
    width = int(pages.total**0.5) + 1
    square = np.full(width * width, np.nan)
    square[: pages.total] = 0
    square[list(pages.touched)] = 1
    colors = ListedColormap(["0.85", COLORS[0]])
    axes.imshow(square.reshape(width, width), cmap=colors, vmin=0, vmax=1)
    if len(pages) < FEW_PAGES:
        positions = np.array(sorted(pages.touched))
        x, y = positions % width, positions // width
        axes.plot(x, y, "s", color=COLORS[0], markersize=4)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
