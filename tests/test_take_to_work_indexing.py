"""Test that lesson 2's app for work runs as it's printed, in a folder of its own."""

import re
import sqlite3
from contextlib import closing

import pytest
from fastapi.testclient import TestClient

from course_lib.lab import lessons, paths

LESSON = paths.NOTEBOOKS / "02_indexing.ipynb"


@pytest.fixture
def app(tmp_path, monkeypatch):
    """Run the code of the lesson's app in an empty folder."""
    monkeypatch.chdir(tmp_path)
    texts = [cell.source for cell in lessons.read(LESSON).cells if cell.cell_type == "markdown"]
    (code,) = re.findall(r"```python\n(.*?)```", "\n".join(texts), re.DOTALL)
    names: dict = {}
    exec(code, names)
    return names["app"]


def test_the_app_of_lesson_2_creates_its_index_once_and_searches_it(app):
    for _ in range(2):
        with TestClient(app) as client:
            assert client.get("/orders", params={"customer_id": 7}).json() == []
    with closing(sqlite3.connect("shop.db")) as database, database:
        orders = [(number, number % 3, number) for number in range(100)]
        database.executemany("INSERT INTO orders VALUES (?, ?, ?)", orders)
    with TestClient(app) as client:
        newest = client.get("/orders", params={"customer_id": 1}).json()
    assert [number for number, *_ in newest] == list(range(97, 37, -3))
