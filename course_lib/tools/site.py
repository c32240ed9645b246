"""Render the lessons with their outputs, the reference and the docs: `make site` writes site/.

    a shipped lesson --fill in, run--> site/executed/ --render--> site/01_caching.html
                                            |
                                            +--> docs/pictures/, which the README shows

A lesson is run again if it has changed or if `LESSON=1` names it. The pages load nothing from
elsewhere, so they also work from a disk without a network.
"""

import argparse
import base64
import hashlib
import io
import os
import platform
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image

from course_lib.lab import paths
from course_lib.lab.lessons import read, shipped
from course_lib.tools.notebooks import chosen
from course_lib.tools.reference import PACKAGES, reference
from course_lib.tools.running import filled, run
from course_lib.tools.site_pages import Page, from_markdown, write

SITE = paths.ROOT / "site"
# The pages beside those in docs/.
PAGES = ("data/README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
# The README's pictures: each is drawn by the cell of this lesson that contains these words.
PICTURES = {
    "indexing": ("02_indexing", "first.plot("),
    "caching": ("01_caching", "hit.plot("),
    "rate_limiting": ("03_rate_limiting", "is four different promises"),
}
COLORS = 64  # in a picture's palette; enough for smooth edges
# Keys in the metadata of an executed copy.
RUN_OF = "run_of"  # a digest of what was run
RUN_ON = "run_on"  # the date and the machine
PNG = re.compile(r"data:image/png;base64,([^\"]+)")


def main() -> None:
    """Run the lessons that have no current executed copy, and write the site."""
    parser = argparse.ArgumentParser(prog="python -m course_lib.tools.site", description=__doc__)
    parser.add_argument("lesson", nargs="?", help="the number of a lesson to run again")
    number = parser.parse_args().lesson
    again = chosen(number) if number else None
    lessons, failed = {}, []
    for lesson in shipped():
        notebook = executed(lesson, SITE / "executed", again=lesson == again)
        if notebook is None:
            failed.append(lesson.name)
        else:
            lessons[lesson] = notebook
    if failed:
        sys.exit(f"There is no site yet, because these failed as printed above: {failed}")
    save_pictures(lessons, paths.ROOT / "docs/pictures")
    build(lessons, SITE)
    print(f"Open {SITE / 'index.html'} in a browser.")


def executed(lesson: Path, folder: Path, *, again: bool = False) -> NotebookNode | None:
    """Return a lesson as run with its exercises filled in. Run it if `folder` has no current copy.

    Return None if a cell failed, a claim didn't hold or a solution was refused; it's printed.
    """
    kept = folder / lesson.name
    source = nbformat.writes(filled(read(lesson)))
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    if kept.exists() and not again:
        copy = read(kept)
        if copy.metadata.get(RUN_OF) == digest:
            return copy
    notebook = run(lesson, short=False)
    if notebook is None:
        return None
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    notebook.metadata[RUN_OF] = digest
    notebook.metadata[RUN_ON] = f"{datetime.now():%Y-%m-%d} with {machine}"
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, kept)
    return notebook


def build(lessons: Mapping[Path, NotebookNode], folder: Path) -> None:
    """Write the site: README.md as its index, executed lessons, the reference, and the docs."""
    docs = sorted((paths.ROOT / "docs").glob("*.md"))
    docs += [paths.ROOT / name for name in PAGES]
    contents = {
        "Start": [_markdown_page(paths.ROOT / "README.md", "index")],
        "Lessons": [_lesson_page(lesson, notebook) for lesson, notebook in lessons.items()],
        "Reference": [_reference_page(package) for package in PACKAGES],
        "More": [_markdown_page(page, _name(page)) for page in docs],
    }
    folder.mkdir(parents=True, exist_ok=True)
    write(contents, folder)


def save_pictures(lessons: Mapping[Path, NotebookNode], folder: Path) -> None:
    """Save the README's pictures as small PNG files. Exit if no lesson draws one of them."""
    folder.mkdir(parents=True, exist_ok=True)
    cells_of = {file.stem: notebook.cells for file, notebook in lessons.items()}
    for name, (lesson, words) in PICTURES.items():
        cells = cells_of.get(lesson, ())
        drawn = [_png(cell) for cell in cells if words in cell.source]
        picture = next(filter(None, drawn), None)
        if picture is None:
            sys.exit(f"No cell of {lesson} with {words!r} draws a picture: edit PICTURES.")
        (folder / f"{name}.png").write_bytes(_small(picture))


def _name(page: Path) -> str:
    """Return the name of a Markdown file's page: "data" for data/README.md."""
    return page.parent.name if page.stem == "README" else page.stem.lower()


def _markdown_page(source: Path, name: str) -> Page:
    return from_markdown(f"{name}.html", source, source.read_text(encoding="utf-8"))


def _reference_page(package: str) -> Page:
    source = paths.ROOT / "course_lib" / package
    return from_markdown(f"{package}.html", source, reference(package))


def _lesson_page(lesson: Path, notebook: NotebookNode) -> Page:
    note = (
        f"Run on {notebook.metadata[RUN_ON]}. The exercises are filled in, with each solution "
        "folded. To predict, measure and solve them yourself, run `make lab`."
    )
    return Page(f"{lesson.stem}.html", lesson, notebook, note)


def _png(cell: NotebookNode) -> bytes:
    """Return the first picture among a cell's outputs, or nothing."""
    for output in cell.get("outputs", ()):
        picture = PNG.search(output.get("data", {}).get("text/html", ""))
        if picture:
            return base64.b64decode(picture[1])
    return b""


def _small(png: bytes) -> bytes:
    """Return a picture on white with a palette, which makes the file much smaller."""
    picture = Image.open(io.BytesIO(png)).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    on_white = Image.alpha_composite(white, picture).convert("RGB")
    stream = io.BytesIO()
    on_white.quantize(COLORS).save(stream, format="png", optimize=True)
    return stream.getvalue()


if __name__ == "__main__":
    main()
