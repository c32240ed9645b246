"""What all tests share: the learner's own progress is left alone, and Redis is real."""

import shutil

import pytest

from course_lib.lab import paths, redis_server


@pytest.fixture(autouse=True)
def work(tmp_path_factory, monkeypatch):
    """A folder of the test's own instead of work/, here and in every child."""
    folder = tmp_path_factory.mktemp("work")
    monkeypatch.setattr(paths, "WORK", folder)
    monkeypatch.setenv("COURSE_WORK", str(folder))
    monkeypatch.setenv("COURSE_SHORT", "1")
    return folder


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
