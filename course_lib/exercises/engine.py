"""What an exercise is: a task, a stub, hints, a solution, and a check that answers back.

An exercise is a class whose parts stand in the order in which a reader needs them. Its check goes by behaviour, on
inputs that the learner has not seen, and gives one of three verdicts: right, refused, or not attempted. Each refusal
has an id, the misconception, and a sentence that names it and the next step. A check never raises and never hangs.
"""

import asyncio
import copy
import gc
import html
import inspect
import platform
import reprlib
import sqlite3
import textwrap
import traceback
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from course_lib.exercises import guard
from course_lib.lab import progress
from course_lib.lab.show import Card, Markdown, prose

RIGHT, REFUSED, NOT_ATTEMPTED = "right", "refused", "not attempted"
LONGEST_FACT = 2_000  # characters; an answer may be a megabyte

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 200
_brief.maxlist = _brief.maxtuple = _brief.maxdict = 8


class Refusal(Exception):  # noqa: N818  an answer of the check, not an error
    """An answer is refused, for the misconception with this id."""

    def __init__(
        self, misconception: str, *, call: str = "", got: str = "", expected: str = ""
    ) -> None:
        super().__init__(misconception)
        self.misconception = misconception
        self.call, self.got, self.expected = call, got, expected


class NotAttempted(Exception):  # noqa: N818
    """The stub stands as it was."""


@dataclass(frozen=True)
class Verdict:
    """What a check says: right, refused (with the misconception's id) or not attempted."""

    verdict: str
    sentence: str
    misconception: str | None = None
    facts: tuple[tuple[str, str], ...] = ()
    """What was called, what came back, what was expected, and the next step: pairs of a label and a text."""

    def __repr__(self) -> str:
        return "\n".join(
            [
                f"{self._heading()}: {self.sentence}",
                *(f"  {label}: {text}" for label, text in self.facts),
            ]
        )

    def _repr_html_(self) -> str:
        tone = {RIGHT: "good", REFUSED: "bad"}.get(self.verdict, "plain")
        rows = "".join(
            f'<tr><td style="text-align:left;vertical-align:top">{label}</td><td style="text-align:left">'
            + (
                prose(text)
                if label in ("next", "help")
                else f'<pre style="margin:0">{html.escape(text)}</pre>'
            )
            for label, text in self.facts
        )
        return Card(self._heading(), self.sentence, tone)._repr_html_() + (
            f"<table>{rows}</table>" if rows else ""
        )

    def _heading(self) -> str:
        return {RIGHT: "Right", REFUSED: "Not yet", NOT_ATTEMPTED: "Not attempted yet"}[
            self.verdict
        ]


class Pending:
    """The check of an asynchronous exercise, still to be awaited; says so where the `await` was forgotten."""

    def __init__(self, verdict: Coroutine[Any, Any, Verdict], call: str) -> None:
        self._verdict, self._call = verdict, call

    def __await__(self) -> Generator[Any, None, Verdict]:
        return self._verdict.__await__()

    def __repr__(self) -> str:
        self._verdict.close()
        return f"This check is asynchronous: write `await {self._call}`."


