"""The parts of an exercise: a task, a stub, hints, a solution, and a check that gives feedback.

    ex.name  -->  edit the stub  -->  ex.name.check(answer)  --+--> right: .answer is yours now
                       ^                                       +--> not attempted: the stub
                       |                                       +--> refused: the misconception,
                       +----------- .hint(), .solution() ------+    the call, the next step

An exercise is one class in one file, in the order in which a reader needs its parts. Its check
goes by behavior, on inputs that the learner hasn't seen. It never raises and never hangs. Once
solved, an exercise stays solved, no matter what the learner tries later.
"""

import asyncio
import gc
import inspect
import platform
import sqlite3
import textwrap
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, ClassVar

from course_lib.exercises import guard, left_threads
from course_lib.exercises.judging import Judging
from course_lib.exercises.private_loop import PrivateLoop
from course_lib.exercises.verdict import (
    NOT_ATTEMPTED,
    REFUSED,
    RIGHT,
    NotAttempted,
    Pending,
    Refusal,
    Verdict,
    brief,
    described,
)
from course_lib.lab import progress
from course_lib.lab.show import Card, Markdown

NO_ANSWER = object()  # for a check without an argument
LONGEST_FACT = 2_000  # characters; an answer may be a megabyte
RESOURCES = 30.0  # seconds that setting up or cleaning up may take on a busy machine


