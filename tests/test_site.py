"""The pages of `make site`: complete, linked, and without anything fetched from elsewhere.

They are built from the prose of the lessons and a few outputs, so no lesson runs here.
"""

import os
import re
from html.parser import HTMLParser
from importlib import import_module
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from course_lib.lab import paths, plots
from course_lib.lab.lessons import read, shipped
from course_lib.tools import site
from course_lib.tools.reference import PACKAGES, reference
from course_lib.tools.site_pages import from_markdown, write

LESSONS = shipped()
BAR = [f"\rmeasuring: {share}% |#####|" for share in (50, 100)] + ["\r            ", "\r"]
# The attributes that make a browser fetch something.
LOADING = {
    "img": "src",
    "link": "href",
    "script": "src",
    "iframe": "src",
    "source": "srcset",
}


def printed(*texts):
    return [new_output("stream", name="stdout", text=text) for text in texts]


def drawing(source, *pictures):
    """Return a cell that has drawn these pictures."""
    shown = [{"text/html": picture, "text/plain": "[picture]"} for picture in pictures]
    outputs = [new_output("execute_result", data=data) for data in shown]
    return new_code_cell(source, outputs=outputs)


@pytest.fixture(scope="module")
def pictures():
    """Return two pictures as HTML, as lessons show them."""
    drawn = [plots.bars({"it": value}, "A bar", "seconds") for value in (1, 2)]
    return [picture._repr_html_() for picture in drawn]


def tiny(lesson, pictures):
    """Return the prose of a lesson, with some pictures, a solution and a progress bar."""
    prose = [cell for cell in read(lesson).cells if cell.cell_type == "markdown"]
    solution = new_code_cell("the_solution = 42", metadata={"tags": ["exercise"]})
    measured = new_code_cell("measure()", outputs=printed(*BAR, "\rdone\n", *BAR))
    cells = [*prose, drawing("draw()", *pictures), solution, measured]
    return new_notebook(cells=cells, metadata={"run_on": "a quiet evening"})


