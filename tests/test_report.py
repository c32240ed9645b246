"""The report card shows what was measured, lists what is missing, and marks a shortened run."""

import math
from dataclasses import replace

import pytest

from course_lib.lab import paths, progress
from course_lib.lab.load_generator import TOO_MANY_REQUESTS, Load
from course_lib.lab.sender import Answer
from course_lib.report_card import metrics, report, traffic
from course_lib.report_card.checklist import Checklist, Point
from course_lib.tools import notebooks

NAMES = [traffic.STATS, traffic.LISTS]


def side(stats, lists=(), *, statements=4, outcomes=("", "")):
    """Return a load with these latencies, in seconds."""
    answers = [Answer(0, latency, 200, *outcomes, statements, 0.0) for latency in stats]
    return Load(
        [*answers, *(Answer(1, latency, 200, "", "", 1, 0.0) for latency in lists)],
        1.0,
        NAMES,
        0.001,
        True,
    )


def attacked(honest, attacker, most=1):
    statuses = [(0, status) for status in honest] + [(1, status) for status in attacker]
    answers = [Answer(route, 0.001, status, "", "", 0, 0.0) for route, status in statuses]
    return traffic.Attack(
        Load(answers, 1.0, [traffic.HONEST, traffic.ATTACKER], 0.001, True), most, False
    )


SLOW = side([0.8] * 10, [0.06] * 10)
QUICK = replace(
    side([0.004] * 9 + [0.3], [0.002] * 90, statements=0, outcomes=("hit", "hit")),
)
REPLAY = traffic.SameTraffic(SLOW, QUICK, QUICK, 5.0, 10.0, short=False)
ATTACK = attacked([200], [200, TOO_MANY_REQUESTS])
STRESS = traffic.Stress(QUICK, 128, 100_000_000, 101_000_000, short=False)
READY = Checklist((Point("monitoring is on", False, "it is off", "Turn it on."),))


@pytest.fixture
def card():
    return report.ReportCard(REPLAY, ATTACK, STRESS, READY)


def met(replay=REPLAY, attack=ATTACK):
    return [metric.met for metric in metrics.metrics(replay, attack)]


def test_the_table_shows_what_was_measured(card):
    table = card.table()
    assert list(table["before"]) == ["800 ms", "no cache", "1,000", "800 ms", "none"]
    assert list(table["after"][:4]) == ["4 ms", "100.0%", "0", "2 ms"]
    assert table["after"].iloc[4] == "1 of the attacker's 2, 0 of the others' 1"
    assert met() == [True] * 5


def test_statements_are_scaled_to_a_thousand_a_minute_before():
    half = replace(REPLAY, on=side([0.004] * 10, statements=2, outcomes=("hit", "hit")))
    queries = metrics.metrics(half, ATTACK)[2]
    assert (queries.after, queries.met) == ("500", False)
    assert "4,000 and 2,000" in queries.traffic


@pytest.mark.parametrize(
    ("replay", "missed"),
    [
        (
            replace(
                REPLAY, on=side([0.021] * 10, [0.001] * 90, statements=0, outcomes=("hit", "hit"))
            ),
            0,
        ),
        (
            replace(
                REPLAY, on=side([0.004] * 10, [0.001] * 90, statements=0, outcomes=("miss", "hit"))
            ),
            1,
        ),
        (
            replace(
                REPLAY, on=side([0.004] * 10, [0.001] * 90, statements=1, outcomes=("hit", "hit"))
            ),
            2,
        ),
        (
            replace(
                REPLAY, on=side([0.004] * 10, [0.2] * 90, statements=0, outcomes=("hit", "hit"))
            ),
            3,
        ),
    ],
)
def test_a_target_that_is_missed_is_not_met(replay, missed):
    assert met(replay) == [number != missed for number in range(5)]


@pytest.mark.parametrize(
    "attack",
    [
        attacked([TOO_MANY_REQUESTS], [200, TOO_MANY_REQUESTS]),
        attacked([200], [200, 200]),
        attacked([200], [200, 200, TOO_MANY_REQUESTS]),
        attacked([200], [TOO_MANY_REQUESTS]),
    ],
    ids=["an honest client rejected", "none rejected", "too many admitted", "none admitted"],
)
def test_rejecting_the_wrong_requests_is_not_met(attack):
    assert met(attack=attack) == [True, True, True, True, False]


