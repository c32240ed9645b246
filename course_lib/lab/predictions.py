"""Predict before you measure: a guess is locked, and shown again beside the measurement.

A demonstration teaches if you commit to a prediction first (Crouch, Fagen, Callan, Mazur 2004), and
what you remember is what you were sure of and got wrong (Butterfield, Metcalfe 2001).
"""

import math
import re
import reprlib
from dataclasses import dataclass
from types import EllipsisType
from typing import TypeGuard

import pandas as pd
from IPython.display import display

from course_lib.lab import progress, session, show
from course_lib.lab.show import Card, number

Guess = float | str

SURE, UNSURE = 70, 30  # percent, from and up to
CLOSE = 2  # a guess within this factor counts as close
CLOSE_SHARE = 0.1  # the same for a share, as a part of the whole
ABOUT_EXACT = 0.01
# The size of a distance that isn't a factor: 1 would be at the border of what is close.
WRONG_CHOICE, WRONG_SIGN = 2, 3
# A share has a largest value, so a difference says more than a factor: "%" or "of 50".
SHARE = re.compile(r"%|of ([1-9][\d,]*)\b")


def predict(
    name: str,
    guess: Guess | EllipsisType = ...,
    sure: float | EllipsisType = ...,
    *,
    unit: str = "",
) -> Card:
    """Lock a guess (a number in `unit`, or the letter of a choice) and how sure you are.

    `sure` is from 0 to 100 percent. The first guess counts: a locked prediction stays until the
    lesson is reset. A unit such as "%" or "of 50" makes it a share, which is judged by difference.
    Never raises; the card says what is missing.
    """
    locked = progress.latest("prediction", session.lesson()).get(name)
    if locked:
        guessed = _in_words(locked)
        return Card("Locked", f"You said {guessed}. A locked prediction stays; now measure.")
    if isinstance(guess, EllipsisType):
        return Card(
            "No prediction yet", "Replace the dots with your guess and how sure you are (0 to 100)."
        )
    problem = _problem_with(guess, sure, unit)
    if problem:
        return Card("Not locked", problem)
    if isinstance(guess, str):
        guess = guess.strip().lower()
    locked = {"guess": guess, "sure": sure, "unit": unit}
    progress.record("prediction", session.lesson(), name, **locked)
    return Card("Locked", f"{_in_words(locked)}. You will see it again beside the measurement.")


def _problem_with(guess: object, sure: object, unit: str) -> str:
    """Return what's wrong with a prediction, or "" if it can be locked."""
    is_choice = isinstance(guess, str) and re.fullmatch(r"\s*\w\s*", guess) and not unit
    if not (_is_number(guess) and guess >= 0) and not is_choice:
        a_number = "a number from 0 up, without quotes or unit"
        expected = a_number if unit else "a number or the letter of a choice"
        return f"A guess is {expected}; this is {_shortened(guess)}."
    if not _is_number(sure) or not (sure == 0 or 1 <= sure <= 100):  # 0.7 is meant as 70
        return (
            "How sure are you? Set sure= to a percentage, such as 70, from 0 (a coin toss) to 100 "
            "(certain)."
        )
    return ""


def _shortened(value: object) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "too large"


