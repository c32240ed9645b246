"""Test the commands for lessons on a tiny lesson with one exercise and one claim."""

import json
import sys
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib.lab import paths, progress
from course_lib.tools import notebooks, running

RECORD = "from course_lib.lab import progress\nprogress.record('verdict', 'tiny', 'first', {facts})"
RIGHT = RECORD.format(facts="verdict='right', misconception=None, sentence=None")
REFUSED = RECORD.format(
    facts="verdict='refused', misconception='guess', sentence='That was a guess.'"
)


def stored(*cells):
    return notebooks.clean(new_notebook(cells=list(cells)))


def claim(text="holds"):
    output = new_output("stream", text=f"{text}\n")
    marked = {"tags": ["nbval-check-output"]}
    return new_code_cell("print('holds')", id="claim", outputs=[output], metadata=marked)


def stub(source="pass"):
    return new_code_cell(
        source, id="stub", metadata={"tags": ["exercise"], "exercise": "tiny.first"}
    )


@pytest.fixture
def ship(tmp_path, monkeypatch):
    """Return a function that ships a lesson with these cells, in folders of this test alone."""
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(paths, "WORK", tmp_path / "work")
    paths.NOTEBOOKS.mkdir()

    def ship(*cells, name="07_tiny.ipynb"):
        nbformat.write(stored(*cells), paths.NOTEBOOKS / name)
        return paths.NOTEBOOKS / name

    return ship


@pytest.fixture
def solution(monkeypatch):
    """Return a function that sets the solution of the exercise tiny.first."""

    def solve(code):
        module = SimpleNamespace(first=SimpleNamespace(solution_code=code))
        monkeypatch.setitem(sys.modules, "course_lib.exercises.tiny", module)

    return solve


def edit(source):
    """Edit the stub as a learner does, and save it as JupyterLab does: with outputs and counts."""
    mine = paths.WORK / "07_tiny.ipynb"
    content = json.loads(mine.read_text())
    for cell in content["cells"]:
        if cell["id"] == "stub":
            cell["source"] = source
            cell["execution_count"] = 12
        if cell["cell_type"] == "code":
            output = {"output_type": "stream", "name": "stdout", "text": ["own words\n"]}
            cell["outputs"] = [output]
    mine.write_text(json.dumps(content))
    return mine


def copies():
    return sorted(path.name for path in paths.WORK.glob("*.ipynb"))


