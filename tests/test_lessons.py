"""Test that each lesson runs, as shipped and with its exercises filled in, and its form."""

import ast
import re
import statistics
import subprocess

import nbformat
import pytest
from nbval.plugin import IPyNbFile

from course_lib.lab import paths, progress
from course_lib.tools import notebooks
from course_lib.tools.running import exercise_in
from tests.conftest import CHROMIUM

LESSONS = notebooks.shipped()
WELCOME = LESSONS[0]
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)

# Milliseconds differ from machine to machine: cells show them, prose doesn't.
MEASURED = re.compile(
    r"\d\s*(ms|[uµ]s|milliseconds?|microseconds?)\b|\d\.\d+\s*(s|seconds|times)\b"
)


def nbval(notebook):
    """Run a notebook under nbval and return the finished process: its output and exit code."""
    command = notebooks.nbval_command(notebook)
    return subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)


def differences(lesson, executed, session):
    """Return what nbval reports for an executed copy: a text for each marked cell that differs."""
    shipped = IPyNbFile.from_parent(session, path=lesson)
    different = []
    for item, after in zip(shipped.collect(), filter(is_code, executed.cells), strict=True):
        before = item.cell
        if notebooks.is_marked(before) and not item.compare_outputs(after.outputs, before.outputs):
            different.append("\n".join([before.source, *item.comparison_traceback]))
    return different


def is_code(cell):
    return cell.cell_type == "code"


def verdicts(lesson):
    """Return the verdict that the run recorded for each exercise of this notebook."""
    recorded = progress.verdicts(notebooks.lesson_name(lesson))
    names = [exercise.name for exercise in exercises(lesson).values()]
    return {name: recorded[name]["verdict"] for name in names if name in recorded}


def exercises(lesson):
    """Return the exercises of a lesson by the number of the cell that holds the stub."""
    by_cell = {}
    for number, cell in enumerate(notebooks.read(lesson).cells):
        if notebooks.is_exercise(cell):
            by_cell[number] = exercise_in(cell)
    return by_cell


def every(verdict, lesson):
    return {exercise.name: verdict for exercise in exercises(lesson).values()}


def code_cells(lesson):
    return list(filter(is_code, notebooks.read(lesson).cells))


