"""What all tests share: the learner's own progress is left alone."""

import pytest

from course_lib.lab import paths


@pytest.fixture(autouse=True)
def work(tmp_path_factory, monkeypatch):
    """A folder of the test's own instead of work/, here and in every child."""
    folder = tmp_path_factory.mktemp("work")
    monkeypatch.setattr(paths, "WORK", folder)
    monkeypatch.setenv("COURSE_WORK", str(folder))
    return folder