@pytest.fixture
def command(monkeypatch):
    """Return a function that runs a command, given as arguments, and returns its exit code."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["notebooks", *arguments])
        return notebooks.main()

    return command


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(running, "CELL_SECONDS", 3)


def printed(capsys):
    """Return the lines of the output, without those that say how long a lesson took."""
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if ": finished in " not in line]


def test_a_missing_copy_is_created_and_never_overwritten(ship, capsys):
    ship(stub())
    notebooks.copy()
    before = edit("mine").read_bytes()
    ship(stub(), name="08_other.ipynb")
    notebooks.copy()
    assert copies() == ["07_tiny.ipynb", "08_other.ipynb"]
    assert (paths.WORK / "07_tiny.ipynb").read_bytes() == before
    assert capsys.readouterr().out == ""


def test_a_copy_of_an_older_lesson_is_named_with_the_command_to_reset_it(ship, capsys):
    ship(stub())
    notebooks.copy()
    ship(stub("pass  # newer"))
    notebooks.copy()
    (line,) = printed(capsys)
    assert "07_tiny.ipynb" in line
    assert "make reset LESSON=7" in line


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", "{}", '{"nbformat": 4, "metadata": {}}'])
def test_a_damaged_copy_is_named_with_the_command_to_reset_it_and_others_are_still_copied(
    ship, command, capsys, damage
):
    ship(stub())
    notebooks.copy()
    (paths.WORK / "07_tiny.ipynb").write_text(damage)
    ship(stub(), name="08_other.ipynb")
    assert command("copy") == 0
    assert "08_other.ipynb" in copies()
    (line,) = printed(capsys)
    assert line.startswith("07_tiny.ipynb") and "make reset LESSON=7" in line
    with pytest.raises(SystemExit, match="make reset LESSON=7"):
        command("check", "7")
    assert command("reset", "7") == 0
    assert command("copy") == 0
    assert len(copies()) == 3


def test_a_wrong_number_of_rows_is_reported_in_one_line(ship, command, monkeypatch, tmp_path):
    (tmp_path / "events.db").touch()
    monkeypatch.setattr(paths, "DATA", tmp_path)
    monkeypatch.setenv("COURSE_ROWS", "abc")
    with pytest.raises(SystemExit, match="COURSE_ROWS is 'abc': set it to"):
        command("open")


def test_reset_keeps_every_old_copy_under_a_name_with_date_and_time(ship):
    lesson = ship(stub())
    notebooks.copy()
    first = edit("first try").read_text()
    notebooks.reset(lesson)
    second = edit("second try").read_text()
    notebooks.reset(lesson)
    fresh, *kept = copies()
    assert fresh == "07_tiny.ipynb"
    assert [(paths.WORK / name).read_text() for name in kept] == [first, second]
    assert all(name.startswith("07_tiny_kept_20") for name in kept)
    assert notebooks.read(paths.WORK / fresh).cells == notebooks.read(lesson).cells


def test_reset_clears_the_progress_of_that_lesson_only(ship):
    lesson = ship(stub())
    for name in ("tiny", "other"):
        progress.record("verdict", name, "first", verdict="right")
    notebooks.reset(lesson)
    assert progress.verdicts("tiny") == {}
    assert progress.verdicts("other")["first"]["verdict"] == "right"


@pytest.mark.parametrize(
    ("number", "problem"), [("9", "There is no lesson 9"), ("", "LESSON=2"), ("x", "lesson x")]
)
def test_a_wrong_lesson_number_is_answered_with_a_list_of_the_lessons(
    ship, command, number, problem
):
    ship(stub())
    ship(stub(), name="00_welcome.ipynb")
    with pytest.raises(SystemExit) as error:
        command("check", number)
    assert problem in str(error.value)
    assert str(error.value).endswith("The lessons: 0 welcome, 7 tiny.")


def test_check_without_a_copy_names_the_command_that_creates_it(ship, command):
    ship(stub())
    with pytest.raises(SystemExit, match="make lab"):
        command("check", "7")


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (RIGHT, "first: right"),
        (REFUSED, "first: refused (That was a guess.)"),
        ("pass", "first: not attempted"),
    ],
)
def test_check_prints_the_verdict_on_each_exercise(ship, command, capfd, answer, line):
    ship(stub(), claim())
    notebooks.copy()
    mine = edit(answer)
    before = mine.read_bytes()
    assert command("check", "7") == (answer is REFUSED)
    assert capfd.readouterr().out.splitlines()[-1] == line
    assert mine.read_bytes() == before
    assert progress.verdicts("tiny") == {}


def test_check_compares_the_copy_with_the_shipped_claim(ship, command, capfd):
    ship(stub(), claim("once held"))
    notebooks.copy()
    edit(RIGHT)
    assert command("check", "7") == 1
    assert "once held" in capfd.readouterr().out


@pytest.fixture
def with_fewer_rows(ship, monkeypatch):
    """Ship a lesson with a claim about the whole table, and set COURSE_ROWS to a smaller one."""
    monkeypatch.setenv("COURSE_ROWS", "20000")
    about_all = claim("held: fast")
    about_all.source = "print('not judged at 20,000 rows: fast')"
    return ship(stub(), about_all)


@pytest.mark.usefixtures("with_fewer_rows")
def test_check_counts_a_claim_as_held_and_reports_it_if_the_table_is_too_small_to_judge(
    command, capfd
):
    notebooks.copy()
    edit(RIGHT)
    assert command("check", "7") == 0
    notice = "At 20,000 rows, claims about 1,000,000 rows aren't judged; they count as held."
    assert capfd.readouterr().out.splitlines()[-2:] == [notice, "first: right"]


@pytest.mark.usefixtures("with_fewer_rows")
def test_run_counts_a_claim_as_held_if_the_table_is_too_small_to_judge(solution, command, capsys):
    solution(RIGHT)
    assert command("run") == 0
    assert printed(capsys) == ["07_tiny: not judged at 20,000 rows: fast"]


def test_check_accepts_a_copy_that_another_editor_saved_without_cell_ids(ship, command, capfd):
    ship(stub(), claim())
    notebooks.copy()
    mine = paths.WORK / "07_tiny.ipynb"
    content = json.loads(mine.read_text()) | {"nbformat_minor": 4}
    content["cells"][0]["source"] = RIGHT
    for cell in content["cells"]:
        del cell["id"]
    mine.write_text(json.dumps(content))
    assert command("check", "7") == 0
    assert capfd.readouterr().out.splitlines()[-1] == "first: right"


def test_filled_replaces_the_stubs_of_a_copy(solution):
    solution("answer = 42")
    notebook = stored(new_markdown_cell("pass"), stub(), claim())
    filled = notebooks.filled(notebook)
    assert [cell.source for cell in filled.cells[:2]] == ["pass", "answer = 42"]
    assert notebook.cells[1].source == "pass"


def test_run_prints_the_claims_of_all_lessons_a_line_each(ship, solution, command, capsys):
    solution(RIGHT)
    ship(stub(), claim())
    ship(claim(), name="08_other.ipynb")
    assert command("run") == 0
    assert printed(capsys) == ["07_tiny: holds", "08_other: holds"]
    assert progress.verdicts("tiny") == {}


@pytest.mark.parametrize("code", [REFUSED, "pass"])
def test_run_fails_on_a_solution_that_is_not_right(ship, solution, command, code):
    solution(code)
    ship(stub())
    assert command("run") == 1


def test_run_reports_a_refused_solution_and_continues_with_the_next_lesson(
    ship, solution, command, capsys
):
    solution(REFUSED)
    ship(stub())
    ship(claim(), name="08_other.ipynb")
    assert command("run") == 1
    assert printed(capsys) == ["07_tiny: the solution of first is refused", "08_other: holds"]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("print('so far')\n1 / 0", "cell 1: ZeroDivisionError: division by zero"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "cell 1: Kernel died"),
        (
            "import time\ntime.sleep(60)",
            "cell 1: A cell timed out while it was being executed, after 3 seconds.",
        ),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_run_names_a_cell_that_fails_and_continues_with_the_next_lesson(
    ship, command, capsys, source, fault
):
    ship(claim(), new_code_cell(source))
    ship(claim(), name="08_other.ipynb")
    assert command("run") == 1
    assert printed(capsys) == [f"07_tiny: {fault}", "08_other: holds"]


def test_run_fails_on_a_claim_that_differs_from_the_shipped_one(ship, command, capsys):
    ship(claim("once held"))
    assert command("run", "7") == 1
    assert "07_tiny: holds [shipped: once held]" in capsys.readouterr().out


def test_the_stored_form_keeps_the_claims_and_nothing_else():
    claims = claim()
    other = new_code_cell("1", execution_count=4, metadata={"scrolled": True})
    other.outputs = [new_output("execute_result", {"text/plain": "1"}, execution_count=4)]
    notebook = new_notebook(cells=[claims, other, stub()], metadata={"widgets": {}})
    clean = notebooks.clean(notebook)
    assert clean.cells[0].outputs == claims.outputs
    assert [cell.execution_count for cell in clean.cells] == [1, None, None]
    assert clean.cells[1].outputs == []
    assert clean.cells[1].metadata == {}
    assert clean.cells[2].metadata == stub().metadata
    assert [cell.id for cell in clean.cells] == [claims.id, other.id, "stub"]
    assert sorted(clean.metadata) == ["kernelspec", "language_info"]
    assert notebooks.is_clean(clean) == []


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("outputs", [], "cell 0 is marked but has no output, so nbval passes whatever it prints"),
        ("execution_count", 7, "cell 0 differs from its stored form in execution_count"),
        (
            "metadata",
            {"scrolled": True, "tags": ["nbval-check-output"]},
            "cell 0 differs from its stored form in metadata",
        ),
    ],
)
def test_a_difference_from_the_stored_form_is_named(field, value, fault):
    notebook = stored(claim())
    notebook.cells[0][field] = value
    assert fault in notebooks.is_clean(notebook)


def test_store_with_run_seeds_the_table_before_it_times_the_cells(
    ship, command, monkeypatch, tmp_path
):
    monkeypatch.setattr(paths, "DATA", tmp_path)
    monkeypatch.setenv("COURSE_ROWS", "2000")
    is_seeded = []

    def execute(notebook, folder):
        is_seeded.append((tmp_path / "events-2000.db").exists())
        return notebook

    monkeypatch.setattr(running, "execute", execute)
    ship(claim())
    command("store", "--run", "7")
    assert is_seeded == [True]


def test_store_with_run_updates_the_output_of_claims_from_the_lesson_as_shipped(ship, command):
    lesson = ship(new_code_cell("text = 'as shipped'"), stub("pass"), claim("old"))
    notebook = notebooks.read(lesson)
    notebook.cells[2].source = "print(text)"
    nbformat.write(notebook, lesson)
    command("store", "--run", "7")
    after = notebooks.read(lesson)
    assert notebooks.text_of(after.cells[2]) == "as shipped\n"
    assert notebooks.is_clean(after) == []
