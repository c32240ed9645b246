"""Which pages of a database file a query reads, seen by SQLite's own file layer, and a picture of them.

A page (4,096 bytes) is what SQLite reads at a time, and a node of a B-tree. Python's `sqlite3` cannot say which pages a
query touched; `apsw` can put a listener between SQLite and the file.
"""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import apsw
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from course_lib.lab.plots import COLOURS, Picture, said
from course_lib.lab.show import number

SMALLEST_PAGE = 512  # bytes


@dataclass(frozen=True)
class Pages:
    """The pages that one query read, as page numbers from 0, and how many the file has."""

    touched: frozenset[int]
    total: int

    def __len__(self) -> int:
        return len(self.touched)


class _Listener(apsw.VFS):
    """A file layer that passes everything on and keeps the offset of each read of the main database."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.name = f"listener-{id(self)}"
        super().__init__(self.name, base="")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  apsw's name
        offsets = self.offsets

        class Listened(apsw.VFSFile):
            def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
                if amount >= SMALLEST_PAGE:  # less is a look at the file's header, whether it changed
                    offsets.append(offset)
                data: bytes = super().xRead(amount, offset)
                return data

        is_main = flags[0] & apsw.SQLITE_OPEN_MAIN_DB
        return (Listened if is_main else apsw.VFSFile)("", name, flags)


def read(db: str | os.PathLike[str], query: str, parameters: Sequence[object] = ()) -> Pages:
    """Run a query to its last row on a connection with nothing cached, and say which pages it read."""
    with closing(sqlite3.connect(db)) as own:
        (page_size,), (total,) = own.execute("PRAGMA page_size").fetchone(), own.execute("PRAGMA page_count").fetchone()
    listener = _Listener()
    connection = apsw.Connection(os.fspath(db), flags=apsw.SQLITE_OPEN_READONLY, vfs=listener.name)
    try:
        list(
            connection.execute("SELECT * FROM sqlite_master")
        )  # the schema is read once a connection, not once a query
        listener.offsets.clear()
        list(connection.execute(query, tuple(parameters)))
    finally:
        connection.close()
    return Pages(frozenset(offset // page_size for offset in listener.offsets), total)


def picture(queries: Mapping[str, Pages], title: str) -> Picture:
    """The whole file as a field of pages, once for each query, the pages that it read marked."""
    figure = Figure(figsize=(8, 3.4))
    figure.suptitle(title, x=0.02, ha="left", fontweight="bold")
    for column, (name, pages) in enumerate(queries.items(), start=1):
        axes = figure.add_subplot(1, len(queries), column)
        wide = int(pages.total**0.5) + 1
        field = np.full(wide * wide, np.nan)
        field[: pages.total] = 0
        field[list(pages.touched)] = 1
        axes.imshow(field.reshape(wide, wide), cmap=ListedColormap(["0.85", COLOURS[0]]), vmin=0, vmax=1)
        if len(pages) < 500:  # single pixels would vanish
            where = np.array(sorted(pages.touched))
            axes.plot(where % wide, where // wide, "s", color=COLOURS[0], markersize=4)
        axes.set_title(f"{name}\n{len(pages):,} of {pages.total:,} pages", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    counts = {name: len(pages) for name, pages in queries.items()}
    return Picture(figure, f"{title}. Pages read: " + said(counts, number))
