"""Predict before you measure: a guess is locked, and shown again beside what was measured.

Committing to a prediction is what makes a demonstration teach (Crouch, Fagen, Callan, Mazur 2004), and being sure and
wrong is what is remembered (Butterfield, Metcalfe 2001).
"""

import math
from types import EllipsisType

import pandas as pd
from IPython.display import display

from course_lib.lab import progress, session
from course_lib.lab.show import Card, number

Guess = float | str


def predict(name: str, guess: Guess | EllipsisType = ..., sure: float | EllipsisType = ..., *, unit: str = "") -> Card:
    """Lock a guess (a number in `unit`, or the letter of a choice) and how sure you are, from 0 to 100 percent.

    The first guess counts: once locked, a prediction stays, until the lesson is reset.
    """
    locked = progress.latest("prediction", session.lesson()).get(name)
    if locked:
        return Card("Locked", f"You said {_said(locked)}. A locked prediction stays; now measure.")
    if isinstance(guess, EllipsisType):
        return Card("No prediction yet", "Replace the dots by your guess and by how sure you are (0 to 100).")
    wanted = "a number, without its unit" if unit else "a number or the letter of a choice"
    is_number = isinstance(guess, int | float) and not isinstance(guess, bool) and math.isfinite(guess)
    if not is_number and (unit or not isinstance(guess, str)):
        return Card("Not locked", f"A guess is {wanted}; this is {guess!r}.")
    if isinstance(sure, EllipsisType) or not isinstance(sure, int | float) or not 0 <= sure <= 100:
        return Card("Not locked", "How sure are you? Give sure= a number from 0 (a coin toss) to 100 (certain).")
    guess = guess.strip().lower() if isinstance(guess, str) else guess
    progress.record("prediction", session.lesson(), name, guess=guess, sure=sure, unit=unit)
    locked = {"guess": guess, "sure": sure, "unit": unit}
    return Card("Locked", f"{_said(locked)}. You will see it again beside the measurement.")


def reveal(name: str, measured: Guess, *, unit: str = "") -> None:
    """Show the locked prediction beside what was measured, and how far apart they are; at once, so that a table or a
    plot may follow in the same cell.
    """
    measured = measured if isinstance(measured, str) else float(measured)
    truth = f"{number(measured)} {unit}".strip()
    locked = progress.latest("prediction", session.lesson()).get(name)
    if not locked:
        display(Card("Measured", f"{truth}. (You made no prediction for this one.)"))
        return
    progress.record("measurement", session.lesson(), name, measured=measured, unit=unit)
    display(Card("Measured", f"{truth}. You said {_said(locked)}. {_verdict(locked, measured)}"))


def board(*lessons: str) -> pd.DataFrame | Card:
    """Every prediction of these lessons, else of the one in progress, beside what was measured."""
    rows = {name: row for lesson in lessons or [session.lesson()] for name, row in _rows(lesson).items()}
    if not rows:
        return Card("No predictions", "You made none here. Next time, do: it is how a surprise stays.")
    columns = ["you said", "sure", "measured"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("prediction")


def _rows(lesson: str) -> dict[str, dict[str, str]]:
    measured = progress.latest("measurement", lesson)
    return {
        name: {
            "you said": f"{number(locked['guess'])} {locked['unit']}",
            "sure": f"{number(locked['sure'])}%",
            "measured": f"{number(measured[name]['measured'])} {measured[name]['unit']}" if name in measured else "-",
        }
        for name, locked in progress.latest("prediction", lesson).items()
    }


def _said(locked: progress.Record) -> str:
    guess = f"{number(locked['guess'])} {locked.get('unit', '')}".strip()
    return f"{guess}, {number(locked['sure'])}% sure"


def _verdict(locked: progress.Record, measured: Guess) -> str:
    guess, sure = locked["guess"], locked["sure"]
    if isinstance(guess, str) or isinstance(measured, str):
        close = guess == measured
        distance = "Right." if close else "Not so."
    elif guess == measured:
        close, distance = True, "Exactly."
    elif guess <= 0 or measured <= 0:
        close = False
        distance = f"Off by {number(abs(guess - measured))} {locked['unit']}".strip() + "."
    else:
        apart = max(guess / measured, measured / guess)
        close = apart <= 2
        distance = "Within a factor of two." if close else f"Off by a factor of {number(apart)}."
    if sure >= 70 and not close:
        distance += " You were sure: this one is worth a second look at why."
    if sure <= 30 and close:
        distance += " You knew more than you thought."
    return distance
