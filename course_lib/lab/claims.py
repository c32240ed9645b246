"""Judge what a lesson claims about its measurements, in one line that nbval compares.

The texts and bounds are in claims.toml, so that no cell gives a result away before it's measured.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from course_lib.lab import events, session
from course_lib.lab.comparison import Ratio

LIKELY_CAUSE = "likely cause: other programs running on this machine"


@dataclass(frozen=True)
class Claim:
    """A sentence, and the bounds of the number that it's about; without bounds it's a yes or no.

    `any_rows`: it holds for every number of rows in the table, not only for the lesson's own.
    """

    text: str
    at_least: float | None = None
    at_most: float | None = None
    any_rows: bool = False

    @property
    def bounds(self) -> list[float]:
        """The bounds that the claim has: none, one or two."""
        return [bound for bound in (self.at_least, self.at_most) if bound is not None]

    @property
    def is_judged(self) -> bool:
        """True if the claim is about any table, or one with as many rows as the current one."""
        return self.any_rows or events.rows() == events.ROWS

    def holds(self, measured: float) -> bool:
        """Return whether the number is within the bounds; True or False if there are none."""
        if not self.bounds:
            return bool(measured)
        if self.at_least is not None and not measured >= self.at_least:
            return False
        return self.at_most is None or measured <= self.at_most


def claim(name: str, measured: Ratio | float | bool, details: object = "") -> None:
    """Print in one line whether a claim of this lesson holds: held, or NOT HELD and why.

    The line has no figures if the claim holds, so it's the same on every run. `details` are shown
    if it doesn't hold. If the table doesn't have the lesson's own number of rows, a claim about
    that table isn't judged.

    Raises ValueError if the lesson has no claim of this name.
    """
    claimed = find(name)
    value = measured.value if isinstance(measured, Ratio) else measured
    if not claimed.is_judged:
        print(f"not judged at {events.rows():,} rows: {claimed.text}")
    elif claimed.holds(value):
        print(f"held: {claimed.text}")
    else:
        print(f"NOT HELD: {claimed.text} (measured {details or measured}; {LIKELY_CAUSE})")


def find(name: str) -> Claim:
    """Return the claim of the lesson in progress. Raises ValueError if it has none of this name."""
    claims = of_lesson(session.lesson())
    if name not in claims:
        known = ", ".join(claims) or "none"
        raise ValueError(f"this lesson has no claim {name!r}; claims.toml has {known}")
    return claims[name]


def of_lesson(lesson: str) -> dict[str, Claim]:
    """Return the claims of a lesson by their names."""
    stated = _file().get(lesson, {})
    return {name: Claim(**fields) for name, fields in stated.items()}


@cache
def _file() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the fields of each claim, by lesson and name."""
    file = Path(__file__).with_suffix(".toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))
