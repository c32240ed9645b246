"""The report card shows what was measured, lists what is missing, and marks a shortened run."""

import math
from dataclasses import replace

import pytest

from course_lib.lab import paths, progress
from course_lib.lab.lessons import exercise_of
from course_lib.lab.load_generator import TOO_MANY_REQUESTS, Load
from course_lib.lab.sender import Answer
from course_lib.report_card import budget, report, traffic, trial
from course_lib.report_card.checklist import Checklist, Point
from course_lib.tools import notebooks

NAMES = [traffic.STATS, traffic.LISTS]


def side(stats, lists=(), *, statements=4, outcomes=("", ""), status=200):
    """Return a load with these latencies, in seconds."""
    answers = [Answer(0, latency, status, *outcomes, statements, 0.0) for latency in stats]
    answers += [Answer(1, latency, 200, "", "", 1, 0.0) for latency in lists]
    return Load(answers, 1.0, NAMES, 0.001, True)


def attacked(honest, attacker, most=1):
    statuses = [(0, status) for status in honest] + [(1, status) for status in attacker]
    answers = [Answer(route, 0.001, status, "", "", 0, 0.0) for route, status in statuses]
    names = [traffic.HONEST, traffic.ATTACKER]
    return traffic.Attack(Load(answers, 1.0, names, 0.001, True), most, False)


HIT = ("hit", "hit")
ALONE = side([0.004] * 3)
HELD_BACK = attacked([200], [200] + [TOO_MANY_REQUESTS] * 9)
QUICK = side([0.004] * 9 + [0.3], [0.002] * 90, statements=0, outcomes=HIT)
BEFORE = budget.Trial({}, side([0.8] * 10), side([0.5]), attacked([200], [200]), short=False)
AFTER = budget.Trial({"cache": True, "limits": "1/second"}, QUICK, ALONE, HELD_BACK, short=False)
STRESS = traffic.Stress(QUICK, 128, 100_000_000, 101_000_000, short=False)
READY = Checklist((Point("monitoring is on", False, "it is off", "Turn it on."),))


@pytest.fixture
def trials(monkeypatch):
    """Return trials that are done; any other that's needed is like the one before."""
    monkeypatch.setattr(trial, "_measure", lambda fixes, _: replace(BEFORE, fixes=fixes))
    trials = trial.Trials()
    trials.done = [BEFORE, AFTER]
    return trials


@pytest.fixture
def card(trials):
    return report.ReportCard(trials, STRESS, READY, "I count <queries>.")


def met(one):
    return [measure.met for measure in budget.measures(one)]


# --- the budget -------------------------------------------------------------------------------


def test_the_measures_are_what_was_measured():
    texts = [measure.text for measure in budget.measures(AFTER)]
    assert texts == ["4 ms", "1.0% of 100", "0.00", "10% of 10"]
    assert met(AFTER) == [True] * 4
    assert met(BEFORE) == [False] * 4
    assert AFTER.met
    assert "The budget is met." in repr(AFTER)
    assert "NOT MET" in BEFORE._repr_html_()


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({"alone": side([0.021])}, 0),
        ({"mix": side([0.2] * 2, [0.002] * 8, statements=0)}, 1),
        ({"mix": side([0.004] * 10, statements=1)}, 2),
        ({"attack": attacked([200], [200] * 3 + [TOO_MANY_REQUESTS] * 7)}, 3),
        ({"attack": attacked([TOO_MANY_REQUESTS], [200] + [TOO_MANY_REQUESTS] * 9)}, 3),
        ({"attack": attacked([200], [TOO_MANY_REQUESTS] * 9)}, 3),
    ],
)
def test_a_target_that_is_missed_is_not_met(changed, missed):
    assert met(replace(AFTER, **changed)) == [number != missed for number in range(4)]


def test_failed_and_unanswered_requests_are_late_and_rejected_ones_do_not_count():
    answers = [
        Answer(0, 0.001, status, "", "", 0, 0.0) for status in (200, 500, 0, -1, TOO_MANY_REQUESTS)
    ]
    assert budget.late_share(Load(answers, 1.0, NAMES, 0.001, True)) == 3 / 4


def test_statements_are_counted_for_requests_that_worked():
    failed = side([0.8] * 10, status=500, statements=1)
    worked = side([0.8] * 2, statements=4)
    mixed = replace(BEFORE, mix=Load.joined([failed, worked]))
    assert mixed.statements == 4
    assert math.isnan(replace(BEFORE, mix=failed).statements)
    unknown = budget.measures(replace(BEFORE, mix=failed))[2]
    assert (unknown.text, unknown.met) == ("none answered", False)


def test_a_verdict_says_when_chance_may_have_decided_it():
    near = replace(AFTER, mix=side([0.2] * 9, [0.002] * 91, statements=0))
    far = replace(AFTER, mix=side([0.2], [0.002] * 99, statements=0))
    assert budget.measures(near)[1].verdict == "met (so close that chance may have decided)"
    assert budget.measures(far)[1].verdict == "met"


def test_each_kind_of_key_has_its_own_hits_and_a_verdict_by_those_that_are_possible(monkeypatch):
    monkeypatch.setattr(traffic, "possible_hits", {5: 3}.get)
    answers = [
        Answer(0, 0.001, 200, platform, user, 0, 0.0)
        for platform, user in zip(
            ["miss", *["hit"] * 4], [*["miss"] * 3, "hit", "hit"], strict=True
        )
    ]
    table = budget.hit_rates(replace(AFTER, mix=Load(answers, 1.0, NAMES, 0.001, True)))
    assert list(table["hits"]) == ["4 (80%)", "2 (40%)", "6 (60%)"]
    assert list(table["possible hits"]) == ["4 (80%)", "3 (60%)", "7 (70%)"]
    assert list(table["over 80% of the possible hits"]) == ["met", "NOT MET", "met"]


