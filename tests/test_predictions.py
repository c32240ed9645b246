"""A prediction is locked before the measurement and shown again beside it."""

import pytest

from course_lib.lab import predictions, progress, session
from course_lib.lab.predictions import board, predict, reveal


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """Return the list of the cards that were displayed, as text."""
    shown = []
    monkeypatch.setattr(predictions, "display", lambda card: shown.append(repr(card)))
    return shown


def kept():
    return progress.latest("prediction", session.lesson())


def test_a_guess_is_locked_with_how_sure_the_learner_is():
    card = predict("one_list", guess=30, sure=60, unit="ms")
    assert repr(card) == "Locked: 30 ms, 60% sure. You will see it again beside the measurement."
    assert (kept()["one_list"]["guess"], kept()["one_list"]["sure"]) == (30, 60)


def test_the_first_guess_counts():
    predict("one_list", guess=30, sure=60, unit="ms")
    again = predict("one_list", guess=99, sure=100, unit="ms")
    assert (
        repr(again) == "Locked: You said 30 ms, 60% sure. A locked prediction stays; now measure."
    )
    assert kept()["one_list"]["guess"] == 30


def test_after_a_reset_a_new_guess_is_locked():
    predict("one_list", guess=30, sure=60, unit="ms")
    progress.reset(session.lesson())
    predict("one_list", guess=99, sure=100, unit="ms")
    assert kept()["one_list"]["guess"] == 99


def test_dots_lock_nothing():
    assert repr(predict("one_list", guess=..., sure=..., unit="ms")).startswith(
        "No prediction yet: Replace the dots"
    )
    assert kept() == {}


@pytest.mark.parametrize(
    ("guess", "sure", "sentence"),
    [
        ("30 ms", 60, "this is '30 ms'"),
        ([30], 60, "this is [30]"),
        (None, 60, "this is None"),
        (True, 60, "this is True"),
        (-30, 60, "a number from 0 up"),
        (float("nan"), 60, "this is nan"),
        (float("inf"), 60, "this is inf"),
        (10**400, 60, "A guess is a number"),
        (30, ..., "How sure are you?"),
        (30, True, "How sure are you?"),
        (30, 101, "from 0 (a coin toss) to 100 (certain)"),
        (30, 0.7, "from 0 (a coin toss) to 100 (certain)"),
        (30, -1, "from 0 (a coin toss) to 100 (certain)"),
        (30, "very", "from 0 (a coin toss) to 100 (certain)"),
        (30, float("nan"), "from 0 (a coin toss) to 100 (certain)"),
    ],
)
def test_an_invalid_guess_gets_a_sentence_and_locks_nothing(guess, sure, sentence):
    card = repr(predict("one_list", guess=guess, sure=sure, unit="ms"))
    assert card.startswith("Not locked: ")
    assert sentence in card
    assert kept() == {}


def test_a_guess_that_could_not_be_read_again_is_not_locked():
    assert repr(predict("one_list", guess=1e305, sure=60)).startswith("Not locked")
    assert "this is too large" in repr(predict("one_list", guess=10**5000, sure=60))
    assert repr(predict("which", guess="a\nb", sure=60)).startswith("Not locked")


def test_a_choice_is_its_letter_in_any_case():
    predict("which", guess=" B ", sure=50)
    assert kept()["which"]["guess"] == "b"


@pytest.mark.parametrize("guess", ["rises", "b: it falls", "(b)", "bc", ""])
def test_a_choice_that_is_more_than_its_letter_is_not_locked(guess):
    card = repr(predict("which", guess=guess, sure=50))
    assert card.startswith("Not locked: A guess is a number or the letter of a choice")


@pytest.mark.parametrize(
    ("guess", "measured", "unit", "verdict"),
    [
        (1000, 1004, "", "Within 1%."),
        (30, 32, "", "Within 10%."),
        (30, 40, "", "A factor of 1.3 too low."),
        (30, 60, "", "A factor of 2 too low."),
        (30, 300, "", "A factor of 10 too low."),
        (300, 30, "times", "A factor of 10 too high."),
        (1, 1234, "times", "A factor of 1,234 too low."),
        (40, 40, "", "Exactly."),
        (0, 30, "ms", "30 ms too low."),
        (30, 0, "ms", "30 ms too high."),
        (0, 0, "", "Exactly."),
        (5e-324, 0, "ms", "4.94e-324 ms too high."),
        ("b", "b", "", "Right."),
        ("b", "c", "", "Not quite."),
        (1, 4, "%", "3 percentage points too low."),
        (99, 50, "%", "49 percentage points too high."),
        (99, 98, "% of the requests", "1 percentage point too high."),
        (0, 10, "of 50", "10 too low."),
        (1000, 900, "of 1,000", "100 too high."),
    ],
)
def test_reveal_says_how_far_off_the_prediction_was(shown, guess, measured, unit, verdict):
    predict("one_list", guess=guess, sure=50, unit=unit)
    reveal("one_list", measured, unit=unit)
    assert shown[0].startswith("Measured: ")
    assert shown[0].endswith(f"50% sure. {verdict}")


