"""What all tests share: the learner's own progress is left alone, and Redis is real."""

import gc
import os
import shutil
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from course_lib.lab import paths, redis_server

pytest_plugins = ["tests.measuring"]

CHROMIUM = Path("/usr/bin/chromium")


def pytest_collection_modifyitems(items):
    """Start what measures first: these tests take longest and often wait, so the short ones fill their pauses."""
    items.sort(key=lambda item: item.get_closest_marker("measures") is None)


def pytest_collection_finish():
    """Keep what is imported by now out of garbage collections: each check of an asynchronous answer runs one."""
    gc.freeze()


def pytest_xdist_make_scheduler(config, log):
    """Hand out tests one by one, except for those that share a JupyterLab and a browser."""
    return BrowserTogether(config, log)


class BrowserTogether(LoadScopeScheduling):
    """Runs test_browser.py in one worker."""

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return file if file.endswith("test_browser.py") else nodeid


@pytest.fixture(autouse=True)
def work(tmp_path_factory, monkeypatch):
    """A folder of the test's own instead of work/, here and in every child."""
    folder = tmp_path_factory.mktemp("work")
    monkeypatch.setattr(paths, "WORK", folder)
    monkeypatch.setenv("COURSE_WORK", str(folder))
    monkeypatch.setenv("COURSE_SHORT", "1")
    return folder


@pytest.fixture(
    scope="module"
)  # while Playwright runs, no other test of this process could start an event loop
def chromium():
    """Debian's Chromium, driven by Playwright."""
    if not CHROMIUM.exists():
        reason = (
            f"{CHROMIUM} is missing, so nothing was opened in a browser: apt-get install chromium"
        )
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def anyio_backend():
    """What asynchronous tests run on."""
    return "asyncio"


@pytest.fixture(scope="session", params=["installed", "embedded"])
def any_server(request):
    """A Redis server: the one that is installed here, if any, and the one that the workbook brings along."""
    found = [shutil.which(name) for name in ("redis-server", "valkey-server")]
    if request.param == "installed" and not any(found):
        pytest.skip("no redis-server is installed here")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "embedded":
            patch.setattr(shutil, "which", lambda _: None)
        server = redis_server.start()
    yield server
    server.stop()


@pytest.fixture
def server_to_break():
    """A Redis server of the test's own."""
    with redis_server.start() as server:
        yield server
