"""Our English, as far as a machine can check it, and lines of at most 100 characters.

`python tests/test_style.py PATH...` prints what it finds in any file or folder.
"""

import sys
from pathlib import Path

import pytest
from prose import ROOT, Finding, Passage, faults, files_in, findings

# Files and folders that have to be clean.
CLEAN = [
    ".ci/run",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "course_lib",
    "data/README.md",
    "docs",
    "environment.yml",
    "tests",
]
# What a rule finds although it's right: a file or folder, a part of the sentence, and the reason.
EXCEPTIONS = [
    ("docs/checks.md", "", "a test writes this page from the words of the exercises"),
    ("tests/answers/", "", "they are written as learners would"),
    ("tests/prose.py", "", "its patterns are the words that we avoid"),
    ("tests/test_style.py", "", "its examples are sentences that we'd rewrite"),
]


def is_exception(finding: Finding) -> bool:
    name = finding.file.resolve().as_posix()
    return any(f"/{place}" in name and part in finding.sentence for place, part, _ in EXCEPTIONS)


def faults_in(path: Path) -> list[str]:
    """Return the findings in a file or folder, without the exceptions, as lines to print."""
    found = [finding for file in files_in(path) for finding in findings(file)]
    return [str(finding) for finding in found if not is_exception(finding)]


@pytest.mark.parametrize("path", CLEAN)
def test_every_sentence_and_line_follows_the_style(path):
    assert (ROOT / path).exists(), f"{path} is gone: take it off the list"
    remaining = faults_in(ROOT / path)
    assert not remaining, "\n".join(remaining)


GOOD = [
    "For whom is this lesson, and who is it by?",
    "The user who sends it, and the client that waits, get what they asked for.",
    "It doesn't matter who asks, regardless of who pays.",
    "A folder where there is no file yet; that's where it is.",
    "Show where it isn't covered, and put it where it belongs.",
    "`cache.py`, where the lease is released, is the file to read.",
    "`None` stands for a missing value, and a letter stands in for a name.",
    "The problem lies in the query, and a share lies between 0 and 1.",
    "There are so many requests that one has to wait.",
    "Return it as soon as it is stored.",
    "Why so many?",
    "Anyone can read it. Each worker takes one, and the other worker waits.",
]
BAD = [
    (2, "One trap, for who uses Redis by hand."),
    (2, "Who was refused gets in later."),
    (2, "Here is what became of a request."),
    (3, "Where nothing is missing, nothing is locked."),
    (3, "Return the bytes, or `None` where there is nothing."),
    (3, "RedisUnavailable where Redis does not answer."),
    (3, "Load it where it is not cached."),
    (5, "The value stands under the key."),
    (5, "Your copies lie in `work/`."),
    (7, "It stops everybody."),
    (8, "We call both in turns."),
    (9, "Changing a limit begins it anew."),
    (9, "The dearer query is slower."),
    (9, "Send it from so many users."),
    (9, "Leave the file as it is."),
    (10, "Of a histogram each bound is met."),
]


@pytest.mark.parametrize("sentence", GOOD)
def test_good_english_raises_no_alarm(sentence):
    assert list(faults(Passage(1, sentence))) == []


@pytest.mark.parametrize(("rule", "sentence"), BAD)
def test_each_rule_finds_a_sentence_that_breaks_it(rule, sentence):
    assert [found for found, _ in faults(Passage(1, sentence))] == [f"rule {rule}"]


def test_docstrings_comments_strings_and_lines_are_read(tmp_path):
    file = tmp_path / "module.py"
    file.write_text(
        '"""Say it anew."""\n\n\n'
        "def function():\n"
        '    """What it gives."""\n'
        "    # This is for who reads\n"
        "    # the comment.\n"
        '    raise ValueError(f"nobody has {function} here")\n'
        f"LONG = {'1' * 100}\n"
    )
    found = [(finding.line, finding.rule) for finding in findings(file)]
    assert sorted(found) == [
        (1, "rule 9"),
        (5, "rule 6"),
        (6, "rule 2"),
        (8, "rule 7"),
        (9, "107 characters"),
    ]


def test_code_in_markdown_is_not_read(tmp_path):
    file = tmp_path / "page.md"
    file.write_text("# Who may import whom\n\n```\nnobody\n```\n\n    anew\n\nRead `nobody`.\n")
    assert list(findings(file)) == []


@pytest.mark.parametrize(("place", "part", "reason"), EXCEPTIONS)
def test_an_exception_names_a_place_that_exists_and_its_reason(place, part, reason):
    assert reason
    assert any(part in file.read_text(encoding="utf-8") for file in files_in(ROOT / place))


def main() -> int:
    """Print the findings in the paths given on the command line."""
    remaining = [line for path in sys.argv[1:] for line in faults_in(Path(path))]
    for line in remaining:
        print(line)
    return 1 if remaining else 0


if __name__ == "__main__":
    sys.exit(main())
