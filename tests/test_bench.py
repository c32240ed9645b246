"""Measurements are interleaved, their figures are those of their definitions, and claims read the same each time."""

import math
import random
import sqlite3
import time
from contextlib import closing
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.lab import bench, events, paths
from course_lib.lab.bench import Comparison, Ratio, percentile

finite = st.floats(min_value=1e-9, max_value=1e9)


@given(st.lists(finite, min_size=1), st.integers(min_value=0, max_value=100))
def test_a_percentile_is_the_smallest_sample_that_so_many_percent_do_not_exceed(samples, percent):
    reached = [
        sample
        for sample in samples
        if sum(other <= sample for other in samples) * 100 >= percent * len(samples)
    ]
    assert percentile(samples, percent) == min(reached)


def test_percentiles_of_a_hundred_samples_are_the_samples_of_that_rank():
    samples = random.Random(1).sample(range(1, 101), 100)
    assert [percentile(samples, percent) for percent in (1, 50, 90, 99, 100)] == [
        1,
        50,
        90,
        99,
        100,
    ]


def test_a_percentile_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one sample"):
        percentile([], 50)


@pytest.fixture(autouse=True)
def whole(monkeypatch):
    """Take the time that a learner's comparison takes."""
    monkeypatch.delenv("COURSE_SHORT")


# --- rounds -----------------------------------------------------------------------------------------------------------


def recorded(names, **how):
    """What was called, in order, in a comparison of functions that do nothing else."""
    calls = []
    comparison = bench.compare(
        {name: lambda name=name: calls.append(name) for name in names}, **how
    )
    return calls, comparison


def test_every_variant_is_run_once_before_and_once_a_round_in_changing_order():
    calls, comparison = recorded("abc", rounds=12, seconds=60)
    warm_up, *rounds = [tuple(calls[start : start + 3]) for start in range(0, len(calls), 3)]
    assert warm_up == ("a", "b", "c")
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert len(rounds) == 12
    assert len(set(rounds)) == 6
    assert {name: len(taken) for name, taken in comparison.samples.items()} == {
        "a": 12,
        "b": 12,
        "c": 12,
    }


def test_a_test_of_a_lesson_takes_a_quarter_of_the_time_but_no_less_where_a_claim_is_undecided(
    monkeypatch,
):
    now = 0.0

    def call():
        nonlocal now
        now += 0.01

    clock = SimpleNamespace(perf_counter=lambda: now, perf_counter_ns=lambda: int(now * 1e9))
    monkeypatch.setattr(bench, "time", clock)

    def rounds(**how):
        return len(
            bench.compare({"one": call, "other": call}, rounds=10**6, seconds=4, **how).samples[
                "one"
            ]
        )

    monkeypatch.setattr(bench, "_undecided", lambda taken, bounds: bool(bounds))
    assert (rounds(), rounds(bounds=[1])) == (pytest.approx(200, abs=1), pytest.approx(600, abs=1))
    monkeypatch.setenv("COURSE_SHORT", "1")
    assert (rounds(), rounds(bounds=[1])) == (pytest.approx(50, abs=1), pytest.approx(600, abs=1))


def test_samples_are_seconds_and_belong_to_their_variant():
    comparison = bench.compare(
        {"slow": lambda: time.sleep(0.02), "fast": lambda: None}, rounds=5, seconds=60
    )
    assert all(0.02 <= sample < 1 for sample in comparison.samples["slow"])
    assert comparison.median("fast") < comparison.median("slow")


def test_time_ends_it_before_the_rounds_do_but_not_before_three():
    variants = {"one": lambda: time.sleep(0.01), "other": lambda: None}
    comparison = bench.compare(variants, rounds=10**9, seconds=0.05)
    assert 3 <= len(comparison.samples["one"]) < 10
    comparison = bench.compare(variants, rounds=10**9, seconds=1e-9)
    assert len(comparison.samples["one"]) == 3


def test_it_measures_on_while_an_interval_straddles_a_bound_and_not_for_ever():
    same = {"one": lambda: time.sleep(0.001), "other": lambda: time.sleep(0.001)}
    assert len(bench.compare(same, rounds=10, seconds=60).samples["one"]) == 10
    noise = random.Random(1)
    uneven = {name: lambda: time.sleep(noise.uniform(0.0001, 0.002)) for name in same}
    assert len(bench.compare(uneven, rounds=10, seconds=0.1, bounds=[1]).samples["one"]) > 10


