"""The tools of a check: call the learner's function, compare, refuse.

A refusal has an ID (the misconception) and two sentences: one that names the misconception, and
the next step. They are in the table `refusals` of the exercise, or of a class it inherits from.
"""

import copy
import inspect
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NoReturn

from course_lib.exercises import guard
from course_lib.exercises.verdict import NotAttempted, Refusal, brief, described


def same(got: Any, expected: Any) -> bool:
    """Return True if two values are equal; False if they can't be compared, as with a Series."""
    try:
        return bool(got == expected)
    except guard.TimeUp:
        raise
    except BaseException:  # a learner's class may raise anything
        return False


def nearly_equal(number: Any, other: Any) -> bool:
    """Return True if two numbers differ by less than a billionth."""
    return bool(abs(number - other) < 1e-9)


def _mistake_behind(error_text: str) -> str:
    """Return the misconception behind an error: one about coroutines, or "raised"."""
    if "coroutine" not in error_text:
        return "raised"
    return "awaited_twice" if "already" in error_text else "forgotten_await"


class Judging:
    """The half of an exercise that its `judge` uses."""

    name: ClassVar[str]
    refusals: ClassVar[Mapping[str, tuple[str, str]]] = {
        "raised": (
            "Your code raised an error.",
            "Read the error, then try the same call in a cell of your own.",
        ),
        "endless": (
            "Your code didn't finish in time.",
            "Look for a loop that never ends, or for a long wait.",
        ),
        "wrong_type": (
            "That's not the kind of answer the task asks for.",
            "Compare it with the stub: what should it return?",
        ),
        "forgotten_await": (
            "A coroutine was created but never awaited, so it never ran.",
            "Put `await` in front of each asynchronous call, such as `await load(...)`. If the "
            "stub is a plain `def`, don't make it `async`.",
        ),
        "awaited_twice": (
            "Two callers awaited the same coroutine, and a coroutine can be awaited only once.",
            "Make a task of it, with `asyncio.create_task(...)`: any number of callers can await "
            "a task.",
        ),
        "cannot_check": (
            "This answer couldn't be checked, and that's our fault.",
            "`report()` prints what to send us.",
        ),
    }
    """For each misconception's ID: the sentence that names it, and the next step."""

    _current_call = ""  # shown if the answer has to be stopped

    def refuse(
        self, misconception: str, *, call: str = "", got: str = "", expected: str = ""
    ) -> NoReturn:
        """Refuse the answer for a misconception that `all_refusals` names."""
        raise Refusal(misconception, call=call, got=got, expected=expected)

    def refuse_first(
        self, mistakes: Mapping[str, object], *, call: str = "", got: str = "", expected: str = ""
    ) -> None:
        """Refuse the answer for the first of these mistakes that was made, if any was.

        `mistakes` has a truthy value for each misconception that the answer shows.
        """
        for misconception, was_made in mistakes.items():
            if was_made:
                self.refuse(misconception, call=call, got=got, expected=expected)

    def recognize(
        self,
        got: Any,
        mistakes: Mapping[str, Iterable[Any]],
        same: Callable[[Any, Any], bool] = nearly_equal,
    ) -> str | None:
        """Return the first mistake that leads to this result, or None.

        `mistakes` has, for each misconception, the results that it leads to.
        """
        for misconception, results in mistakes.items():
            if any(same(got, result) for result in results):
                return misconception
        return None

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        copied: bool = True,
        expected: str = "",
    ) -> Any:
        """Return the result of the learner's function; it gets copies that it may change.

        Unless they are `copied`, it gets the arguments themselves. `expected` is shown if it
        raises.
        """
        call = self._begin(function, arguments)
        passed = copy.deepcopy(arguments) if copied else arguments
        try:
            result = function(*passed)
        except guard.TimeUp:
            raise
        except BaseException as error:
            self.refuse("raised", call=call, got=described(error), expected=expected)
        return self._finished(result, call)

    async def call_async(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Do the same for a function that may be asynchronous; it gets the arguments themselves."""
        call = self._begin(function, arguments)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = function(*arguments)
                if inspect.isawaitable(result):
                    result = await result
            except guard.TimeUp:
                raise
            except BaseException as error:
                # Frames hold coroutines that were never awaited: the warning has to come now.
                traceback.clear_frames(error.__traceback__)
                got = described(error)
                self.refuse(_mistake_behind(got), call=call, got=got)
        for warning in caught:
            if "never awaited" in str(warning.message):
                self.refuse("forgotten_await", call=call, got=str(warning.message))
        return self._finished(result, call)

    def called(self, *arguments: Any) -> str:
        """Return a call as the learner would write it."""
        return f"{self.name}({', '.join(map(brief, arguments))})"

    @classmethod
    def all_refusals(cls) -> dict[str, tuple[str, str]]:
        """Return the refusals of this exercise and of the classes that it inherits from."""
        refusals: dict[str, tuple[str, str]] = {}
        for kind in reversed(cls.__mro__):
            refusals.update(vars(kind).get("refusals", {}))
        return refusals

    def _begin(self, function: object, arguments: tuple[Any, ...]) -> str:
        """Return the call as text. Refuses what isn't a function."""
        if not callable(function):
            expected = f"a function named {self.name}"
            self.refuse("wrong_type", got=brief(function), expected=expected)
        self._current_call = self.called(*arguments)
        return self._current_call

    def _finished(self, result: Any, call: str) -> Any:
        """Return the result. Raises NotAttempted for the stub's dots; refuses a coroutine."""
        if result is ...:
            raise NotAttempted
        if inspect.iscoroutine(result):
            result.close()
            self.refuse("forgotten_await", call=call, got="a coroutine")
        return result