def statements(cell):
    """Return the statements of a code cell, which can await at its top level."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(cell.source, "cell", "exec", flags).body


def is_claim(node):
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "claim"
    )


# --- run --------------------------------------------------------------------------------------


# A notebook without exercises is the same when it's filled in.
@pytest.mark.measures
@pytest.mark.parametrize("lesson", [*filter(exercises, LESSONS)], ids=lambda path: path.stem)
def test_a_lesson_as_shipped_runs_to_its_end_and_every_exercise_is_not_attempted(
    lesson, monkeypatch
):
    # A small table is enough here: test_browser.py checks the claims at a million rows.
    monkeypatch.setenv("COURSE_ROWS", "100000")
    done = nbval(lesson)
    assert done.returncode == 0, done.stdout
    assert verdicts(lesson) == every("not attempted", lesson)


# Chromium fills in and runs each lesson (test_browser.py). Without it, nbval does.
@pytest.mark.measures
@pytest.mark.parametrize(
    "lesson", [WELCOME] if CHROMIUM.exists() else LESSONS, ids=lambda path: path.stem
)
def test_a_lesson_filled_in_runs_to_its_end_and_every_exercise_is_right(lesson, tmp_path):
    nbformat.write(notebooks.filled(notebooks.read(lesson)), tmp_path / lesson.name)
    done = nbval(tmp_path / lesson.name)
    assert done.returncode == 0, done.stdout
    assert verdicts(lesson) == every("right", lesson)


# --- fail when they should --------------------------------------------------------------------


@pytest.fixture
def welcome():
    """Return the welcome notebook and its first cell that nbval compares."""
    notebook = notebooks.read(WELCOME)
    claim = next(filter(notebooks.is_marked, notebook.cells))
    return notebook, claim


def other_words(claim):
    return claim.outputs[0].text.replace("100 times", "90 times")


@pytest.mark.measures
def test_a_claim_that_differs_from_the_stored_one_fails(welcome, tmp_path):
    notebook, claim = welcome
    measured = notebook.cells.index(claim)
    claim.outputs[0].text = other_words(claim)
    before = notebook.cells[:measured]
    needed = [cell for cell in before if re.search(r"lab\.start|bench\.compare", cell.source)]
    notebook.cells = [*needed, claim]
    nbformat.write(notebook, tmp_path / WELCOME.name)
    done = nbval(tmp_path / WELCOME.name)
    assert done.returncode == 1
    assert "90 times" in done.stdout


def test_nbval_reports_a_claim_that_is_changed_or_missing_in_an_executed_copy(welcome, request):
    notebook, claim = welcome
    assert differences(WELCOME, notebook, request.session) == []
    claim.outputs[0].text = other_words(claim)
    (difference,) = differences(WELCOME, notebook, request.session)
    assert "90 times" in difference
    claim.outputs = []
    assert len(differences(WELCOME, notebook, request.session)) == 1


@pytest.mark.measures
def test_the_verdict_shows_a_wrong_answer_in_a_filled_cell_although_nbval_passes(welcome, tmp_path):
    notebook, _ = welcome
    (number,) = exercises(WELCOME)
    start = next(cell for cell in notebook.cells if "lab.start" in cell.source)
    stub, check = notebook.cells[number : number + 2]
    stub.source = "def times_faster(before, after):\n    return after / before"
    notebook.cells = [start, stub, check]
    nbformat.write(notebook, tmp_path / WELCOME.name)
    assert nbval(tmp_path / WELCOME.name).returncode == 0
    assert verdicts(WELCOME) == {"times_faster": "refused"}


def test_a_marked_cell_whose_output_was_cleared_is_named(welcome):
    notebook, claim = welcome
    claim.outputs = []
    number = notebook.cells.index(claim)
    fault = f"cell {number} is marked but has no output, so nbval passes whatever it prints"
    assert notebooks.is_clean(notebook) == [fault]


# --- the form of a lesson ---------------------------------------------------------------------


@each_lesson
def test_a_lesson_is_stored_clean(lesson):
    assert notebooks.is_clean(notebooks.read(lesson)) == []


@each_lesson
def test_code_cells_are_short(lesson):
    lengths = sorted(len(cell.source.splitlines()) for cell in code_cells(lesson))
    assert lengths[-1] <= 25
    assert lengths[len(lengths) * 9 // 10 - 1] <= 10
    assert statistics.median(lengths) <= 3


@each_lesson
def test_lines_of_code_fit_a_narrow_window(lesson):
    lines = [line for cell in code_cells(lesson) for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > 100] == []


@each_lesson
def test_an_exercise_is_its_task_its_stub_and_its_check_in_this_order(lesson):
    cells = notebooks.read(lesson).cells
    for number, exercise in exercises(lesson).items():
        task, stub, check = cells[number - 1 : number + 2]
        assert task.cell_type == "markdown"
        assert exercise.task in task.source
        assert stub.source == exercise.stub
        call = rf"(await )?ex\.{exercise.name}\.check\({exercise.name}\)"
        assert re.fullmatch(call, check.source)


@each_lesson
def test_no_answer_is_above_its_question(lesson):
    cells = notebooks.read(lesson).cells
    for number, exercise in exercises(lesson).items():
        above = "\n".join(cell.source for cell in cells[: number + 1])
        answer = exercise.solution_answer
        if not isinstance(answer, str) or " " not in answer:
            answer = exercise.solution_code
        assert answer not in above
        assert exercise.hints[-1] not in above


@each_lesson
def test_a_claim_is_alone_in_a_cell_that_is_compared(lesson):
    for cell in code_cells(lesson):
        body = statements(cell)
        claims = [node for statement in body for node in ast.walk(statement) if is_claim(node)]
        assert notebooks.is_marked(cell) == bool(claims), cell.source
        if claims:
            assert [statement.value for statement in body] == claims, cell.source


@each_lesson
def test_a_cell_closes_only_what_it_opens_and_so_can_run_again(lesson):
    for cell in code_cells(lesson):
        nodes = [node for statement in statements(cell) for node in ast.walk(statement)]
        names = [node for node in nodes if isinstance(node, ast.Name)]
        opened = {name.id for name in names if isinstance(name.ctx, ast.Store)}
        managers = [node.context_expr for node in nodes if isinstance(node, ast.withitem)]
        closed = {manager.id for manager in managers if isinstance(manager, ast.Name)}
        assert closed <= opened, cell.source


@each_lesson
def test_prose_leaves_the_figures_to_the_cells(lesson):
    # A task may make up figures for an example.
    tasks = {number - 1 for number in exercises(lesson)}
    for number, cell in enumerate(notebooks.read(lesson).cells):
        if cell.cell_type == "markdown" and number not in tasks:
            assert not MEASURED.search(cell.source), cell.source
