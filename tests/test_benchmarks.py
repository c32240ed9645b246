"""`make bench` measures our part without the peers, and draws its conclusions from the figures."""

import asyncio
import sys

import pytest
from fastapi import FastAPI

from course_lib.lab import paths, serve
from course_lib.lab.comparison import Comparison
from course_lib.lab.load_generator import Load
from course_lib.lab.sender import Answer
from course_lib.report_card import traffic

sys.path.insert(0, str(paths.ROOT / "benchmarks"))
import caching
import indexing
import limiter
import load
import page
import tables
import whole_api
from apps import PEERS
from tables import Contest


def contest(ours, peer, bar, is_rate=False):
    """Return a contest in which the floor takes a second, ours and the peer this many."""
    seconds = {"floor": 1.0, "ours": ours, "peer": peer}
    samples = {name: (value,) * 10 for name, value in seconds.items()}
    return Contest("A hit", Comparison(samples), {"ours": bar}, is_rate)


def test_a_faster_peer_and_a_missed_bar_are_stated():
    lines = tables.conclusions([contest(ours=1.5, peer=1.2, bar=1.1)])
    assert lines == [
        "- **We lose.** A hit: *ours* takes 1.25 (1.25 to 1.25) times as long as peer.",
        "- **We miss a bar.** A hit: *ours* is 1.50 (1.50 to 1.50) times the floor,"
        " not at most 1.10.",
    ]


def test_a_bar_inside_the_interval_is_missed_with_a_doubt():
    samples = {"floor": (1.0,) * 10, "ours": (1.0, 1.3) * 5}
    sure = Contest("A hit", Comparison(samples), {"ours": 0.99})
    assert "run more rounds" not in tables.conclusions([sure])[-1]
    unsure = Contest("A hit", Comparison({**samples, "ours": (0.9, 1.3, 1.3) * 4}), {"ours": 1.1})
    assert "run more rounds" in tables.conclusions([unsure])[-1]


def test_bars_that_are_met_and_slower_peers_are_stated():
    lines = tables.conclusions([contest(ours=1.05, peer=1.2, bar=1.1)])
    assert lines == ["- No peer was faster.", "- We meet all of our bars."]


def test_a_peer_that_may_be_as_fast_is_not_counted_as_faster():
    samples = {"floor": (1.0,) * 10, "ours": (1.0, 2.0) * 5, "peer": (1.0, 1.9) * 5}
    drawn = Contest("A hit", Comparison(samples), {"ours": None})
    assert tables.conclusions([drawn]) == ["- No peer was faster."]


@pytest.mark.parametrize(("seconds", "is_met"), [(0.5, True), (0.9, False)])
def test_a_rate_has_to_reach_its_bar(seconds, is_met):
    rate = contest(ours=seconds, peer=2.0, bar=1.2, is_rate=True)
    assert ("- We meet all of our bars." in tables.conclusions([rate])) == is_met


def test_each_variant_is_a_row_with_its_median_ratio_and_bar():
    text = tables.markdown("Caching", "What it is.", [contest(ours=1.05, peer=1.2, bar=1.1)])
    assert "| A hit | floor | 1 s | 1 |  |" in text
    assert "| A hit | **ours** | 1.05 s | 1.05 (1.05 to 1.05) | at most 1.10 |" in text


@pytest.fixture
def no_peers(monkeypatch):
    for module in (caching, limiter, whole_api):
        monkeypatch.setattr(module, "find_spec", lambda name: None)


@pytest.mark.parametrize("subject", ["caching", "limiting", "api"])
def test_a_subject_is_measured_without_the_peers(no_peers, monkeypatch, subject):
    monkeypatch.setattr(page, "FAST", 1)
    monkeypatch.setattr(limiter, "SCRIPTS", ["token_bucket"])
    monkeypatch.setattr(whole_api, "SECONDS", 0.05)
    monkeypatch.setattr(whole_api, "ROWS", 2_000)
    monkeypatch.setattr(whole_api, "USERS", 2)
    written = page.page([subject], rounds=2, command="make bench ROUNDS=2")
    assert written.count("\n## ") == 1
    assert "- No peer is installed." in written
    assert PEERS not in written


def test_the_page_names_machine_versions_and_command():
    facts = page.measured_with(100, "make bench")
    for name in ("- Command: `make bench`", "CPython", "redis ", "fastapi ", "on a Unix socket"):
        assert name in facts


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(tables, "PACKAGES", ("redis", "no-such-package"))
    assert tables.versions().endswith("Not installed, so not measured: no-such-package")


def test_calls_are_interleaved_and_all_of_them_are_made():
    made = []

    async def call(name):
        made.append(name)

    variants = {"a": lambda: call("a"), "b": lambda: call("b")}
    comparison = asyncio.run(tables.interleaved(variants, rounds=3, calls=4))
    assert len(comparison.samples["a"]) == 3
    assert made.count("a") == made.count("b") == 1 + 3 * 4


def test_lesson_2_is_measured_with_the_indexes_of_its_exercises(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_ROWS", "2000")
    monkeypatch.setattr(indexing, "ROUNDS", 3)
    indexing.measure_first_index()
    indexing.measure_composite_index()
    assert capsys.readouterr().out.count("(bar: ") == 2


def test_the_load_of_many_users_reaches_a_worker():
    with serve.here(FastAPI()) as server:
        sent = load.sender(users=2, seconds=0.1)(server)
    assert sent.answered_share() == 1.0


def test_the_longest_wait_is_shown_without_the_line_for_the_model():
    answers = [
        Answer(route, latency, 200, "", "", 0, 0.0) for route, latency in [(0, 0.5), (1, 9), (0, 1)]
    ]
    sent = Load(answers, 1.0, [traffic.STATS, traffic.PARSES], 0.0, True)
    assert load.longest_waits(sent) == (1, 9)
