"""Predict before you measure: a guess is locked, and shown again beside the measurement.

A demonstration teaches if you commit to a prediction first (Crouch, Fagen, Callan, Mazur 2004), and
what you remember is what you were sure of and got wrong (Butterfield, Metcalfe 2001).
"""

import math
from types import EllipsisType

import pandas as pd
from IPython.display import display

from course_lib.lab import progress, session
from course_lib.lab.show import Card, number

Guess = float | str

SURE, UNSURE = 70, 30  # percent, from and up to
CLOSE = 2  # a guess within this factor counts as close


def predict(
    name: str,
    guess: Guess | EllipsisType = ...,
    sure: float | EllipsisType = ...,
    *,
    unit: str = "",
) -> Card:
    """Lock a guess (a number in `unit`, or the letter of a choice) and how sure you are.

    `sure` is from 0 to 100 percent. The first guess counts: a locked prediction stays until the
    lesson is reset. Never raises; the card says what is missing.
    """
    locked = progress.latest("prediction", session.lesson()).get(name)
    if locked:
        said = _said(locked)
        return Card("Locked", f"You said {said}. A locked prediction stays; now measure.")
    if isinstance(guess, EllipsisType):
        return Card(
            "No prediction yet", "Replace the dots with your guess and how sure you are (0 to 100)."
        )
    if not _is_number(guess) and (unit or not isinstance(guess, str)):
        expected = "a number, without its unit" if unit else "a number or the letter of a choice"
        return Card("Not locked", f"A guess is {expected}; this is {guess!r}.")
    if isinstance(sure, EllipsisType) or not isinstance(sure, int | float) or not 0 <= sure <= 100:
        return Card(
            "Not locked",
            "How sure are you? Set sure= to a number from 0 (a coin toss) to 100 (certain).",
        )
    if isinstance(guess, str):
        guess = guess.strip().lower()
    locked = {"guess": guess, "sure": sure, "unit": unit}
    progress.record("prediction", session.lesson(), name, **locked)
    return Card("Locked", f"{_said(locked)}. You will see it again beside the measurement.")


def _is_number(guess: object) -> bool:
    if isinstance(guess, bool) or not isinstance(guess, int | float):
        return False
    return math.isfinite(guess)


def reveal(name: str, measured: Guess, *, unit: str = "") -> None:
    """Show the locked prediction beside the measurement, and how far apart they are.

    Displays a card and returns None, so that a table or a plot can follow in the same cell.
    """
    measured = measured if isinstance(measured, str) else float(measured)
    truth = f"{number(measured)} {unit}".strip()
    locked = progress.latest("prediction", session.lesson()).get(name)
    if not locked:
        display(Card("Measured", f"{truth}. (You made no prediction for this one.)"))
        return
    progress.record("measurement", session.lesson(), name, measured=measured, unit=unit)
    verdict = _verdict(locked, measured)
    display(Card("Measured", f"{truth}. You said {_said(locked)}. {verdict}"))


def board(*lessons: str) -> pd.DataFrame | Card:
    """Return every prediction of these lessons, by default this one, beside its measurement."""
    rows: dict[str, dict[str, str]] = {}
    for lesson in lessons or [session.lesson()]:
        rows |= _rows(lesson)
    if not rows:
        return Card(
            "No predictions",
            "You made none here. Make some next time: a surprise is what you keep.",
        )
    columns = ["you said", "sure", "measured"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.rename_axis("prediction")


def _rows(lesson: str) -> dict[str, dict[str, str]]:
    measurements = progress.latest("measurement", lesson)
    rows = {}
    for name, locked in progress.latest("prediction", lesson).items():
        measured = "-"
        if measurement := measurements.get(name):
            measured = f"{number(measurement['measured'])} {measurement['unit']}"
        rows[name] = {
            "you said": f"{number(locked['guess'])} {locked['unit']}",
            "sure": f"{number(locked['sure'])}%",
            "measured": measured,
        }
    return rows


def _said(locked: progress.Record) -> str:
    guess = f"{number(locked['guess'])} {locked.get('unit', '')}".strip()
    return f"{guess}, {number(locked['sure'])}% sure"


def _verdict(locked: progress.Record, measured: Guess) -> str:
    close, verdict = _distance(locked["guess"], measured, locked["unit"])
    if locked["sure"] >= SURE and not close:
        verdict += " You were sure: this one is worth a second look at why."
    if locked["sure"] <= UNSURE and close:
        verdict += " You knew more than you thought."
    return verdict


def _distance(guess: Guess, measured: Guess, unit: str) -> tuple[bool, str]:
    """Return True if a guess was close, and in words how far off it was."""
    if isinstance(guess, str) or isinstance(measured, str):
        right = guess == measured
        return right, "Right." if right else "Not quite."
    if guess == measured:
        return True, "Exactly."
    if guess <= 0 or measured <= 0:
        apart = f"{number(abs(guess - measured))} {unit}".strip()
        return False, f"Off by {apart}."
    factor = max(guess / measured, measured / guess)
    if factor <= CLOSE:
        return True, "Within a factor of two."
    return False, f"Off by a factor of {number(factor)}."
