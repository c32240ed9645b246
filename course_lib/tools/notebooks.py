"""Open, reset and check the learner's copies of the lessons; run and store the shipped lessons.

`python -m course_lib.tools.notebooks open|copy|reset|check|run|store`. The Makefile has a target
for each command that you need every day.
"""

import argparse
import sys
from pathlib import Path

from course_lib.lab.lessons import is_exercise, lesson_name, lesson_number, read, shipped
from course_lib.tools.copies import check, copy, open_lab, reset
from course_lib.tools.running import (
    CellError,
    execute,
    filled,
    fresh_work,
    nbval_command,
    run,
    store,
)
from course_lib.tools.stored_form import clean, is_clean, is_marked, text_of

# The commands, and what tests and an author's own scripts need to handle lessons.
__all__ = [
    "CellError",
    "check",
    "chosen",
    "clean",
    "copy",
    "execute",
    "filled",
    "fresh_work",
    "is_clean",
    "is_exercise",
    "is_marked",
    "lesson_name",
    "lesson_number",
    "main",
    "nbval_command",
    "open_lab",
    "read",
    "reset",
    "run",
    "shipped",
    "some",
    "store",
    "text_of",
]


def main() -> int:
    """Run the command line and return the process's exit code."""
    parser = _parser()
    arguments, flags = parser.parse_known_args()
    if flags and arguments.command != "open":
        parser.error(f"unrecognized arguments: {' '.join(flags)}")
    try:
        succeeded = _run_command(arguments, flags)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    return 0 if succeeded else 1


def chosen(number: str) -> Path:
    """Return the lesson with this number. If there is none, exit with a list of the lessons."""
    known = []
    for lesson in shipped():
        its_number = lesson_number(lesson)
        if number in (its_number, f"0{its_number}"):
            return lesson
        _, _, name = lesson.stem.partition("_")
        known.append(f"{its_number} {name}")
    problem = f"There is no lesson {number}" if number else "Choose a lesson, as in LESSON=2"
    sys.exit(f"{problem}. The lessons: {', '.join(known) or 'none yet'}.")


def some(number: str | None) -> list[Path]:
    """Return the lesson with this number, or all lessons without one."""
    return [chosen(number)] if number else shipped()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.tools.notebooks", description=__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "open", help="seed the table, create missing copies, start JupyterLab with any flags given"
    )
    commands.add_parser("copy", help="create the learner's copies that are missing")
    reset_one = commands.add_parser("reset", help="create a new copy of a lesson; keep the old one")
    check_one = commands.add_parser("check", help="test the learner's copy of a lesson")
    run_some = commands.add_parser("run", help="run the lessons with their exercises filled in")
    store_some = commands.add_parser("store", help="write the lessons in their stored form")
    store_some.add_argument(
        "--run", action="store_true", help="first run them, to update the output of marked cells"
    )
    for command in (reset_one, check_one):
        command.add_argument("lesson", nargs="?", default="", help="its number")
    for command in (run_some, store_some):
        command.add_argument("lesson", nargs="?", help="its number; without one, all lessons")
    return parser


def _run_command(arguments: argparse.Namespace, flags: list[str]) -> bool:
    """Run the chosen command, and return False if a lesson failed."""
    match arguments.command:
        case "open":
            open_lab(flags)
        case "copy":
            copy()
        case "reset":
            reset(chosen(arguments.lesson))
        case "check":
            return check(chosen(arguments.lesson))
        case "run":
            # A list runs every lesson, even after one has failed.
            return all([run(lesson) is not None for lesson in some(arguments.lesson)])
        case "store":
            for lesson in some(arguments.lesson):
                store(lesson, run_first=arguments.run)
    return True


if __name__ == "__main__":
    sys.exit(main())