def test_a_bound_far_off_costs_no_more_rounds():
    variants = {"slow": lambda: time.sleep(0.01), "fast": lambda: None}
    assert len(bench.compare(variants, rounds=10, seconds=60, bounds=[1.5]).samples["slow"]) == 10


@pytest.mark.parametrize("variants", [{}, {"one": print}, {"one": print, "other": 42}])
def test_less_than_two_functions_are_an_error(variants):
    with pytest.raises(ValueError, match="two variants or more"):
        bench.compare(variants)


def test_an_answer_that_says_error_is_no_sample():
    answers = {"hit": lambda: httpx.Response(500), "miss": lambda: httpx.Response(200)}
    with pytest.raises(
        RuntimeError, match=r"'hit' was answered with .*500.*: what fails cannot be compared"
    ):
        bench.compare(answers)


def test_an_error_of_a_variant_is_the_learners_to_see():
    with pytest.raises(ZeroDivisionError):
        bench.compare({"one": lambda: 1 // 0, "other": lambda: None})


# --- ratios -----------------------------------------------------------------------------------------------------------


def test_a_ratio_is_of_medians_and_of_the_last_variant_over_the_first():
    comparison = Comparison({"slow": (8, 9, 100), "middle": (3, 3, 3), "fast": (1, 2, 3)})
    assert comparison.ratio().value == 9 / 2
    assert comparison.ratio("middle").value == 9 / 3
    assert comparison.ratio("fast", over="middle").value == 3 / 2


def test_the_interval_covers_the_true_ratio_about_as_often_as_it_says():
    draw = random.Random(7)

    def interval():
        slow = [draw.lognormvariate(math.log(10), 0.3) for _ in range(60)]
        fast = [draw.lognormvariate(math.log(2), 0.3) for _ in range(60)]
        return Comparison({"slow": slow, "fast": fast}).ratio()

    intervals = [interval() for _ in range(100)]
    assert 88 <= sum(ratio.low <= 5 <= ratio.high for ratio in intervals) <= 100
    assert all(ratio.low <= ratio.value <= ratio.high for ratio in intervals)


def test_the_same_samples_give_the_same_interval():
    comparison = Comparison({"slow": range(80, 120), "fast": range(10, 50)})
    first = comparison.ratio()
    bench._rounds.cache_clear()
    second = comparison.ratio()
    assert first.low < first.value < first.high
    assert first == second


def test_variants_with_unequal_numbers_of_samples_are_compared_by_all_of_them():
    comparison = Comparison({"slow": [0.5] * 20, "fast": [0.1] * 12})
    assert comparison.ratio() == Comparison({"slow": [0.5] * 12, "fast": [0.1] * 20}).ratio()
    assert comparison.ratio().value == comparison.ratio().low == 5
    assert list(comparison.table()["rounds"]) == [20, 12]
    assert math.isnan(Comparison({"slow": [0.5] * 20, "fast": [0.1] * 3}).ratio().low)


def test_a_variant_that_was_not_measured_is_named_with_those_that_were():
    comparison = Comparison({"slow": (2,), "fast": (1,)})
    for ask in (comparison.median, comparison.ratio, lambda name: comparison.ratio(over=name)):
        with pytest.raises(
            ValueError, match="no variant 'quick' was measured; there are 'slow', 'fast'"
        ):
            ask("quick")


# --- what is shown ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rounds", "dashes"), [(9, ["P90", "P99"]), (10, ["P99"]), (99, ["P99"]), (100, [])]
)
def test_a_percentile_that_the_rounds_cannot_carry_is_a_dash(rounds, dashes):
    table = Comparison({"slow": [0.002] * rounds, "fast": [0.001] * rounds}).table()
    row = table.loc["slow"]
    assert [column for column in ("median", "P90", "P99") if row[column] == "-"] == dashes
    assert (row["median"], row["rounds"], row["times faster"]) == ("2 ms", rounds, "1")
    assert table.loc["fast", "times faster"] == "2 (2 to 2)"


def test_the_plots_title_says_how_many_times_faster_or_slower():
    comparison = Comparison({"scan": [0.02] * 3, "index": [0.001] * 3})
    assert "index: 20 times faster" in comparison.plot().alt
    assert (
        "scan: 20 times slower" in Comparison(dict(reversed(comparison.samples.items()))).plot().alt
    )
    assert comparison.plot("Own words").alt.startswith("Own words")


# --- claims -----------------------------------------------------------------------------------------------------------


def test_a_claim_that_holds_prints_one_line_the_same_whatever_was_measured(capsys):
    for fast in (0.001, 0.0001):
        Comparison({"slow": [0.5] * 3, "fast": [fast] * 3}).claim(
            "at least 100 times faster", ratio=100
        )
    assert capsys.readouterr().out == "held: at least 100 times faster\n" * 2


def test_a_claim_that_does_not_hold_says_so_with_its_figure_and_cause_and_never_raises(capsys):
    Comparison({"slow": [0.5] * 9, "fast": [0.25] * 9}).claim(
        "at least 100 times faster", ratio=100
    )
    said = capsys.readouterr().out
    assert said.startswith(
        "NOT HELD: at least 100 times faster (measured 2 (2 to 2); likely cause: "
    )
    assert said.count("\n") == 1


def test_a_claim_may_be_about_any_two_variants(capsys):
    comparison = Comparison({"first": [0.1] * 3, "slow": [0.5] * 3, "fast": [0.25] * 3})
    comparison.claim("twice as fast", ratio=2, of="fast", over="slow")
    assert capsys.readouterr().out == "held: twice as fast\n"


def test_a_claim_that_depends_on_the_rows_is_not_judged_on_another_number_of_them(
    capsys, monkeypatch
):
    monkeypatch.setenv("COURSE_ROWS", "20000")
    comparison = Comparison({"slow": [0.5] * 3, "fast": [0.25] * 3})
    comparison.claim("at least 100 times faster", ratio=100)
    comparison.claim("at least 2 times faster", ratio=2, any_rows=True)
    bench.claim("the same rows", True, "compare by hand")
    bench.claim("the same rows", True, "compare by hand", any_rows=True)
    assert capsys.readouterr().out.splitlines() == [
        "not judged at 20,000 rows: at least 100 times faster",
        "held: at least 2 times faster",
        "not judged at 20,000 rows: the same rows",
        "held: the same rows",
    ]


def test_a_claim_about_counts_says_held_or_why_not(capsys):
    bench.claim("the same rows", True, "compare by hand")
    bench.claim("the same rows", False, "compare by hand")
    assert (
        capsys.readouterr().out
        == "held: the same rows\nNOT HELD: the same rows (compare by hand)\n"
    )


def test_a_ratio_is_written_with_its_interval():
    assert str(Ratio(1234.5, 1000.4, 1500.0)) == "1,234 (1,000 to 1,500)"


# --- databases --------------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of a seeded table of 2,000 events."""
    monkeypatch.setattr(paths, "DATA", tmp_path)
    monkeypatch.setenv("COURSE_ROWS", "2000")
    with events.copy() as copy:
        yield copy


def test_a_query_is_run_to_its_last_row_each_time(copy):
    run = bench.query(copy, "SELECT id FROM events WHERE id <= ?", [500])
    assert len(run()) == len(run()) == 500


def test_a_query_on_a_file_that_is_not_there_makes_none(tmp_path):
    with pytest.raises(sqlite3.OperationalError):
        bench.query(tmp_path / "missing.db", "SELECT 1")
    assert not (tmp_path / "missing.db").exists()


@pytest.mark.parametrize("one_transaction_each", [False, True])
def test_insert_adds_so_many_events_taken_from_the_whole_table(copy, one_transaction_each):
    write = bench.insert(copy, 100, one_transaction_each=one_transaction_each)
    write()
    write()
    with closing(sqlite3.connect(copy)) as database:
        added = database.execute(
            "SELECT count(*), min(id), max(id) FROM events WHERE id > 2000"
        ).fetchone()
        tenths = database.execute(
            "SELECT DISTINCT old.id * 10 / 2001 FROM events old JOIN events new USING (user_id, created_at, payload)"
            " WHERE old.id <= 2000 AND new.id > 2000"
        ).fetchall()
    assert added == (200, 2001, 2200)
    assert len(tenths) == 10
