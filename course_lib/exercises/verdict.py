"""The verdict of a check: right, refused or not attempted, with what the learner needs to go on."""

import html
import reprlib
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from typing import Any

from course_lib.lab.show import Card, prose

RIGHT, REFUSED, NOT_ATTEMPTED = "right", "refused", "not attempted"
HEADINGS = {RIGHT: "Right", REFUSED: "Not yet", NOT_ATTEMPTED: "Not attempted yet"}
TONES = {RIGHT: "good", REFUSED: "bad", NOT_ATTEMPTED: "plain"}
PROSE = {"next", "help"}  # labels whose text is a sentence; the others show code

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 200
_brief.maxlist = _brief.maxtuple = _brief.maxdict = 8


class Refusal(Exception):  # noqa: N818  an outcome of the check, not an error
    """Raised by a check to refuse an answer for the misconception with this ID."""

    def __init__(
        self, misconception: str, *, call: str = "", got: str = "", expected: str = ""
    ) -> None:
        super().__init__(misconception)
        self.misconception = misconception
        self.call, self.got, self.expected = call, got, expected


class NotAttempted(Exception):  # noqa: N818
    """Raised by a check if the stub hasn't been changed."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check: right, refused (with the misconception's ID) or not attempted."""

    verdict: str
    sentence: str
    misconception: str | None = None
    facts: tuple[tuple[str, str], ...] = ()
    """Pairs of a label and a text: what was called, the result, what was expected, what's next."""

    def __repr__(self) -> str:
        lines = [f"  {label}: {text}" for label, text in self.facts]
        return "\n".join([f"{HEADINGS[self.verdict]}: {self.sentence}", *lines])

    def _repr_html_(self) -> str:
        card = Card(HEADINGS[self.verdict], self.sentence, TONES[self.verdict])._repr_html_()
        rows = "".join(_row(label, text) for label, text in self.facts)
        return f"{card}<table>{rows}</table>" if rows else card


class Pending:
    """The check of an asynchronous exercise, to be awaited; its repr reminds you of `await`."""

    def __init__(self, verdict: Coroutine[Any, Any, Verdict], call: str) -> None:
        self._verdict, self._call = verdict, call

    def __await__(self) -> Generator[Any, None, Verdict]:
        return self._verdict.__await__()

    def __repr__(self) -> str:
        self._verdict.close()
        return f"This check is asynchronous: write `await {self._call}`."


def brief(value: object) -> str:
    """Return a value's repr, shortened if it's long; never raises, even if the repr itself does."""
    try:
        return _brief.repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _row(label: str, text: str) -> str:
    shown = prose(text) if label in PROSE else f'<pre style="margin:0">{html.escape(text)}</pre>'
    return (
        f'<tr><td style="text-align:left;vertical-align:top">{label}</td>'
        f'<td style="text-align:left">{shown}</td></tr>'
    )