def test_without_lookups_hits_are_a_dash_and_the_target_is_not_met():
    table = budget.hit_rates(BEFORE)
    assert set(table["hits"]) == {"-"}
    assert set(table["over 80% of the possible hits"]) == {"NOT MET"}


# --- trials -----------------------------------------------------------------------------------


def test_the_final_trial_is_the_last_that_met_the_budget(trials):
    assert trials.final() is AFTER
    trials.run({"indexes": True})
    assert trials.final() is AFTER
    assert trials.before() is BEFORE


def test_without_a_trial_that_met_the_budget_ours_is_run_once_and_a_card_says_so(
    trials, monkeypatch
):
    shown = []
    monkeypatch.setattr(trial, "display", shown.append)
    trials.done = [BEFORE]
    assert trials.final().fixes == trial.OURS
    assert trials.final() is trials.final()
    assert len(shown) == 1
    assert "our choice" in repr(shown[0]).lower()


def test_each_fix_is_tried_alone_with_its_options_and_no_trial_is_run_twice(trials):
    table = trials.each_fix()
    names = ["none", "indexes alone", "cache alone", "limits alone", "monitor alone", "all"]
    assert list(table.index) == names
    assert trials.alone("limits").fixes == {"limits": "1/second"}
    done = len(trials.done)
    trials.each_fix()
    assert len(trials.done) == done == 6


def test_the_options_of_a_fix_stay_with_it():
    assert trial.only(trial.OURS, "cache") == {"cache": True, "user_ttl": 300, "platform_ttl": 60}
    assert trial.only(trial.OURS, "monitor") == {"monitor": True}


def test_the_picture_compares_each_fix_alone_with_all_of_them(trials):
    assert trials.picture().alt.startswith("Late: 1% with all fixes, 100% with the best one alone.")


def test_what_is_off_and_its_options_change_nothing():
    assert trial._effective({"indexes": True, "cache": False, "user_ttl": 5, "limits": None}) == {
        "indexes": True
    }
    assert trial._effective(trial.OURS) == trial.OURS


@pytest.mark.parametrize(
    ("fixes", "message"),
    [
        ({"index": True}, r"no fix 'index'; there are\n  indexes"),
        (["indexes"], r"fixes is \['indexes'\]; write a dict"),
        ({"cache": "no"}, "cache is 'no'; write True or False, without quotes"),
        ({"limits": True}, "limits is True; write"),
        ({"limits": "lots"}, "'lots' is not a limit"),
        ({"algorithm": "bucket"}, "algorithm is 'bucket'; choose one of fixed_window, "),
        ({"limits": "5/second burst 9", "algorithm": "sliding_log"}, "only token_bucket has a"),
        ({"cache": True, "platform_ttl": 61}, "60 seconds old at most"),
        ({"cache": True, "user_ttl": 0}, "user_ttl is 0; write a number of seconds above 0"),
        ({"cache": True, "user_ttl": "5"}, "user_ttl is '5'"),
    ],
)
def test_a_fix_that_makes_no_sense_is_an_error_before_anything_runs(fixes, message):
    with pytest.raises(ValueError, match=message):
        trial.Trials().run(fixes)


@pytest.mark.measures
def test_a_trial_with_our_fixes_runs_fewer_statements_and_holds_back_the_attacker(monkeypatch):
    monkeypatch.setenv("COURSE_ROWS", "20000")
    trials = trial.Trials()
    before, after = trials.before(), trials.run(trial.OURS)
    routes = [one.mix.names[answer.route] for one in (before, after) for answer in one.mix.answers]
    half = len(routes) // 2
    assert sorted(routes[:half]) == sorted(routes[half:])
    assert before.statements == 4 > after.statements
    assert before.attack.admitted_share == 1 > after.attack.admitted_share > 0
    assert after.attack.honest_rejected == 0
    assert before.short


# --- the card ---------------------------------------------------------------------------------


def test_the_table_shows_before_and_after(card):
    table = card.table()
    assert list(table["before"]) == ["500 ms", "100.0% of 10", "4.00", "100% of 1"]
    assert list(table["after"]) == ["4 ms", "1.0% of 100", "0.00", "10% of 10"]


def test_the_alt_text_of_the_picture_has_its_figures_and_the_number_of_targets_met(card):
    alt = card.picture().alt
    assert alt.startswith("4 of 4 targets are met. stats, one at a time (P50) at most 20 ms from")
    assert "from 100.0% to 1.0%" in alt


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
        "500 ms",
        "indexes alone",
        "both together",
        "Turn it on.",
        "128 users at once",
        "a hit",
        "&lt;Order&gt; counts.",
        "missing: open",
        "<img alt",
        "I count &lt;queries&gt;.",
    ):
        assert part in page, part
    assert report.SHORTENED not in page


def test_a_card_with_a_shortened_part_is_marked_on_its_page_and_picture(card, trials):
    stress = replace(card, stress=replace(STRESS, short=True))
    trials_of_another = trial.Trials()
    trials_of_another.done = [BEFORE, replace(AFTER, short=True)]
    for shortened in (stress, replace(card, trials=trials_of_another)):
        assert report.SHORTENED in repr(shortened)
        assert report.SHORTENED in shortened._repr_html_()
        assert report.SHORTENED in shortened.picture().alt


# --- what the learner did ---------------------------------------------------------------------


def test_a_lesson_is_missing_started_or_done():
    caching = next(path for path in notebooks.shipped() if notebooks.lesson_name(path) == "caching")
    stubs = filter(notebooks.is_exercise, notebooks.read(caching).cells)
    exercises = [name for _, name in map(exercise_of, stubs)]
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
