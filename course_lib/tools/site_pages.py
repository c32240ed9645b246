"""Pages of the site: Markdown and executed notebooks as HTML that loads nothing from elsewhere."""

import base64
import html
import os
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from nbconvert import HTMLExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from pygments.formatters import HtmlFormatter

TEMPLATE = Path(__file__).with_name("site.html.j2")
STYLE = Path(__file__).with_name("site.css")
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```", re.MULTILINE | re.DOTALL)
# mmdr measures the text of a diagram in a font that browsers don't have. These are about as wide.
DIAGRAM_FONT = re.compile(r"(?:\"|&quot;)Recursive Variable(?:\"|&quot;)")
FONTS = "Helvetica,Arial,DejaVu Sans Condensed"
LABEL_GRAY = "hsl(-120, 0%, 80%)"  # behind the words on an arrow
HEADING = re.compile(r"^# (.+)", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """A page: its file name, the file that it's made from, its content, and a note above it."""

    name: str
    source: Path
    content: NotebookNode
    note: str = ""

    @property
    def title(self) -> str:
        """The text of the first heading."""
        heading = HEADING.search(self.content.cells[0].source)
        return heading[1] if heading else self.source.stem


def from_markdown(name: str, source: Path, text: str) -> Page:
    """Return a page of Markdown."""
    return Page(name, source, new_notebook(cells=[new_markdown_cell(text)]))


def write(contents: Mapping[str, Sequence[Page]], folder: Path) -> None:
    """Write pages, which are grouped under headings, with their pictures and their style sheet."""
    pages = [page for group in contents.values() for page in group]
    names = {page.source.resolve(): page.name for page in pages}
    titles = {}
    for heading, group in contents.items():
        titles[heading] = {page.name: page.title for page in group}
    exporter = HTMLExporter(template_name="basic", template_file=os.fspath(TEMPLATE))
    for page in pages:
        resources = {
            "title": page.title,
            "page": page.name,
            "contents": titles,
            "note": page.note,
        }
        content = _prepared(page, names, folder)
        body, _ = exporter.from_notebook_node(content, resources=resources)
        (folder / page.name).write_text(body, encoding="utf-8")
    (folder / "style.css").write_text(_style(), encoding="utf-8")


def _prepared(page: Page, names: Mapping[Path, str], folder: Path) -> NotebookNode:
    """Return a page's content with the site's links and drawn diagrams, without progress bars."""
    content: NotebookNode
    content, _ = CoalesceStreamsPreprocessor().preprocess(deepcopy(page.content), {})
    for cell in content.cells:
        if cell.cell_type == "markdown":
            linked = LINK.sub(lambda link: _linked(link, page.source, names, folder), cell.source)
            cell.source = DIAGRAM.sub(_drawn, linked)
        else:
            # A progress bar ends as a line of spaces.
            cell.outputs = [output for output in cell.outputs if output.get("text", "-").strip()]
    return content


def _linked(link: re.Match[str], source: Path, names: Mapping[Path, str], folder: Path) -> str:
    """Return a Markdown link that works in the site.

    A link to a file that has no page becomes its text. A picture is copied.
    """
    mark, text, target, fragment = link.groups("")
    file = (source.parent / target).resolve()
    if mark:
        (folder / file.name).write_bytes(file.read_bytes())
        return f"![{text}]({file.name})"
    if file in names:
        return f"[{text}]({names[file]}{fragment})"
    return text


def _drawn(diagram: re.Match[str]) -> str:
    """Return a Mermaid diagram as an image, or unchanged if mmdr, which draws it, is missing."""
    try:
        import mmdr  # noqa: PLC0415  only authors need it
    except ImportError:
        return diagram[0]
    svg = mmdr.render(diagram[1]).svg()
    svg = DIAGRAM_FONT.sub(FONTS, svg).replace(LABEL_GRAY, "white")
    data = base64.b64encode(svg.encode()).decode()
    alt = html.escape(" ".join(diagram[1].split()))
    return f'<img class="diagram" alt="{alt}" src="data:image/svg+xml;base64,{data}">'


def _style() -> str:
    """Return the style sheet, with the colors of code in a light and in a dark theme."""
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    dark_theme = f"@media (prefers-color-scheme: dark) {{\n{dark}\n}}"
    return "\n".join([light, dark_theme, STYLE.read_text(encoding="utf-8")])