class Exercise:
    """One exercise. A subclass gives the words, `judge`, and the library's own answer under the exercise's own name."""

    lesson: ClassVar[str]
    name: ClassVar[str]
    task: ClassVar[str]
    stub: ClassVar[str]
    hints: ClassVar[tuple[str, ...]]
    imports: ClassVar[str] = ""
    """The import lines that begin both the stub and the solution."""
    praise: ClassVar[str]
    refusals: ClassVar[Mapping[str, tuple[str, str]]] = {
        "raised": (
            "Your code raised an error.",
            "Read it, then try the same call in a cell of your own.",
        ),
        "endless": (
            "Your code did not come back in time.",
            "Look for a loop that never ends, or a wait.",
        ),
        "wrong_type": (
            "That is not the kind of answer asked for.",
            "Compare with the stub: what does it give?",
        ),
        "forgotten_await": (
            "A coroutine was made and never awaited, so its work was never done.",
            "Put `await` in front of each asynchronous call, such as `await load(...)`. Where the stub is a plain "
            "`def`, leave `async` away.",
        ),
        "cannot_check": (
            "This answer could not be checked, and that is our fault.",
            "`report()` prints what to send us.",
        ),
    }
    """For each misconception's id: the sentence that names it, and the next step. A subclass adds its own."""
    limit: ClassVar[float] = 1.0
    """Seconds that a check may take."""

    def __init__(self) -> None:
        self._hints_given = 0
        self._passed: list[Any] = []
        self._last: tuple[Any, Verdict] | None = None
        self._calling = ""

    def judge(self, answer: Any) -> Any:
        """Come back where the answer is right; else raise by `refuse`. May be `async`."""
        raise NotImplementedError

    @asynccontextmanager
    async def at_hand(self) -> AsyncIterator[None]:
        """What an asynchronous `judge` works with; put away outside of it, for an alarm may strike `judge` anywhere."""
        yield

    # --- what the learner calls -------------------------------------------------------------------------------------

    def _repr_markdown_(self) -> str:
        return f"**Exercise `{self.name}`**\n\n{self.task}"

    def __repr__(self) -> str:
        return f"Exercise {self.name}\n\n{self.task}"

    def hint(self) -> Card:
        """The next hint: from a nudge to nearly all of it."""
        self._hints_given = min(self._hints_given + 1, len(self.hints))
        heading = f"Hint {self._hints_given} of {len(self.hints)}"
        last = self._hints_given == len(self.hints)
        more = f" (The last one; then there is `{self._is}.solution()`.)" if last else ""
        return Card(heading, self.hints[self._hints_given - 1] + more)

    def solution(self) -> Markdown:
        """The library's own answer, to read after a try or to compare with yours."""
        return Markdown(f"```python\n{self.solution_code}\n```")

    @property
    def solution_code(self) -> str:
        """The code of the solution; it defines the same name as the stub."""
        own = self.solution_answer
        if not inspect.isfunction(own):
            return f"{self.name} = {own!r}"
        source = textwrap.dedent(inspect.getsource(own)).removeprefix("@staticmethod\n")
        return self.imports + source.rstrip()

    @property
    def solution_answer(self) -> Any:
        """The library's own answer, a value or a function."""
        return getattr(self, self.name)

    @property
    def answer(self) -> Any:
        """The learner's last answer that passed, else the library's; which of the two is said in one line."""
        whose = (
            "your own"
            if self._passed
            else "the library's (none of yours has passed since the kernel started)"
        )
        print(f"{self.name}: {whose}")
        return self._passed[-1] if self._passed else self.solution_answer

    def check(self, answer: Any) -> Verdict | Pending:
        """Check an answer. Never raises, never hangs."""
        if inspect.iscoroutinefunction(self.judge):
            return Pending(self._check_async(answer), f"{self._is}.check({self.name})")
        return self._conclude(answer, lambda: guard.run(lambda: self._judge(answer), self.limit))

    def report(self) -> None:
        """Print what to paste where a refusal seems wrong: the answer, the verdict and the versions."""
        answer: Any
        answer, verdict = self._last or ("nothing checked yet", None)
        try:
            shown = inspect.getsource(answer)
        except (OSError, TypeError):
            shown = repr(answer)
        print(f"exercise: {self.lesson}.{self.name}\nanswer:\n{shown}\nverdict:\n{verdict!r}")
        print(
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.platform()}"
        )

    # --- what a judge calls -----------------------------------------------------------------------------------------

    def refuse(
        self, misconception: str, *, call: str = "", got: str = "", expected: str = ""
    ) -> NoReturn:
        """Refuse the answer for a misconception that `all_refusals` names."""
        raise Refusal(misconception, call=call, got=got, expected=expected)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the learner's function returns for these arguments, each a copy for it to do with as it likes."""
        if not callable(function):
            self.refuse("wrong_type", got=brief(function), expected=f"a function named {self.name}")
        call = self._calling = self.called(*arguments)
        try:
            result = function(*copy.deepcopy(arguments))
        except (KeyboardInterrupt, guard.TimeUp):  # the Stop button, and the alarm
            raise
        except BaseException as error:
            self.refuse("raised", call=call, got=f"{type(error).__name__}: {error}")
        return self._settled(result, call)

    async def call_async(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """As `call`, for a function that may be asynchronous. Arguments are handed on as they are."""
        if not callable(function):
            self.refuse("wrong_type", got=brief(function), expected=f"a function named {self.name}")
        call = self._calling = self.called(*arguments)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                result = function(*arguments)
                result = await result if inspect.isawaitable(result) else result
            except (KeyboardInterrupt, guard.TimeUp):
                raise
            except BaseException as error:
                traceback.clear_frames(
                    error.__traceback__
                )  # what was never awaited there is heard of here and now
                mistake = "forgotten_await" if "coroutine" in str(error) else "raised"
                self.refuse(mistake, call=call, got=f"{type(error).__name__}: {error}")
        for warning in heard:
            if "never awaited" in str(warning.message):
                self.refuse("forgotten_await", call=call, got=str(warning.message))
        return self._settled(result, call)

    def called(self, *arguments: Any) -> str:
        """The call as the learner would write it."""
        return f"{self.name}({', '.join(map(brief, arguments))})"

    @classmethod
    def all_refusals(cls) -> dict[str, tuple[str, str]]:
        """The refusals of this exercise together with those of the kinds that it belongs to."""
        return {
            key: words
            for kind in reversed(cls.__mro__)
            for key, words in vars(kind).get("refusals", {}).items()
        }

    # --- machinery --------------------------------------------------------------------------------------------------

    @property
    def _is(self) -> str:
        return f"ex.{self.name}"

    def _settled(self, result: Any, call: str) -> Any:
        if result is ...:
            raise NotAttempted
        if inspect.iscoroutine(result):
            result.close()
            self.refuse("forgotten_await", call=call, got="a coroutine")
        return result

    def _judge(self, answer: Any) -> Any:
        if answer is ...:
            raise NotAttempted
        return self.judge(answer)

    async def _check_async(self, answer: Any) -> Verdict:
        try:
            if answer is ...:
                raise NotAttempted
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                gc.collect()  # what an earlier answer never awaited is not this one's fault
            async with self.at_hand():
                outcome: Any = await guard.run_async(self.judge(answer), self.limit)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException as error:
            outcome = error
        return self._conclude(answer, lambda: _raise(outcome))

    def _conclude(self, answer: Any, judge: Callable[[], object]) -> Verdict:
        try:
            judge()
            verdict = Verdict(RIGHT, f"{self.praise} (To compare: `{self._is}.solution()`.)")
            self._passed.append(answer)
        except NotAttempted:
            verdict = Verdict(
                NOT_ATTEMPTED, f"Replace the dots in the cell above. Stuck? `{self._is}.hint()`"
            )
        except Refusal as refusal:
            verdict = self._refused(refusal)
        except guard.TimeUp:
            verdict = self._refused(
                Refusal("endless", call=self._calling, expected=f"an end within {self.limit:g} s")
            )
        except Exception as error:
            verdict = self._refused(Refusal("cannot_check", got=f"{type(error).__name__}: {error}"))
        self._last, self._calling = (answer, verdict), ""
        progress.record(
            "verdict",
            self.lesson,
            self.name,
            verdict=verdict.verdict,
            misconception=verdict.misconception,
            sentence=verdict.sentence,
        )
        return verdict

    def _refused(self, refusal: Refusal) -> Verdict:
        sentence, next_step = self.all_refusals()[refusal.misconception]
        facts = {
            "called": refusal.call,
            "came back": refusal.got,
            "expected": refusal.expected,
            "next": next_step,
            "help": f"`{self._is}.hint()`",
        }
        return Verdict(
            REFUSED,
            sentence,
            refusal.misconception,
            tuple((label, text[:LONGEST_FACT]) for label, text in facts.items() if text),
        )


def brief(value: object) -> str:
    """A value's repr, cut where it is long, and safe where the repr itself raises."""
    try:
        return _brief.repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _raise(outcome: object) -> object:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