def _is_number(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < progress.LARGEST  # False for NaN


def reveal(name: str, measured: Guess, *, unit: str = "") -> None:
    """Show the locked prediction beside the measurement, and how far apart they are.

    Displays a card and returns None, so that a table or a plot can follow in the same cell.
    """
    if not isinstance(measured, str):
        measured = float(measured)
    truth = _with_unit(measured, unit)
    locked = progress.latest("prediction", session.lesson()).get(name)
    if not locked:
        display(Card("Measured", f"{truth}. (You made no prediction for this one.)"))
        return
    progress.record("measurement", session.lesson(), name, measured=measured, unit=unit)
    verdict = _verdict(locked, measured)
    display(Card("Measured", f"{truth}. You said {_in_words(locked)}. {verdict}"))


@dataclass(frozen=True)
class Board:
    """Predictions beside their measurements, and what the reader can learn from them."""

    table: pd.DataFrame
    remark: str

    def __repr__(self) -> str:
        return f"{self.table.to_string()}\n{self.remark}"

    def _repr_html_(self) -> str:
        table = show.data_frame(self.table, "prediction")
        return f"{table}<p>{show.prose(self.remark)}</p>"


def board(*lessons: str) -> Board | Card:
    """Return every prediction of these lessons, by default this one, beside its measurement.

    Its remark says what the reader was most wrong about, and how sure they were.
    """
    revealed: list[Revealed] = []
    for lesson in lessons or [session.lesson()]:
        revealed += _revealed(lesson)
    if not revealed:
        return Card(
            "No predictions",
            "You made none here. Make some next time: what you remember is what surprised you.",
        )
    rows = [prediction.row() for prediction in revealed]
    table = pd.DataFrame(rows).set_index("prediction")
    measured = [prediction for prediction in revealed if prediction.measured is not None]
    return Board(table, _remark(measured))


@dataclass(frozen=True)
class Revealed:
    """A locked prediction and its measurement, None if it wasn't measured."""

    name: str
    locked: progress.Record
    measured: Guess | None

    @property
    def close(self) -> bool:
        """True if the guess was close to the measurement."""
        return self.measured is not None and self._distance().close

    @property
    def wrongness(self) -> float:
        """The distance, weighted by how sure the reader was: the largest is worth a look."""
        sure = float(self.locked["sure"])
        return self._distance().size * (1 + sure / 100)

    @property
    def how_far(self) -> str:
        """The distance in words."""
        return self._distance().words

    def row(self) -> dict[str, str]:
        """Return its row on the board."""
        unit = self.locked["unit"]
        row = {
            "prediction": self.name,
            "you said": _with_unit(self.locked["guess"], unit),
            "sure": f"{number(self.locked['sure'])}%",
            "measured": "-",
            "how far off": "-",
        }
        if self.measured is not None:
            row["measured"] = _with_unit(self.measured, unit)
            row["how far off"] = self.how_far.rstrip(".")
        return row

    def _distance(self) -> "Distance":
        assert self.measured is not None
        return distance(self.locked["guess"], self.measured, self.locked["unit"])


def _revealed(lesson: str) -> list[Revealed]:
    measurements = progress.latest("measurement", lesson)
    revealed = []
    for name, locked in progress.latest("prediction", lesson).items():
        measurement = measurements.get(name)
        measured = measurement["measured"] if measurement else None
        revealed.append(Revealed(name, locked, measured))
    return revealed


def _remark(measured: list[Revealed]) -> str:
    """Return what the reader was most wrong about, and how often they were right when sure."""
    missed = [prediction for prediction in measured if not prediction.close]
    if not measured:
        return "None of them has been measured yet."
    if not missed:
        return "All of them were close."
    worst = max(missed, key=lambda prediction: prediction.wrongness)
    remark = (
        f"You were most wrong about {worst.name!r}: {_in_sentence(worst.how_far)} "
        f"and {number(worst.locked['sure'])}% sure."
    )
    sure = [prediction for prediction in measured if prediction.locked["sure"] >= SURE]
    right = sum(prediction.close for prediction in sure)
    if len(sure) == 1:
        outcome = "was" if right else "wasn't"
        remark += f" You were at least {SURE}% sure of one: it {outcome} close."
    elif sure:
        verb = "was" if right == 1 else "were"
        remark += f" You were at least {SURE}% sure of {len(sure)}: {right} {verb} close."
    return remark


def _in_sentence(words: str) -> str:
    return words[0].lower() + words[1:].rstrip(".")


def _with_unit(value: object, unit: str) -> str:
    """Return a value with its unit: "30 ms", "30%", "1 load" or "b"."""
    shown = number(value)
    if shown == "1" and len(unit) > len("ms"):
        unit = unit.removesuffix("s")
    space = "" if unit.startswith("%") else " "
    return f"{shown}{space}{unit}".strip()


def _in_words(locked: progress.Record) -> str:
    """Return a locked prediction as the reader made it: "30 ms, 80% sure"."""
    guess = _with_unit(locked["guess"], locked.get("unit", ""))
    return f"{guess}, {number(locked['sure'])}% sure"


def _verdict(locked: progress.Record, measured: Guess) -> str:
    apart = distance(locked["guess"], measured, locked["unit"])
    verdict = apart.words
    if locked["sure"] >= SURE and not apart.close:
        verdict += " You were sure, so this one is worth a second look."
    if locked["sure"] <= UNSURE and apart.close:
        verdict += " You knew more than you thought."
    return verdict


@dataclass(frozen=True)
class Distance:
    """The distance between a guess and the measurement, in words and as a number."""

    close: bool
    words: str
    size: float
    """0 for an exact guess, 1 at the border of what is close; comparable between units."""


def distance(guess: Guess, measured: Guess, unit: str) -> Distance:
    """Return how far off a guess was: by a difference for a share, else by a factor."""
    if isinstance(guess, str) or isinstance(measured, str):
        return _distance_of_choice(right=guess == measured)
    if guess == measured:
        return Distance(True, "Exactly.", 0)
    direction = "low" if guess < measured else "high"
    difference = abs(guess - measured)
    if share := SHARE.match(unit):
        return _distance_of_share(difference, direction, share[1])
    if guess <= 0 or measured <= 0:
        apart = _with_unit(difference, unit)
        return Distance(False, f"{apart} too {direction}.", WRONG_SIGN)
    factor = min(max(guess / measured, measured / guess), progress.LARGEST)
    size = math.log(factor, CLOSE)
    for within in (ABOUT_EXACT, 0.1):
        if difference <= within * measured:
            return Distance(True, f"Within {within:.0%}.", size)
    words = f"A factor of {_factor(factor)} too {direction}."
    return Distance(factor <= CLOSE, words, size)


def _distance_of_choice(*, right: bool) -> Distance:
    if right:
        return Distance(True, "Right.", 0)
    return Distance(False, "Not quite.", WRONG_CHOICE)


def _factor(factor: float) -> str:
    return f"{factor:.2g}" if factor < 10 else number(round(factor))


def _distance_of_share(difference: float, direction: str, whole: str | None) -> Distance:
    """Return how far off a share was, in percentage points or in units of the whole."""
    apart = number(difference)
    if whole is None:
        total = 100.0
        apart += " percentage point" if difference == 1 else " percentage points"
    else:
        total = float(whole.replace(",", ""))
    size = difference / (total * CLOSE_SHARE)
    return Distance(size <= 1, f"{apart} too {direction}.", size)