class Elements(HTMLParser):
    """The elements of a page, as pairs of a tag and its attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("site")
    site.build({lesson: tiny(lesson, pictures) for lesson in LESSONS}, folder)
    return folder


@pytest.fixture(scope="module")
def elements(folder):
    """Return the elements of each page, by its file."""
    return {page: Elements(page).found for page in folder.glob("*.html")}


def test_every_lesson_package_and_page_of_the_docs_is_there(folder):
    docs = (paths.ROOT / "docs").glob("*.md")
    expected = {"index", *(lesson.stem for lesson in LESSONS), *PACKAGES}
    expected |= {page.stem for page in docs} | {"contributing", "changelog", "security", "data"}
    assert {page.stem for page in folder.glob("*.html")} == expected


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_every_plot_of_a_lesson_is_on_its_page_with_its_alt_text(lesson, elements, folder):
    images = [given for tag, given in elements[folder / f"{lesson.stem}.html"] if tag == "img"]
    drawn = [given["alt"] for given in images if given["src"].startswith("data:image/png")]
    assert drawn == ["A bar. seconds: it 1.", "A bar. seconds: it 2."]


def test_every_link_inside_the_site_leads_to_a_page_and_a_place_on_it(elements, folder):
    places = {page: {given.get("id") for _, given in found} for page, found in elements.items()}
    broken = []
    for page, found in elements.items():
        for link in [given["href"] for tag, given in found if tag == "a"]:
            scheme, _, path, _, place = urlsplit(link)
            there = places.get(folder / path if path else page, set())
            if not scheme and not (there if not place else {place, unquote(place)} & there):
                broken.append((page.name, link))
    assert broken == []


def test_no_page_and_no_style_loads_anything_from_elsewhere(elements, folder):
    for page, found in elements.items():
        loaded = {given.get(LOADING[tag], "") for tag, given in found if tag in LOADING}
        files = [address for address in loaded if not address.startswith("data:")]
        assert [address for address in files if not (folder / address).is_file()] == [], page.name
        assert "script" not in {tag for tag, _ in found}
    for file in [*elements, folder / "style.css"]:
        styles = file.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\((?!.?data:)", styles), file.name


def test_a_browser_without_a_network_shows_every_picture(chromium, folder):
    context = chromium.new_context()
    tab = context.new_page()
    requested, problems = [], []
    tab.on("request", lambda request: requested.append(request.url))
    tab.on("console", lambda message: problems.append(message.text))
    for name in ("index", LESSONS[1].stem):
        tab.goto((folder / f"{name}.html").as_uri())
        for picture in tab.locator("img").all():
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    context.close()
    elsewhere = [url for url in requested if not url.startswith((folder.as_uri(), "data:"))]
    assert (elsewhere, problems) == ([], [])


def test_a_solution_is_folded_and_a_progress_bar_is_gone(folder):
    page = (folder / f"{LESSONS[0].stem}.html").read_text(encoding="utf-8")
    (folded,) = re.findall(r'<details class="solution">(.*?)</details>', page, re.DOTALL)
    assert "the_solution" in folded
    assert "the_solution" not in page.replace(folded, "")
    assert "done" in page
    assert "measuring:" not in page


def test_a_page_says_when_and_where_its_lesson_ran(folder):
    page = (folder / f"{LESSONS[0].stem}.html").read_text(encoding="utf-8")
    assert "Run on a quiet evening." in page


def test_a_link_to_a_file_without_a_page_becomes_its_text(tmp_path):
    page = from_markdown(
        "a.html", tmp_path / "a.md", "# A\n\nSee [the license](LICENSE), [A](a.md)."
    )
    write({"All": [page]}, tmp_path)
    assert 'See the license, <a href="a.html">A</a>.' in (tmp_path / "a.html").read_text()


def test_a_diagram_is_an_image_if_mmdr_is_installed_and_otherwise_its_text(tmp_path):
    text = "# A\n\n```mermaid\nflowchart LR\n    client --> server\n```\n"
    write({"All": [from_markdown("a.html", tmp_path / "a.md", text)]}, tmp_path)
    found = Elements(tmp_path / "a.html").found
    images = [given for tag, given in found if tag == "img"]
    try:
        import_module("mmdr")
    except ImportError:
        assert images == []
        assert "client --&gt; server" in (tmp_path / "a.html").read_text()
    else:
        assert [given["alt"] for given in images] == ["flowchart LR client --> server"]


# --- the reference ----------------------------------------------------------------------------


@pytest.mark.parametrize("package", PACKAGES)
def test_the_reference_has_every_public_name(package):
    headings = re.findall(r"^## (\w+)$", reference(package), re.MULTILINE)
    assert sorted(headings) == sorted(import_module(f"course_lib.{package}").__all__)


def test_the_reference_shows_definitions_as_in_the_source():
    page = reference("cache")
    assert "class Cache(" in page
    assert '        namespace: str = "cache",\n' in page
    assert "@property\ndef hit_rate(self) -> float:" in page
    assert "### Cache.cached" in page  # from a class that Cache extends
    assert "noqa" not in reference("redis_client")
    assert "_of_sources" not in reference("redis_client")  # a private field


def test_the_reference_lists_constants_after_what_is_called():
    page = reference("limiter")
    assert page.index("## RateLimiter\n") < page.index("## HEADER_NAMES\n")


# --- running lessons, and the README's pictures -------------------------------------------------


def test_a_lesson_runs_once_and_again_when_it_has_changed_or_is_named(tmp_path, monkeypatch):
    lesson, kept = tmp_path / "07_tiny.ipynb", tmp_path / "executed"
    nbformat.write(new_notebook(cells=[new_code_cell("print(6 * 7)")]), lesson)
    notebook = site.executed(lesson, kept)
    assert notebook.cells[0].outputs[0].text == "42\n"
    assert str(os.cpu_count()) in notebook.metadata["run_on"]

    again = []
    monkeypatch.setattr(site, "run", lambda changed, short: again.append(short))  # it fails
    assert site.executed(lesson, kept).cells == notebook.cells
    assert again == []
    assert site.executed(lesson, kept, again=True) is None
    nbformat.write(new_notebook(cells=[new_code_cell("print(7 * 7)")]), lesson)
    assert site.executed(lesson, kept) is None
    assert again == [False, False]
    assert read(kept / lesson.name).cells == notebook.cells


@pytest.mark.parametrize(("lesson", "words"), site.PICTURES.values())
def test_the_cell_of_each_picture_in_the_readme_is_in_its_lesson(lesson, words):
    cells = read(paths.NOTEBOOKS / f"{lesson}.ipynb").cells
    assert any(words in cell.source for cell in cells if cell.cell_type == "code")


def test_the_pictures_are_small_opaque_and_in_the_readme(tmp_path, pictures):
    lessons = {
        paths.NOTEBOOKS / f"{lesson}.ipynb": new_notebook(
            cells=[new_markdown_cell(words), drawing(words, *pictures)]
        )
        for lesson, words in site.PICTURES.values()
    }
    site.save_pictures(lessons, tmp_path)
    readme = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    for name in site.PICTURES:
        assert f"(docs/pictures/{name}.png)" in readme
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.mode == "P"
            assert "transparency" not in picture.info
        assert (paths.ROOT / "docs/pictures" / f"{name}.png").stat().st_size < 50_000


def test_a_picture_that_no_lesson_draws_is_an_error_that_says_what_to_edit(tmp_path):
    with pytest.raises(SystemExit, match=r"No cell of 02_indexing with 'first.plot\('.*PICTURES"):
        site.save_pictures({}, tmp_path)
