"""Runs are interleaved, figures match their definitions, and claims print a stable line."""

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
from course_lib.lab.comparison import _drawn_rounds

finite = st.floats(min_value=1e-9, max_value=1e9)


@given(st.lists(finite, min_size=1), st.integers(min_value=0, max_value=100))
def test_a_percentile_is_the_smallest_sample_that_enough_samples_do_not_exceed(samples, percent):
    reached = [
        sample
        for sample in samples
        if sum(other <= sample for other in samples) * 100 >= percent * len(samples)
    ]
    assert percentile(samples, percent) == min(reached)


def test_percentiles_of_a_hundred_samples_are_the_samples_with_those_ranks():
    samples = random.Random(1).sample(range(1, 101), 100)
    ranks = [1, 50, 90, 99, 100]
    assert [percentile(samples, rank) for rank in ranks] == ranks


def test_a_percentile_of_no_samples_is_an_error():
    with pytest.raises(ValueError, match="at least one sample"):
        percentile([], 50)


@pytest.fixture(autouse=True)
def full_length(monkeypatch):
    """Measure for as long as in a learner's kernel."""
    monkeypatch.delenv("COURSE_SHORT")


# --- rounds ---------------------------------------------------------------------------------------


def compare_and_record(names, **options):
    """Compare functions that record their calls; return the calls in order, and the comparison."""
    calls = []
    variants = {name: lambda name=name: calls.append(name) for name in names}
    comparison = bench.compare(variants, **options)
    return calls, comparison


def test_each_variant_runs_once_to_warm_up_and_once_a_round_in_a_changing_order():
    calls, comparison = compare_and_record("abc", rounds=12, seconds=60)
    warm_up, *rounds = [tuple(calls[start : start + 3]) for start in range(0, len(calls), 3)]
    assert warm_up == ("a", "b", "c")
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
    assert len(rounds) == 12
    assert len(set(rounds)) == 6
    counts = {name: len(seconds) for name, seconds in comparison.samples.items()}
    assert counts == {"a": 12, "b": 12, "c": 12}


def test_a_short_run_takes_a_quarter_of_the_time_unless_a_claim_is_undecided(monkeypatch):
    now = 0.0

    def call():
        nonlocal now
        now += 0.01

    clock = SimpleNamespace(perf_counter=lambda: now, perf_counter_ns=lambda: int(now * 1e9))
    monkeypatch.setattr(bench, "time", clock)

    def rounds(**options):
        variants = {"one": call, "other": call}
        comparison = bench.compare(variants, rounds=10**6, seconds=4, **options)
        return len(comparison.samples["one"])

    monkeypatch.setattr(bench, "_is_undecided", lambda samples, bounds: bool(bounds))
    assert rounds() == pytest.approx(200, abs=1)
    assert rounds(bounds=[1]) == pytest.approx(600, abs=1)
    monkeypatch.setenv("COURSE_SHORT", "1")
    assert rounds() == pytest.approx(50, abs=1)
    assert rounds(bounds=[1]) == pytest.approx(600, abs=1)


def test_samples_are_in_seconds_and_belong_to_their_variant():
    comparison = bench.compare(
        {"slow": lambda: time.sleep(0.02), "fast": lambda: None}, rounds=5, seconds=60
    )
    assert all(0.02 <= sample < 1 for sample in comparison.samples["slow"])
    assert comparison.median("fast") < comparison.median("slow")


def test_it_stops_when_its_time_is_up_but_not_before_three_rounds():
    variants = {"one": lambda: time.sleep(0.01), "other": lambda: None}
    comparison = bench.compare(variants, rounds=10**9, seconds=0.05)
    assert 3 <= len(comparison.samples["one"]) < 10
    comparison = bench.compare(variants, rounds=10**9, seconds=1e-9)
    assert len(comparison.samples["one"]) == 3


def test_it_runs_more_rounds_while_an_interval_contains_a_bound_but_not_forever():
    same = {"one": lambda: time.sleep(0.001), "other": lambda: time.sleep(0.001)}
    assert len(bench.compare(same, rounds=10, seconds=60).samples["one"]) == 10
    noise = random.Random(1)
    uneven = {name: lambda: time.sleep(noise.uniform(0.0001, 0.002)) for name in same}
    assert len(bench.compare(uneven, rounds=10, seconds=0.1, bounds=[1]).samples["one"]) > 10


def test_a_bound_far_from_the_ratio_adds_no_rounds():
    variants = {"slow": lambda: time.sleep(0.01), "fast": lambda: None}
    assert len(bench.compare(variants, rounds=10, seconds=60, bounds=[1.5]).samples["slow"]) == 10


@pytest.mark.parametrize("variants", [{}, {"one": print}, {"one": print, "other": 42}])
def test_fewer_than_two_functions_are_an_error(variants):
    with pytest.raises(ValueError, match="two or more variants"):
        bench.compare(variants)


def test_an_error_response_is_not_a_sample():
    variants = {"hit": lambda: httpx.Response(500), "miss": lambda: httpx.Response(200)}
    message = r"'hit' returned .*500.*, and failing calls can't be compared"
    with pytest.raises(RuntimeError, match=message):
        bench.compare(variants)