class Exercise(Judging):
    """One exercise. A subclass has the words, `judge`, and a solution under the exercise's name."""

    lesson: ClassVar[str]
    task: ClassVar[str]
    stub: ClassVar[str]
    hints: ClassVar[tuple[str, ...]]
    imports: ClassVar[str] = ""
    """The import lines at the top of both the stub and the solution."""
    praise: ClassVar[str]
    limit: ClassVar[float] = 1.0
    """Seconds that a check may take."""

    def __init__(self) -> None:
        self._hints_shown = 0
        self._passed: list[Any] = []
        self._last: tuple[Any, Verdict] | None = None

    def judge(self, answer: Any) -> Any:
        """Return if the answer is right, else raise by calling `refuse`. May be `async`."""
        raise NotImplementedError

    @asynccontextmanager
    async def resources(self) -> AsyncIterator[None]:
        """Set up what an asynchronous `judge` needs, and clean up after it.

        This runs outside the time limit, because the alarm may interrupt `judge` anywhere.
        """
        yield

    # --- what the learner calls -------------------------------------------------------------

    def _repr_markdown_(self) -> str:
        return f"**Exercise `{self.name}`**\n\n{self.task}"

    def __repr__(self) -> str:
        return f"Exercise {self.name}\n\n{self.task}"

    def hint(self) -> Card:
        """Return the next hint; the first is a nudge, the last is most of the answer."""
        count = len(self.hints)
        self._hints_shown = min(self._hints_shown + 1, count)
        text = self.hints[self._hints_shown - 1]
        if self._hints_shown == count:
            text += f" (That was the last hint. Next is `{self._in_notebook}.solution()`.)"
        return Card(f"Hint {self._hints_shown} of {count}", text)

    def solution(self) -> Markdown:
        """Return the library's own answer, to read after a try or to compare with yours."""
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
        """The learner's last answer that passed, else the library's; prints which one it is."""
        if self._passed:
            print(f"{self.name}: your own")
            return self._passed[-1]
        print(f"{self.name}: the library's (none of yours has passed since the kernel started)")
        return self.solution_answer

    def check(self, answer: Any = NO_ANSWER) -> Verdict | Pending:
        """Check an answer. Never raises, never hangs."""
        if inspect.iscoroutinefunction(self.judge):
            return Pending(lambda: self._check_async(answer), self._check_in_notebook)
        try:
            return self._conclude(
                answer, lambda: guard.run(lambda: self._judge(answer), self.limit)
            )
        except guard.Stopped:
            guard.raise_stop()
            raise KeyboardInterrupt from None

    def report(self) -> None:
        """Print what to send us if a refusal seems wrong: the answer, the verdict, the versions."""
        answer: Any
        answer, verdict = self._last or ("nothing checked yet", None)
        try:
            shown = inspect.getsource(answer)
        except (OSError, TypeError):
            shown = brief(answer)
        versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
        print(f"exercise: {self.lesson}.{self.name}\nanswer:\n{shown}\nverdict:\n{verdict!r}")
        print(f"{versions}, {platform.platform()}")

    # --- from an answer to a verdict --------------------------------------------------------

    @property
    def _in_notebook(self) -> str:
        return f"ex.{self.name}"

    @property
    def _check_in_notebook(self) -> str:
        return f"{self._in_notebook}.check({self.name})"

    def _judge(self, answer: Any) -> None:
        with left_threads.ended_afterwards(answer):
            guard.run(lambda: self.judge(answer), self.limit)

    async def _check_async(self, answer: Any) -> Verdict:
        try:
            return self._conclude(answer, lambda: self._judge_async(answer))
        except guard.Stopped:
            guard.raise_stop()
            await asyncio.sleep(1)  # JupyterLab cancels the cell here
            raise asyncio.CancelledError from None

    def _judge_async(self, answer: Any) -> None:
        """Judge the answer in an event loop of its own, while the kernel's loop waits."""
        with warnings.catch_warnings(), suppress(guard.TimeUp):
            warnings.simplefilter("ignore")
            # Coroutines that an earlier answer never awaited aren't this one's.
            guard.run(gc.collect, self.limit)
        resources = AsyncExitStack()
        with left_threads.ended_afterwards(answer), PrivateLoop() as loop:
            loop.run(resources.enter_async_context(self.resources()), RESOURCES)
            try:
                loop.run(self.judge(answer), self.limit)
            finally:
                loop.run(resources.aclose(), RESOURCES)

    def _conclude(self, answer: Any, judge: Callable[[], object]) -> Verdict:
        """Run `judge`, turn what it returns or raises into a verdict, and record it."""
        try:
            if answer is ... or answer is NO_ANSWER:
                raise NotAttempted
            judge()
            verdict = Verdict(RIGHT, f"{self.praise} (Compare: `{self._in_notebook}.solution()`.)")
            self._passed.append(answer)
        except NotAttempted:
            sentence = f"Replace the dots in the cell above. Stuck? `{self._in_notebook}.hint()`"
            if answer is NO_ANSWER:
                sentence = f"Pass your answer to the check: `{self._check_in_notebook}`"
            verdict = Verdict(NOT_ATTEMPTED, sentence)
        except Refusal as refusal:
            verdict = self._refused(refusal)
        except guard.TimeUp:
            expected = f"a result within {self.limit:g} s"
            verdict = self._refused(Refusal("endless", call=self._current_call, expected=expected))
        except guard.Stopped:
            raise
        except Exception as error:
            verdict = self._refused(Refusal("cannot_check", got=described(error)))
        except BaseException as error:  # SystemExit in a task, a cancelled check
            raised = Refusal("raised", call=self._current_call, got=described(error))
            verdict = self._refused(raised)
        shown = "no answer passed" if answer is NO_ANSWER else answer
        self._last, self._current_call = (shown, verdict), ""
        self._record(verdict)
        return verdict

    def _record(self, verdict: Verdict) -> None:
        """Keep the verdict over a restart, unless the exercise is solved and this one isn't right.

        Whatever is tried later, it stays solved.
        """
        recorded = progress.verdicts(self.lesson).get(self.name, {})
        if recorded.get("verdict") == RIGHT != verdict.verdict:
            return
        progress.record(
            "verdict",
            self.lesson,
            self.name,
            verdict=verdict.verdict,
            misconception=verdict.misconception,
            sentence=verdict.sentence,
        )

    def _refused(self, refusal: Refusal) -> Verdict:
        sentence, next_step = self.all_refusals()[refusal.misconception]
        facts = {
            "called": refusal.call,
            "got": refusal.got,
            "line": self._raised_in if refusal.misconception == "raised" else "",
            "expected": refusal.expected,
            "next": next_step,
            "help": f"`{self._in_notebook}.hint()`",
        }
        shown = tuple((label, text[:LONGEST_FACT]) for label, text in facts.items() if text)
        return Verdict(REFUSED, sentence, refusal.misconception, shown)
