"""The verdict of a check: right, refused or not attempted, with what the learner needs to go on."""

import html
import re
import reprlib
import traceback
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any

from course_lib.exercises import guard
from course_lib.lab.show import Card, prose

RIGHT, REFUSED, NOT_ATTEMPTED = "right", "refused", "not attempted"
HEADINGS = {RIGHT: "Right", REFUSED: "Not yet", NOT_ATTEMPTED: "Not attempted yet"}
TONES = {RIGHT: "good", REFUSED: "bad", NOT_ATTEMPTED: "plain"}
PROSE = {"next", "help"}  # labels whose text is a sentence; the others show code

ADDRESS = re.compile(r"<(?:[\w.<>]*\.)?_?(\w+) object(?: [\w.<>]+)? at 0x[0-9a-f]+(?: \[[^]]*\])?>")
"""Matches the repr of an object whose class doesn't define one, and those of asyncio's locks."""
FUNCTION = re.compile(
    r"<(?:function|bound method) (?:[\w<>]+\.)*(\w+|<lambda>)(?: at 0x[0-9a-f]+>| of [^>]*>+)"
)
"""Matches the repr of a function or a method."""

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

    def __repr__(self) -> str:
        return self.got or self.misconception


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
    """The check of an asynchronous exercise, to be awaited; its repr reminds you of `await`.

    The check runs once, however often this is awaited.
    """

    def __init__(self, check: Callable[[], Coroutine[Any, Any, Verdict]], call: str) -> None:
        self._check = check
        self._call = call
        self._verdict: Verdict | None = None

    def __await__(self) -> Generator[Any, None, Verdict]:
        if self._verdict is None:
            self._verdict = yield from self._check().__await__()
        return self._verdict

    def __repr__(self) -> str:
        return f"This check is asynchronous: write `await {self._call}`."


def brief(value: object) -> str:
    """Return a value's repr, shortened if it's long; its type if the repr raises anything."""
    try:
        return without_addresses(_brief.repr(value))
    except guard.TimeUp:
        raise
    except BaseException:
        return f"<{type(value).__name__}>"


def without_addresses(text: str) -> str:
    """Return a text in which functions are their names, and other objects those of their types."""
    return ADDRESS.sub(r"<\1>", FUNCTION.sub(r"\1", text))


def described(error: BaseException) -> str:
    """Return an error's type and message; the type alone if the message can't be made."""
    try:
        return without_addresses(f"{type(error).__name__}: {error}")
    except guard.TimeUp:
        raise
    except BaseException:
        return type(error).__name__


def last_line(function: object, error: BaseException) -> str:
    """Return the last line of the function's file that ran before the error, "" if unknown."""
    code = getattr(function, "__code__", None)
    if code is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.line or "" for frame in frames if frame.filename == code.co_filename]
    return lines[-1] if lines else ""


def _row(label: str, text: str) -> str:
    shown = prose(text) if label in PROSE else f'<pre style="margin:0">{html.escape(text)}</pre>'
    return (
        f'<tr><td style="text-align:left;vertical-align:top">{label}</td>'
        f'<td style="text-align:left">{shown}</td></tr>'
    )