def test_a_cache_without_lookups_is_a_dash_and_not_met():
    without = replace(REPLAY, on=side([0.004] * 10, statements=0))
    assert math.isnan(without.on.hit_rate())
    hits = metrics.metrics(without, ATTACK)[1]
    assert (hits.after, hits.met) == ("-", False)


def test_the_alt_text_of_the_picture_has_its_figures_and_the_number_of_targets_met(card):
    picture = card.picture()
    assert picture.alt.startswith(
        "4 of 4 targets are met. stats endpoint, P50 under 20 ms from 800 ms to 4 ms;"
    )
    slower = replace(REPLAY, on=side([0.05] * 10, statements=0, outcomes=("hit", "hit")))
    assert (
        report.ReportCard(slower, ATTACK, STRESS, READY)
        .picture()
        .alt.startswith("3 of 4 targets are met")
    )


def test_save_writes_a_page_with_every_part_beside_the_copies(card, work):
    progress.record("prediction", "caching", "a hit", guess=7, sure=80, unit="times")
    progress.record(
        "verdict",
        "indexing",
        "composite",
        verdict="refused",
        misconception="order",
        sentence="<Order> counts.",
    )
    message = card.save()
    page = (work / "report_card.html").read_text(encoding="utf-8")
    assert "report_card.html" in message
    assert (work / "report_card.png").read_bytes().startswith(b"\x89PNG")
    for part in (
        "800 ms",
        "Turn it on.",
        "128 users at once",
        "a hit",
        "&lt;Order&gt; counts.",
        "missing: open",
        "<img alt",
    ):
        assert part in page, part
    assert report.SHORTENED not in page


@pytest.mark.parametrize("part", ["replay", "attack", "stress"])
def test_a_card_with_a_shortened_part_is_marked_on_its_page_and_picture(card, part):
    shortened = replace(card, **{part: replace(getattr(card, part), short=True)})
    assert report.SHORTENED in repr(shortened)
    assert report.SHORTENED in shortened._repr_html_()
    assert report.SHORTENED in shortened.picture().alt


def test_a_lesson_is_missing_started_or_done():
    caching = next(path for path in notebooks.shipped() if notebooks.lesson_name(path) == "caching")
    stubs = filter(notebooks.is_exercise, notebooks.read(caching).cells)
    exercises = [stub.metadata["exercise"].split(".")[1] for stub in stubs]
    for name in exercises:
        progress.record("verdict", "caching", name, verdict="right")
    progress.record("verdict", "indexing", "composite", verdict="right")
    progress.record("verdict", "monitoring", "timer", verdict="refused", misconception="seen")
    table = report.lessons()
    assert list(table["state"]) == [
        "done",
        "started",
        "missing: open 03_rate_limiting.ipynb",
        "missing: open 04_monitoring.ipynb",
    ]
    assert table["exercises"].iloc[0] == f"{len(exercises)} of {len(exercises)}"
    assert list(table["misconceptions met"]) == [0, 0, 0, 1]


def test_a_later_right_answer_clears_a_misconception_and_a_slip_is_not_one():
    def verdict(name, verdict, misconception=None):
        sentence = f"That is {misconception}."
        progress.record(
            "verdict",
            "caching",
            name,
            verdict=verdict,
            misconception=misconception,
            sentence=sentence,
        )

    verdict("cache_aside", "refused", "falsy_hit")
    verdict("cache_aside", "refused", "raised")
    verdict("cache_aside", "refused", "falsy_hit")
    verdict("cache_aside", "right")
    verdict("jitter", "right")
    verdict("jitter", "refused", "no_spread")
    table = report.misconceptions()
    assert list(table.index) == ["cache_aside", "jitter"]
    assert list(table["misconception"]) == ["That is falsy_hit.", "That is no_spread."]
    assert list(table["cleared"]) == ["yes", "not yet"]


def test_without_misconceptions_a_card_replaces_the_table():
    assert "No misconceptions" in repr(report.misconceptions())


def test_saving_to_a_folder_that_cannot_be_written_raises_an_error_that_names_it(
    card, monkeypatch, tmp_path
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(paths, "WORK", tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        card.save()
