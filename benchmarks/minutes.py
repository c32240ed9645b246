"""Count how many minutes each notebook takes its reader, and how it divides into prose and code.

    python benchmarks/minutes.py [number ...]

The rule: 100 words of prose a minute, 4 seconds a line of code, 5 minutes a function to write (or
a configuration to tune), 2 a choice or a one-liner, 45 seconds a prediction or a question, 30 a
plot, plus the time for which the machine makes the reader wait. That time was measured by
`python -m course_lib.tools.notebooks store --run`, which keeps it in the notebook's metadata.
"""

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from course_lib.lab.lessons import is_exercise, lesson_number, read, shipped
from course_lib.tools.running import exercise_in

WORDS_A_MINUTE = 100
SECONDS_A_LINE = 4
WRITING, CHOOSING, ASKED, PLOT = 300, 120, 45, 30  # seconds

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
WORD = re.compile(r"\w[\w'.,/-]*")
LINK_TARGET = re.compile(r"\]\([^)]*\)")
QUESTION = re.compile(r"\b(?:predict|ask)\(")
PICTURE = re.compile(r"\bplots\.\w+\(|\.(?:plot|picture)\(")
STATED = re.compile(r"(\d+) minutes")


@dataclass(frozen=True)
class Count:
    """The content of a notebook, and the seconds that its reader spends on it."""

    cells: int
    code_cells: int
    lines: int
    words: int
    reading: float
    doing: float
    machine: float | None
    """Seconds, or None if they weren't measured."""
    stated: int | None

    @property
    def minutes(self) -> float:
        """The whole time."""
        return (self.reading + self.doing + (self.machine or 0)) / 60


def count(notebook: NotebookNode) -> Count:
    """Count a notebook's minutes by the rule above."""
    words = lines = code_cells = 0
    doing = 0.0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose, code = _divided(cell.source)
            words += len(WORD.findall(prose))
            lines += code
        else:
            code_cells += 1
            seconds = _seconds_of_work(cell)
            doing += seconds
            if not seconds:
                lines += _lines(cell.source)
            doing += PLOT * len(PICTURE.findall(cell.source))
    first = STATED.search(notebook.cells[0].source)
    return Count(
        cells=len(notebook.cells),
        code_cells=code_cells,
        lines=lines,
        words=words,
        reading=60 * words / WORDS_A_MINUTE + SECONDS_A_LINE * lines,
        doing=doing,
        machine=notebook.metadata.get("machine_seconds"),
        stated=int(first[1]) if first else None,
    )


def _divided(source: str) -> tuple[str, int]:
    """Return the prose of a Markdown cell, and how many lines of code it shows."""
    code = 0
    for language, block in FENCE.findall(source):
        if language != "mermaid":
            code += _lines(block)
    return LINK_TARGET.sub("]", FENCE.sub("", source)), code


def _lines(source: str) -> int:
    return sum(bool(line.strip()) for line in source.splitlines())


def _seconds_of_work(cell: NotebookNode) -> float:
    """Return how long a code cell takes its reader beyond reading it."""
    if is_exercise(cell):
        return CHOOSING if _is_one_line(exercise_in(cell).solution_code) else WRITING
    if "tune" in cell.metadata.get("tags", ()):
        return WRITING
    return ASKED * len(QUESTION.findall(cell.source))


def _is_one_line(code: str) -> bool:
    """Return whether an answer is a choice, or a function with a single statement."""
    first, *others = ast.parse(code).body
    if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef) and not others:
        statements = first.body
        if ast.get_docstring(first):
            statements = statements[1:]
        first, *others = statements
    return not others and first.lineno == first.end_lineno


def main() -> None:
    """Print a row for each notebook."""
    chosen = set(sys.argv[1:])
    print(
        f"{'notebook':28}{'stated':>7}{'counted':>8}{'machine':>8}"
        f"{'cells':>6}{'lines':>6}{'words':>6}{'words a code cell':>18}"
    )
    for path in shipped():
        if not chosen or lesson_number(path) in chosen:
            _print_row(path)


def _print_row(path: Path) -> None:
    counted = count(read(path))
    machine = "-" if counted.machine is None else f"{counted.machine / 60:.1f}"
    words_a_cell = counted.words / counted.code_cells
    print(
        f"{path.stem:28}{counted.stated or '-':>7}{counted.minutes:8.1f}{machine:>8}"
        f"{counted.cells:6}{counted.lines:6}{counted.words:6}{words_a_cell:18.1f}"
    )


if __name__ == "__main__":
    main()
