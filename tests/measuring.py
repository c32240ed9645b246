"""Run measuring tests beside others, then run those that failed once more, alone.

    runs beside others --passes--> passed
                       --fails---> runs again alone --passes--> passed, and named in the summary
                                                    --fails---> failed

A test marked `measures` depends on how fast something is, and one marked `timed` on a time limit,
so other work on the machine can make it fail. When several workers share the machine, such a
failure doesn't count yet: after the last test, the test runs once more with nothing beside it, and
only that result counts. The summary names every test that ran again, so a flaky claim can't hide.

Workers that can't end are ended here, so that those results are always shown.
"""

import faulthandler
import subprocess
import sys
from collections.abc import Generator

import pytest

AGAIN = "run again alone"
MARKS = {
    "measures": "depends on speed; its failure counts only if nothing ran beside it",
    "timed": "depends on a time limit, such as the Redis client's; treated like `measures`",
}
SECONDS_TO_FINISH = 120


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks and the plugin that runs tests again.

    Workers don't need the plugin: only the process that started them sees when all have ended.
    """
    for mark, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{mark}: {meaning}")
    if not is_worker(config):
        config.pluginmanager.register(RunsAgain(config))


def is_worker(config: pytest.Config) -> bool:
    """Return True if this process is one of several that run tests side by side."""
    return hasattr(config, "workerinput")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the failure of such a test from counting if other tests ran beside it."""
    report = yield
    is_marked = any(item.get_closest_marker(mark) for mark in MARKS)
    if is_worker(item.config) and report.failed and is_marked:
        report.outcome = AGAIN  # type: ignore[assignment]
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """End a worker that can't finish after its last test, and show what its threads wait for.

    A test that hangs is ended by pytest's own `faulthandler_timeout`, which stops at the last test.
    A worker that has finished waits until the others have, which may take minutes.
    """
    if is_worker(session.config):
        faulthandler.dump_traceback_later(SECONDS_TO_FINISH, exit=True, file=sys.__stderr__)
    try:
        return (yield)
    finally:
        if is_worker(session.config):
            faulthandler.cancel_dump_traceback_later()


class RunsAgain:
    """Run again, alone, the measuring tests that failed beside others; list them in the summary."""

    def __init__(self, config: pytest.Config) -> None:
        self.root = config.rootpath
        self.first_reports: list[pytest.TestReport] = []
        self.output = ""

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Show a failure that doesn't count yet as an A."""
        return (AGAIN, "A", "AGAIN") if report.outcome == AGAIN else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the tests that have to run again."""
        if report.outcome == AGAIN:
            self.first_reports.append(report)

    @pytest.hookimpl(trylast=True)  # by then the workers have ended
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Run the tests again, one after another, in a process of their own."""
        if not self.first_reports:
            return
        tests = dict.fromkeys(report.nodeid for report in self.first_reports)
        options = ["-p", "no:cacheprovider", "-rA", "--tb=short"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        self.output = done.stdout + done.stderr
        if done.returncode:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show how each of these tests failed beside others, then its result alone."""
        if not self.first_reports:
            return
        for report in self.first_reports:
            terminalreporter.section(f"failed beside others: {report.nodeid}", "_")
            report.toterminal(terminalreporter._tw)
        terminalreporter.section("the same tests alone, which is what counts")
        terminalreporter.write_line(self.output)
