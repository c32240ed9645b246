"""Print the test files that belong to the files changed since the last commit.

If nothing has changed since, use the files changed in that commit. Test files are found by name
alone: `course_lib/lab/bench.py` has `test_bench.py`, a folder of the package has the tests named
after it, an answer has `test_answers.py`, and a notebook has `test_lessons.py`. `make test` runs
everything.
"""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALWAYS = ["tests/test_imports.py", "tests/test_setup.py"]
FOLDERS = {
    "notebooks": "test_lessons",
    "tests/answers": "test_answers",
    "course_lib/exercises": "test_answers",
    "course_lib/tools": "test_notebooks_commands",
}


def changed() -> list[Path]:
    """Return the files that git sees as changed, relative to the project."""
    for since in ("HEAD", "HEAD~1"):
        tracked = git("diff", "--name-only", since)
        untracked = git("ls-files", "--others", "--exclude-standard")
        names = tracked + untracked
        if names:
            return [Path(name) for name in names]
    return []


def git(*arguments: str) -> list[str]:
    """Return the lines that a git command prints."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def tests_of(file: Path) -> set[str]:
    """Return the test files that belong to a file, as paths within the project."""
    names = {name for folder, name in FOLDERS.items() if file.is_relative_to(folder)}
    if file.is_relative_to("tests"):
        names.add(file.stem)
    if file.is_relative_to("course_lib"):
        _, *folders = file.parent.parts
        names |= {f"test_{part}" for part in (*folders, file.stem)}
    tests = set()
    for name in names:
        for path in (ROOT / "tests").glob(f"{name}*.py"):
            if path.stem.startswith("test_"):
                tests.add(str(path.relative_to(ROOT)))
    return tests


if __name__ == "__main__":
    touched = set(ALWAYS).union(*map(tests_of, changed()))
    print(*sorted(touched), sep="\n")
