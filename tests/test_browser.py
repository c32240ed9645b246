"""Test each lesson in a real browser, as a learner uses it.

Open it in the JupyterLab of `make lab`, type the solutions, run it, and look at the page.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import ConsoleMessage, Error, Page, expect

from course_lib.exercises.engine import Exercise
from course_lib.lab import paths
from course_lib.tools import notebooks
from tests.test_lessons import differences, each_lesson, every, exercises, verdicts

LESSON_SECONDS = 300
TOKEN = "browser-test"
GREEN = "rgb(0, 158, 115)"

expect.set_options(timeout=30_000)  # the default of 5 seconds is too short on a busy machine
pytestmark = pytest.mark.measures


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Start the JupyterLab of `make lab` on separate copies; yield its address and their folder."""
    folder = tmp_path_factory.mktemp("browser")
    # Keep all cells in the page, not only those in view, because the test looks at all of them.
    extension = folder / "config/lab/user-settings/@jupyterlab/notebook-extension"
    settings = extension / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"windowingMode": "none"}))
    folders = {
        f"JUPYTER_{name.upper()}_DIR": str(folder / name) for name in ("config", "data", "runtime")
    }
    environment = {
        **os.environ,
        **folders,
        "COURSE_WORK": str(folder / "work"),
        "COURSE_SHORT": "1",
    }

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = [
        "--no-browser",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}",
    ]
    command = [sys.executable, "-m", "course_lib.tools.notebooks", "open", *flags]
    log = folder / "log"
    with log.open("wb") as output:
        lab = subprocess.Popen(
            command, cwd=paths.ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        while not answers(f"http://127.0.0.1:{port}/api"):
            assert lab.poll() is None, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", folder / "work"
    finally:
        lab.terminate()
        lab.wait()


def answers(address):
    try:
        return httpx.get(address, trust_env=False).is_success
    except httpx.ConnectError:
        return False


@pytest.fixture(scope="module")
def page(chromium, server):
    """Yield JupyterLab's page, which all lessons share: loading it takes as long as running one."""
    address, _ = server
    with closing(chromium.new_page(viewport={"width": 1200, "height": 1600})) as page:
        page.goto(f"{address}/lab?token={TOKEN}&reset")
        yield page


@pytest.fixture
def lab(page, server):
    address, folder = server
    lab = Lab(page, folder)
    yield lab
    lab.close()
    # Stop the kernels, so that nothing runs beside the next lesson.
    token = {"Authorization": f"token {TOKEN}"}
    with httpx.Client(base_url=address, headers=token, trust_env=False, timeout=30) as client:
        for kernel in client.get("/api/kernels").json():
            client.delete(f"/api/kernels/{kernel['id']}").raise_for_status()


class Lab:
    """JupyterLab's page with one open notebook, as a learner uses it."""

    def __init__(self, page: Page, folder: Path):
        self.page = page
        self.folder = folder
        self.complaints: list[str] = []
        page.on("console", self.note_console_error)
        page.on("pageerror", self.note_page_error)
        self.notebook = page.locator(".jp-NotebookPanel:visible")
        self.cells = self.notebook.locator(".jp-Notebook .jp-Cell")

    def note_console_error(self, message: ConsoleMessage):
        if message.type == "error":
            self.complaints.append(message.text)

    def note_page_error(self, error: Error):
        self.complaints.append(str(error))

    def open(self, name: str):
        self.choose("File", "Open from Path…")
        self.page.locator(".jp-Dialog input").fill(name)
        self.page.keyboard.press("Enter")
        self.wait_until_idle(60)

    def close(self):
        """Close the notebook, whatever state a test has left it in."""
        self.page.remove_listener("console", self.note_console_error)
        self.page.remove_listener("pageerror", self.note_page_error)
        self.page.keyboard.press("Escape")
        self.save()
        self.choose("File", "Close Tab")
        expect(self.notebook).to_have_count(0)

    def save(self):
        self.choose("File", "Save Notebook")
        expect(self.page.locator(".jp-mod-dirty")).to_have_count(0)

    def wait_until_idle(self, seconds: float):
        # Read the status bar: the notebook's own indicator shows idle before there is a kernel.
        idle = self.page.get_by_text("Python 3 (ipykernel) | Idle")
        expect(idle).to_be_visible(timeout=seconds * 1000)

    def choose(self, *labels: str):
        """Go through the menus: `choose("Run", "Run All Cells")`."""
        first, *others = labels
        self.page.locator(".lm-MenuBar-itemLabel").get_by_text(first, exact=True).click()
        for label in others:
            self.page.locator(".lm-Menu-itemLabel").get_by_text(label, exact=True).click()

    def type_into(self, cell: int, code: str):
        """Replace the code of a cell.

        Only the first word is typed, because each key takes time, and the editor indents each new
        line that's typed. What's left is inserted at once.
        """
        first, space, others = code.partition(" ")
        self.cells.nth(cell).locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.type(first)
        self.page.keyboard.insert_text(space + others)

    def run_all(self):
        self.choose("Run", "Run All Cells")
        expect(self.prompt(-1)).to_have_text("[*]:")

    def run(self, cell: int):
        self.cells.nth(cell).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")

    def prompt(self, code_cell: int):
        return self.notebook.locator(".jp-CodeCell .jp-InputPrompt").nth(code_cell)

    def output(self, cell: int):
        return self.cells.nth(cell).locator(".jp-OutputArea-output")

    def theme(self):
        return self.page.locator("body").get_attribute("data-jp-theme-name")

    def switch_theme(self):
        """Switch to the other theme, which stays until the next switch."""
        other = "JupyterLab Light" if self.theme() == "JupyterLab Dark" else "JupyterLab Dark"
        self.choose("Settings", "Theme", other)
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", other)

    def take_pictures(self, lesson: str):
        """Save pictures of the whole notebook in $SCREENSHOTS, if set, a screenful at a time."""
        if "SCREENSHOTS" not in os.environ:
            return
        folder = Path(os.environ["SCREENSHOTS"])
        name = f"{lesson}_{self.theme().split()[-1].lower()}"
        folder.mkdir(parents=True, exist_ok=True)
        scroller = self.notebook.locator(".jp-WindowedPanel-outer")
        height, screenful = scroller.evaluate("node => [node.scrollHeight, node.clientHeight]")
        for number, top in enumerate(range(0, height, screenful), start=1):
            scroller.evaluate("(node, top) => node.scrollTo(0, top)", top)
            self.page.screenshot(path=folder / f"{name}_{number:02}.png")
        scroller.evaluate("node => node.scrollTo(0, 0)")


@each_lesson
def test_a_lesson_filled_in_by_typing_is_right_its_claims_hold_and_both_themes_are_drawn(
    lab, lesson, request, monkeypatch
):
    monkeypatch.setattr(paths, "WORK", lab.folder)
    questions: dict[int, Exercise] = exercises(lesson)
    lab.open(lesson.name)
    for cell, exercise in questions.items():
        lab.type_into(cell, exercise.solution_code)
    lab.run_all()
    expect(lab.prompt(-1)).not_to_have_text("[*]:", timeout=LESSON_SECONDS * 1000)
    lab.wait_until_idle(10)

    for kind in ("stderr", "error"):
        outputs = lab.notebook.locator(f'[data-mime-type="application/vnd.jupyter.{kind}"]')
        assert outputs.all_inner_texts() == []
    expect(lab.prompt(-1)).to_have_text(re.compile(r"\[\d+\]:"))
    for cell in questions:
        card = lab.output(cell + 1).locator("div[style*=border-left]")
        expect(card).to_contain_text("Right.")
        expect(card).to_have_css("border-left-color", GREEN)

    executed = saved(lab, lesson.name)
    assert differences(lesson, executed, request.session) == []
    assert verdicts(lesson) == every("right", lesson)

    plots = lab.notebook.locator(".jp-OutputArea-output img")
    assert plots.count() == sum("<img" in html for html in shown_by(executed))
    for plot in plots.all():
        assert plot.get_attribute("alt")
        assert plot.evaluate("image => image.naturalWidth") > 0
    diagrams = lab.notebook.locator(".jp-RenderedMermaid img")
    cells = notebooks.read(lesson).cells
    assert diagrams.count() == sum("```mermaid" in cell.source for cell in cells)
    assert all("svg" in (image.get_attribute("src") or "") for image in diagrams.all())

    lab.take_pictures(lesson.stem)
    lab.switch_theme()
    lab.take_pictures(lesson.stem)
    assert lab.complaints == []


def saved(lab, name):
    """Return the notebook as the browser saves it."""
    lab.save()
    return notebooks.read(lab.folder / name)


def shown_by(notebook):
    """Return the HTML of each output of a notebook that has any."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [output.data["text/html"] for output in outputs if "text/html" in output.get("data", ())]


def test_stop_during_a_benchmark_prints_one_line_and_the_kernel_and_its_servers_keep_running(lab):
    start = [
        "from course_lib import lab",
        "from course_lib.lab import bench, events, serve",
        "lab.start('welcome')",
        "api = serve.start(events.path())",
    ]
    benchmark = [
        "call = lambda: api.get('/health')",
        "bench.compare({'one': call, 'other': call}, rounds=10**9, seconds=600)",
    ]
    cells = ["\n".join(start), "\n".join(benchmark), "api.get('/health').status_code"]
    notebook = notebooks.clean(new_notebook(cells=[new_code_cell(source) for source in cells]))
    nbformat.write(notebook, lab.folder / "stop.ipynb")

    lab.open("stop.ipynb")
    lab.run_all()
    expect(lab.output(1)).to_contain_text("measuring", timeout=60_000)
    lab.page.get_by_title("Interrupt the kernel").click()
    message = lab.output(1).filter(has_text="Stopped. Nothing is broken")
    expect(message).to_have_count(1)
    assert "Traceback" not in message.inner_text()
    assert "course_lib" not in message.inner_text()
    expect(lab.prompt(-1)).to_have_text("[ ]:")  # Stop cancels the cells that are still to run
    lab.wait_until_idle(10)
    lab.run(2)
    expect(lab.output(2)).to_have_text("200")
