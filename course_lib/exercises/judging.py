"""The tools of a check: call the learner's function, compare, refuse.

A refusal has an ID (the misconception) and two sentences: one that names the misconception, and
the next step. They are in the table `refusals` of the exercise, or of a class it inherits from.
"""

import asyncio
import copy
import inspect
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NoReturn

from course_lib.exercises import guard
from course_lib.exercises.verdict import NotAttempted, Refusal, brief, described, last_line


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


# For some misconceptions: what the messages of the errors that they lead to have in common.
SIGNS = {
    "dots_left": "'ellipsis'|not Ellipsis",
    "function_for_coroutine": "a coroutine was expected|coroutine or an awaitable is required",
    "not_awaitable": "can't be used in 'await' expression",
    "loop_in_a_loop": r"asyncio\.run\(\) cannot be called|event loop is already running",
    "decodes_nothing": "the JSON object must be .* not NoneType",
    "too_many_files": "Too many open files",
    "awaited_twice": "awaited already|already awaited",
    "forgotten_await": "coroutine",
}


def first_made(mistakes: Mapping[str, object]) -> str | None:
    """Return the first of these mistakes that was made, or None.

    `mistakes` has a truthy value for each misconception that the answer shows.
    """
    return next((mistake for mistake, was_made in mistakes.items() if was_made), None)


def mistake_behind(error_text: str) -> str:
    """Return the misconception behind an error, or "raised" if its message shows none."""
    for mistake, sign in SIGNS.items():
        if re.search(sign, error_text):
            return mistake
    return "raised"


class Judging:
    """The half of an exercise that its `judge` uses."""

    name: ClassVar[str]
    refusals: ClassVar[Mapping[str, tuple[str, str]]] = {
        "raised": (
            "Your code raised an error.",
            "The error says what Python couldn't do. Look for the cause in the line it came from.",
        ),
        "endless": (
            "Your code didn't finish in time.",
            "Look for a loop that never ends, or for a long wait.",
        ),
        "wrong_type": (
            "That's not the kind of answer the task asks for.",
            "Compare it with the stub, and with what's expected.",
        ),
        "forgotten_await": (
            "A coroutine was created but never awaited, so it never ran.",
            "Put `await` in front of each call of an `async` function. If the stub is a plain "
            "`def`, don't make it `async`.",
        ),
        "awaited_twice": (
            "Two callers awaited the same coroutine, and a coroutine can be awaited only once.",
            "Make a task of it, with `asyncio.create_task(...)`: any number of callers can await "
            "a task.",
        ),
        "function_for_coroutine": (
            "A function was passed where its coroutine is needed.",
            "Call it, with parentheses: `asyncio.create_task(load())`.",
        ),
        "dots_left": (
            "There are still dots in your code: each `...` of the stub stands for something that "
            "you have to write.",
            "Replace the dots, one step after another.",
        ),
        "not_awaitable": (
            "You awaited something that can't be awaited: a function that wasn't called, or the "
            "result of a plain one.",
            "Call an async function to await it, with parentheses, as in `await load()`; call a "
            "plain function without `await`.",
        ),
        "loop_in_a_loop": (
            "You tried to start an event loop, but your function is already running in one.",
            "Write `async def`, and `await` the call.",
        ),
        "returns_task": (
            "Your function returned a task or a future instead of its result.",
            "Wait for it: `return await ...`.",
        ),
        "decodes_nothing": (
            "Redis had nothing under the key, and your code decoded that: `json.loads(None)` is an "
            "error.",
            "First test whether what `redis.get` returned `is None`.",
        ),
        "too_many_files": (
            "Your code opened so many files or connections that the system refused another one.",
            "Close each one, for example by opening it in a `with`, or open one and use it for "
            "every call.",
        ),
        "no_answer": (
            "Your function returned None.",
            "Make sure that every path ends with a `return`. `print` only shows a value.",
        ),
        "another_error": (
            "An error was raised, and your function replaced it with another one: the caller can "
            "no longer tell what went wrong.",
            "Let the error itself reach the caller: don't catch it, or end the `except` with a "
            "bare `raise`.",
        ),
        "cannot_check": (
            "This answer couldn't be checked, and that's our fault.",
            "`report()` prints what to send us.",
        ),
    }
    """For each misconception's ID: the sentence that names it, and the next step."""

    _current_call = ""  # shown if the answer has to be stopped
    _raised_in = ""  # the learner's line that raised an error

    def refuse(
        self, misconception: str, *, call: str = "", got: str = "", expected: str = ""
    ) -> NoReturn:
        """Refuse the answer for a misconception that `all_refusals` names."""
        if misconception == "wrong_type" and got == "None" and call:
            misconception = "no_answer"
        raise Refusal(misconception, call=call, got=got, expected=expected)

    def refuse_first(
        self, mistakes: Mapping[str, object], *, call: str = "", got: str = "", expected: str = ""
    ) -> None:
        """Refuse the answer for the first of these mistakes that was made, if any was."""
        misconception = first_made(mistakes)
        if misconception:
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

        Unless they are `copied`, it gets the arguments themselves. If the function raises, the
        answer is refused: `got` is then the error's type and message, and `expected` is shown.
        """
        call = self._begin(function, arguments)
        passed = copy.deepcopy(arguments) if copied else arguments
        try:
            result = function(*passed)
        except guard.TimeUp:
            raise
        except BaseException as error:
            self.refuse_raised(function, error, call=call, expected=expected)
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
                is_unfinished = asyncio.isfuture(result)
            except guard.TimeUp:
                raise
            except BaseException as error:
                # Frames hold coroutines that were never awaited: the warning has to come now.
                traceback.clear_frames(error.__traceback__)
                self.refuse_raised(function, error, call=call)
        for warning in caught:
            if "never awaited" in str(warning.message):
                self.refuse("forgotten_await", call=call, got=str(warning.message))
        if is_unfinished:
            self.refuse("returns_task", call=call, got=f"a {type(result).__name__}")
        return self._finished(result, call)

    def refuse_raised(
        self, function: object, error: BaseException, *, call: str, expected: str = ""
    ) -> NoReturn:
        """Refuse an error of the learner's function, and show the line that it came from."""
        self._raised_in = last_line(function, error)
        got = described(error)
        self.refuse(mistake_behind(got), call=call, got=got, expected=expected)

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
            if inspect.iscoroutine(function):
                function.close()
            expected = f"the function {self.name} itself, not its result"
            self.refuse("wrong_type", got=brief(function), expected=expected)
        self._current_call, self._raised_in = self.called(*arguments), ""
        return self._current_call

    def _finished(self, result: Any, call: str) -> Any:
        """Return the result. Raises NotAttempted for the stub's dots; refuses a coroutine."""
        if result is ...:
            raise NotAttempted
        if inspect.iscoroutine(result):
            result.close()
            self.refuse("forgotten_await", call=call, got="a coroutine")
        return result
