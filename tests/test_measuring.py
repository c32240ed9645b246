"""Test that a measuring test that fails beside others runs again alone and is named in the summary.

Only the second result counts.
"""

import subprocess
import sys

import pytest

from course_lib.lab import paths
from tests import measuring

FAILS_BESIDE_OTHERS = "assert not measuring.is_worker(pytestconfig)"


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a test with this body and mark in a worker, or in several.

    It returns the exit code and the output.
    """

    def run(body, mark="measures", conftest="", workers=1):
        ours = 'from tests import measuring\npytest_plugins = ["tests.measuring"]\n'
        (tmp_path / "conftest.py").write_text(ours + conftest)
        (tmp_path / "test_it.py").write_text(
            "import pytest\nfrom tests import measuring\n"
            f"@pytest.mark.{mark}\ndef test_speed(pytestconfig):\n    {body}\n"
        )
        plugins = ["--disable-plugin-autoload", "-p", "xdist.plugin", "-p", "no:cacheprovider"]
        pytest_command = [sys.executable, "-m", "pytest", "-q", *plugins]
        command = [*pytest_command, "--rootdir", tmp_path, "-n", str(workers), tmp_path]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize("mark", measuring.MARKS)
def test_a_measuring_test_that_passes_alone_counts_as_passed_and_is_named(mark, run):
    code, output = run(FAILS_BESIDE_OTHERS, mark)
    assert code == 0
    assert "failed beside others: test_it.py::test_speed" in output
    assert FAILS_BESIDE_OTHERS in output
    assert "1 run again alone" in output


def test_a_measuring_test_that_fails_alone_too_counts_as_failed(run):
    code, output = run("assert False, 'slow'")
    assert code == 1
    assert output.count("AssertionError: slow") >= 2


def test_a_test_without_the_mark_that_fails_beside_others_counts_as_failed_at_once(run):
    code, output = run(FAILS_BESIDE_OTHERS, mark="filterwarnings('error')")
    assert code == 1
    assert "run again alone" not in output


def test_the_summary_mentions_no_second_run_if_nothing_ran_again(run):
    code, output = run("pass")
    assert code == 0
    assert "again" not in output


HANGS_AT_ITS_END = """
import threading
measuring.SECONDS_TO_FINISH = 1

def pytest_sessionfinish(session):
    if measuring.is_worker(session.config):
        threading.Event().wait()
"""


def test_a_worker_that_cannot_end_is_ended_and_shows_what_it_waits_for(run):
    _, output = run("pass", conftest=HANGS_AT_ITS_END)
    assert "in pytest_sessionfinish" in output


def test_a_worker_that_waits_for_the_others_is_not_ended(run):
    finish_soon = "measuring.SECONDS_TO_FINISH = 1\n"
    code, output = run("import time; time.sleep(3)", conftest=finish_soon, workers=2)
    assert code == 0
    assert "Timeout" not in output