def test_a_guess_of_nearly_nothing_is_a_large_factor_off(shown):
    predict("one_list", guess=5e-324, sure=50, unit="ms")
    reveal("one_list", 30, unit="ms")
    assert shown[0].endswith("too low.")


def test_a_percent_sign_follows_its_number_without_a_space(shown):
    predict("one_list", guess=10, sure=50, unit="%")
    reveal("one_list", 30, unit="%")
    assert shown[0].startswith("Measured: 30%. You said 10%, 50% sure.")


@pytest.mark.parametrize(
    ("guess", "measured", "unit", "close"),
    [
        (30, 60, "times", True),
        (30, 61, "times", False),
        (0, 1, "times", False),
        (1, 10, "%", True),
        (1, 12, "%", False),
        (40, 45, "of 50", True),
        (40, 46, "of 50", False),
        ("a", "b", "", False),
    ],
)
def test_close_is_a_factor_of_two_or_a_tenth_of_the_whole(guess, measured, unit, close):
    assert predictions.distance(guess, measured, unit).close == close


@pytest.mark.parametrize(
    ("sure", "measured", "remark"),
    [
        (70, 300, "worth a second look"),
        (30, 31, "knew more than you thought"),
        (50, 300, ""),
        (90, 31, ""),
    ],
)
def test_sure_and_wrong_or_unsure_and_right_gets_a_remark(shown, sure, measured, remark):
    predict("one_list", guess=30, sure=sure, unit="ms")
    reveal("one_list", measured, unit="ms")
    assert remark in shown[0]
    assert bool(remark) == (not shown[0].endswith(("too low.", "Within 10%.")))


def test_without_a_prediction_the_measurement_is_shown_alone(shown):
    reveal("one_list", 38.25, unit="ms")
    assert shown == ["Measured: 38.2 ms. (You made no prediction for this one.)"]


def test_the_board_shows_every_prediction_beside_what_was_measured():
    predict("one_list", guess=30, sure=60, unit="ms")
    predict("index", guess=1000, sure=20, unit="times")
    reveal("one_list", 40, unit="ms")
    assert board().table.reset_index().to_numpy().tolist() == [
        ["one_list", "30 ms", "60%", "40 ms", "A factor of 1.3 too low"],
        ["index", "1,000 times", "20%", "-", "-"],
    ]
    assert "one_list" in repr(board())
    assert "<td" in board()._repr_html_()


def test_the_board_says_what_the_reader_was_most_wrong_about_and_how_sure_they_were():
    for name, guess, sure, measured in (
        ("near", 30, 90, 31),
        ("off", 30, 80, 300),
        ("as far off, and less sure", 30, 10, 300),
    ):
        predict(name, guess=guess, sure=sure, unit="ms")
        reveal(name, measured, unit="ms")
    assert board().remark == (
        "You were most wrong about 'off': a factor of 10 too low and 80% sure. "
        "You were at least 70% sure of 2: 1 was close."
    )


@pytest.mark.parametrize(("measured", "verb"), [(2, "was"), (9, "wasn't")])
def test_the_board_counts_a_single_thing_in_the_singular(measured, verb):
    for name, sure, truth in (("sure", 90, measured), ("unsure", 10, 50)):
        predict(name, guess=1, sure=sure, unit="loads")
        reveal(name, truth, unit="loads")
    assert board().remark.endswith(f" You were at least 70% sure of one: it {verb} close.")
    assert board().table.reset_index().iloc[0]["you said"] == "1 load"


def test_the_board_praises_guesses_that_were_all_close_and_waits_for_a_measurement():
    predict("near", guess=30, sure=90, unit="ms")
    assert board().remark == "None of them has been measured yet."
    reveal("near", 31, unit="ms")
    assert board().remark == "All of them were close."


def test_the_board_without_predictions_is_a_sentence():
    assert repr(board()).startswith("No predictions: ")