def test_an_exception_in_a_variant_reaches_the_learner():
    with pytest.raises(ZeroDivisionError):
        bench.compare({"one": lambda: 1 // 0, "other": lambda: None})


# --- ratios ---------------------------------------------------------------------------------------


def test_a_ratio_compares_the_medians_of_the_last_variant_and_the_first():
    comparison = Comparison({"slow": (8, 9, 100), "middle": (3, 3, 3), "fast": (1, 2, 3)})
    assert comparison.ratio().value == 9 / 2
    assert comparison.ratio("middle").value == 9 / 3
    assert comparison.ratio("fast", over="middle").value == 3 / 2


def test_the_interval_contains_the_true_ratio_about_95_times_in_100():
    draw = random.Random(7)

    def interval():
        slow = [draw.lognormvariate(math.log(10), 0.3) for _ in range(60)]
        fast = [draw.lognormvariate(math.log(2), 0.3) for _ in range(60)]
        return Comparison({"slow": slow, "fast": fast}).ratio()

    intervals = [interval() for _ in range(100)]
    assert 88 <= sum(ratio.low <= 5 <= ratio.high for ratio in intervals) <= 100
    assert all(ratio.low <= ratio.value <= ratio.high for ratio in intervals)


def test_the_same_samples_have_the_same_interval():
    comparison = Comparison({"slow": range(80, 120), "fast": range(10, 50)})
    first = comparison.ratio()
    _drawn_rounds.cache_clear()
    second = comparison.ratio()
    assert first.low < first.value < first.high
    assert first == second


def test_variants_with_different_numbers_of_samples_are_compared_by_all_of_them():
    comparison = Comparison({"slow": [0.5] * 20, "fast": [0.1] * 12})
    assert comparison.ratio() == Comparison({"slow": [0.5] * 12, "fast": [0.1] * 20}).ratio()
    assert comparison.ratio().value == comparison.ratio().low == 5
    assert list(comparison.table()["rounds"]) == [20, 12]
    assert math.isnan(Comparison({"slow": [0.5] * 20, "fast": [0.1] * 3}).ratio().low)


def test_the_error_for_an_unknown_variant_lists_the_measured_ones():
    comparison = Comparison({"slow": (2,), "fast": (1,)})
    message = "no variant 'quick' was measured; choose from 'slow', 'fast'"
    for call in (comparison.median, comparison.ratio, lambda name: comparison.ratio(over=name)):
        with pytest.raises(ValueError, match=message):
            call("quick")


# --- what is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rounds", "dashes"), [(9, ["P90", "P99"]), (10, ["P99"]), (99, ["P99"]), (100, [])]
)
def test_a_percentile_with_too_few_rounds_is_a_dash(rounds, dashes):
    table = Comparison({"slow": [0.002] * rounds, "fast": [0.001] * rounds}).table()
    row = table.loc["slow"]
    assert [column for column in ("median", "P90", "P99") if row[column] == "-"] == dashes
    assert (row["median"], row["rounds"], row["times faster"]) == ("2 ms", rounds, "1")
    assert table.loc["fast", "times faster"] == "2 (2 to 2)"


def test_the_plots_title_says_how_many_times_faster_or_slower():
    comparison = Comparison({"scan": [0.02] * 3, "index": [0.001] * 3})
    assert "index: 20 times faster" in comparison.plot().alt
    reverse = Comparison(dict(reversed(comparison.samples.items())))
    assert "scan: 20 times slower" in reverse.plot().alt
    assert comparison.plot("Own words").alt.startswith("Own words")


def test_a_ratio_the_other_way_round_has_the_bounds_of_its_interval_swapped():
    assert str(Ratio(0.5, 0.25, 0.8).inverted()) == "2 (1.25 to 4)"


def test_a_ratio_is_written_with_its_interval():
    assert str(Ratio(1234.5, 1000.4, 1500.0)) == "1,234 (1,000 to 1,500)"


# --- databases ------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Yield a copy of a seeded table of 2,000 events."""
    monkeypatch.setattr(paths, "DATA", tmp_path)
    monkeypatch.setenv("COURSE_ROWS", "2000")
    with events.copy() as copy:
        yield copy


def test_a_query_fetches_all_its_rows_each_time(copy):
    run = bench.query(copy, "SELECT id FROM events WHERE id <= ?", [500])
    assert len(run()) == len(run()) == 500


def test_a_query_on_a_missing_file_does_not_create_it(tmp_path):
    with pytest.raises(sqlite3.OperationalError):
        bench.query(tmp_path / "missing.db", "SELECT 1")
    assert not (tmp_path / "missing.db").exists()


@pytest.mark.parametrize("one_transaction_each", [False, True])
def test_insert_adds_events_copied_from_the_whole_table(copy, one_transaction_each):
    write = bench.insert(copy, 100, one_transaction_each=one_transaction_each)
    write()
    write()
    with closing(sqlite3.connect(copy)) as database:
        added = database.execute(
            "SELECT count(*), min(id), max(id) FROM events WHERE id > 2000"
        ).fetchone()
        tenths = database.execute(
            "SELECT DISTINCT old.id * 10 / 2001 FROM events old"
            " JOIN events new USING (user_id, created_at, payload)"
            " WHERE old.id <= 2000 AND new.id > 2000"
        ).fetchall()
    assert added == (200, 2001, 2200)
    assert len(tenths) == 10
