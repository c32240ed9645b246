"""The examples in README.md run as they are, against a real Redis and a real SQLite file."""

import ast
import asyncio
import inspect
import re
import shutil

import pytest

from course_lib.lab import events, paths, redis_server

ROOT = paths.ROOT
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
NAMES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
PAGES = [ROOT / name for name in NAMES]
PAGES += sorted((ROOT / "docs").glob("*.md"))


@pytest.fixture
def app_db(tmp_path, monkeypatch):
    """Put a small events table into the current directory, as app.db."""
    monkeypatch.chdir(tmp_path)
    with events.copy(rows=20_000) as copy:
        shutil.copyfile(copy, tmp_path / "app.db")


def run(example):
    """Run an example on the lessons' Redis, and return the names it defines."""
    source = example.replace("redis://localhost:6379", redis_server.url())
    code = compile(source, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {}

    async def evaluate():
        result = eval(code, names)
        if inspect.isawaitable(result):
            await result

    asyncio.run(evaluate())
    return names


def example_of(package):
    (example,) = (example for example in EXAMPLES if f"from course_lib.{package} " in example)
    return example


def test_the_cache_example_loads_the_stats(app_db):
    assert run(example_of("cache"))["stats"] == {"events": 33}


def test_the_optimizer_example_prints_a_scan_and_then_a_search(app_db, capsys):
    run(example_of("optimizer"))
    printed = capsys.readouterr().out
    assert printed.index("SCAN events") < printed.index("by_user")


def test_the_advisor_example_recommends_an_index(app_db, capsys):
    run(example_of("advisor"))
    assert "CREATE INDEX" in capsys.readouterr().out


def test_the_limiter_example_prints_what_remains(app_db, capsys):
    run(example_of("limiter"))
    assert capsys.readouterr().out == "99\n"


def test_the_monitor_example_watches_an_app(app_db):
    from fastapi.testclient import TestClient

    names = run(example_of("monitor"))
    TestClient(names["app"]).get("/unknown")
    assert len(names["monitor"].get_performance_metrics()) == 1


def test_every_example_is_tested():
    tested = {
        example_of(package) for package in ("cache", "optimizer", "advisor", "limiter", "monitor")
    }
    assert set(EXAMPLES) == tested


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    files = [target for target in targets if "://" not in target]
    assert [target for target in files if not (page.parent / target).exists()] == []
