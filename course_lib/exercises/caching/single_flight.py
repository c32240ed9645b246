"""Exercise: one load for any number of concurrent misses.

first caller --> no task for the key --> create it --+
other callers --> the task is there -----------------+--> await the task, shielded
                                                     |
                the task is done, however it ends ---+--> remove it: later callers load again
"""

import asyncio
from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise
from course_lib.exercises.fakes import CountingDatabase
from course_lib.exercises.judging import same
from course_lib.exercises.verdict import Refusal, brief


class SingleFlight(Exercise):
    """Of concurrent misses, one loads."""

    lesson = "caching"
    limit = 3.0
    name = "single_flight"
    task = """A hundred requests miss at the same time, and a hundred loads start. Write
`single_flight(flights, key, load)`: of all concurrent callers with the same key, one calls
`await load()`, and the others get its result.

`flights` is a dict shared by all callers. In it, store the task of the load in progress by its key:
`asyncio.create_task(load())`. Any number of callers can await the same task. `asyncio.shield(task)`
lets a caller be cancelled without cancelling the task. Once a load is over, callers that come later
don't get its result or its error."""
    imports = "import asyncio\n\n\n"
    stub = (
        imports
        + """async def single_flight(flights, key, load):
    # if no load of this key is in progress: create the task, and have it removed when it's done
    return ...  # wait for the task"""
    )
    hints = (
        "The first caller creates the task and puts it in the dict before its first `await`. The "
        "others find it there.",
        "The load has to be a task of its own, not a part of the first caller: otherwise it ends "
        "when that caller gives up.",
        "`task.add_done_callback(lambda _: flights.pop(key, None))` removes it when it's done, "
        "however it ends.",
    )
    praise = (
        "One load for all that wait, its error for all that wait, and a new load for callers that "
        "come later."
    )
    refusals: ClassVar = {
        "loads_each": (
            "Every caller loaded for itself.",
            "Don't `await` between looking into `flights` and writing to it; and keep the entry "
            "until the load is done (`add_done_callback` takes a function, such as a `lambda`).",
        ),
        "serves_for_ever": (
            "A caller that came after the load was over got the old result.",
            "Remove the task from `flights` when it's done: this isn't a cache.",
        ),
        "failure_sticks": (
            "After a load that failed, callers that come later get the old error.",
            "Remove the task when it's done, even if it failed.",
        ),
        "failure_hidden": (
            "The load failed, and not every caller that waited for it got the error.",
            "Let the `await` raise the error.",
        ),
        "loads_again": (
            "The load failed, and each caller that had waited for it loaded again: a stampede on a "
            "database that's already in trouble.",
            "Pass the error to all callers that waited; later callers may try again.",
        ),
        "removed_twice": (
            "The first caller that got the result removed the entry, and the next one found no "
            "entry.",
            "Remove the task once, when it's done: `task.add_done_callback(...)`, with "
            "`flights.pop(key, None)`.",
        ),
        "forgets_all": (
            "The load of one key ended, and a load of another key was forgotten with it: a caller "
            "that came then loaded again.",
            "Remove only the entry of the load that's done: `flights.pop(key, None)`.",
        ),
        "falsy_again": (
            "The load returned 0, and callers that had waited for it loaded again.",
            "Any result counts, also a falsy one: return it without an `if`.",
        ),
        "one_for_all_keys": (
            "Callers with different keys got the same result.",
            "Store the tasks by key.",
        ),
        "waits_in_line": (
            "The load of one key waited until that of another was done.",
            "One lock for all keys puts everything in a queue. Keep one task for each key.",
        ),
        "cancelled_with_first": (
            "The first caller was cancelled, and the others lost their load with it.",
            "`await asyncio.shield(task)`: then cancelling a caller doesn't cancel the task.",
        ),
        "removed_by_a_caller": (
            "One caller gave up while the load went on, and the next caller loaded again: the "
            "entry was removed with the caller.",
            "Remove the task when the *task* is done, in its callback, not when a caller is.",
        ),
        "cancelled_with_waiter": (
            "One of the waiting callers was cancelled, and the load ended for all of them.",
            "Every caller has to wait with `asyncio.shield(task)`, not only the first.",
        ),
        "swallows_cancellation": (
            "A caller that was cancelled went on as if nothing had happened.",
            "Don't catch the CancelledError.",
        ),
        "another_result": ("That's not what `load` returned.", "Return the result of the task."),
    }

    @staticmethod
    async def single_flight(flights, key, load):
        """Return the result of `load`, called once for all concurrent callers with this key."""
        if key not in flights:
            flights[key] = asyncio.create_task(load())
            flights[key].add_done_callback(lambda _: flights.pop(key, None))
        return await asyncio.shield(flights[key])

    async def judge(self, answer: Any) -> None:
        """Try ten at once and one after; two keys; a failed load; a caller that's cancelled."""
        flights: dict[str, Any] = {}
        database = CountingDatabase()
        await self._ten_at_once(answer, flights, database)
        await self._two_keys(answer)
        await self._falsy_result(answer)
        await self._one_ends_before_the_other(answer)
        await asyncio.sleep(0)
        await self._failed_load(answer, flights, database)
        for cancelled in (0, 1):
            await self._one_is_cancelled(answer, cancelled)

    async def _ten_at_once(self, answer: Any, flights: Any, database: CountingDatabase) -> None:
        callers = [self.call_async(answer, flights, "a", database.load) for _ in range(10)]
        try:
            results = await asyncio.gather(*callers)
        except Refusal as refusal:
            if refusal.got.startswith("KeyError"):
                call = "ten calls at once"
                self._refuse("removed_twice", call, refusal.got, "a result for each")
            raise
        if database.loads > 1:
            self._refuse("loads_each", "ten calls at once", f"{database.loads} loads", "1 load")
        self._expect(results, ["load 1"] * 10, "ten calls at once", "another_result")
        await asyncio.sleep(0)
        result = await self.call_async(answer, flights, "a", database.load)
        self._expect([result], ["load 2"], "a later call", "serves_for_ever")

    async def _failed_load(self, answer: Any, flights: Any, database: CountingDatabase) -> None:
        database.is_up = False
        callers = [self.call_async(answer, flights, "a", database.load) for _ in range(3)]
        failures = await asyncio.gather(*callers, return_exceptions=True)
        call = "three calls of a load that fails"
        if not all(_is_database_error(failure) for failure in failures):
            self._refuse("failure_hidden", call, brief(failures), "three errors")
        if database.loads > 3:
            got = f"{database.loads - 2} loads"
            self._refuse("loads_again", call, got, "1 load, three errors")
        database.is_up = True
        await asyncio.sleep(0)
        try:
            result = await self.call_async(answer, flights, "a", database.load)
        except Refusal as refusal:
            if _is_database_error(refusal):
                call = "a call after a load that failed"
                self._refuse("failure_sticks", call, refusal.got, "load 4")
            raise
        self._expect([result], ["load 4"], "a call after", "failure_sticks")

    async def _falsy_result(self, answer: Any) -> None:
        flights: dict[str, Any] = {}
        loads = 0

        async def load() -> int:
            nonlocal loads
            loads += 1
            await asyncio.sleep(0.01)
            return 0

        callers = [self.call_async(answer, flights, "a", load) for _ in range(3)]
        results = await asyncio.gather(*callers)
        if loads > 1:
            self._refuse("falsy_again", "three calls at once", f"{loads} loads of 0", "1 load")
        self._expect(results, [0, 0, 0], "three calls at once", "another_result")

    async def _one_ends_before_the_other(self, answer: Any) -> None:
        """End the load of one key while that of a similar one goes on; then call for that again."""
        flights: dict[str, Any] = {}
        short, long = CountingDatabase(), CountingDatabase(is_paused=True)
        first = asyncio.create_task(self.call_async(answer, flights, "stats:12", long.load))
        await _let_tasks_run()
        other = asyncio.create_task(self.call_async(answer, flights, "stats:1", short.load))
        _, waiting = await asyncio.wait({other}, timeout=0.3)
        if waiting:
            long.resume.set()
            self._refuse("one_for_all_keys", "two similar keys", "no result", "a result for each")
        second = asyncio.create_task(self.call_async(answer, flights, "stats:12", long.load))
        await _let_tasks_run()
        long.resume.set()
        results = await asyncio.gather(first, second)
        if long.loads > 1:
            call = "a second call for a key whose load goes on, after another key's load ended"
            self._refuse("forgets_all", call, f"{long.loads} loads", "1 load")
        self._expect(list(results), ["load 1", "load 1"], "two similar keys", "one_for_all_keys")

    async def _two_keys(self, answer: Any) -> None:
        """Load one key while another one's load can't go on until this one has started."""
        flights: dict[str, Any] = {}
        second_started = asyncio.Event()

        async def first_load() -> str:
            await second_started.wait()
            return "a"

        async def second_load() -> str:
            second_started.set()
            return "b"

        first = asyncio.create_task(self.call_async(answer, flights, "a", first_load))
        second = asyncio.create_task(self.call_async(answer, flights, "b", second_load))
        _, waiting = await asyncio.wait([first, second], timeout=0.5)
        for task in waiting:
            task.cancel()
        results = await asyncio.gather(first, second, return_exceptions=True)
        if waiting:
            is_queue = not second_started.is_set() and len(flights) != 1
            mistake = "waits_in_line" if is_queue else "one_for_all_keys"
            self._refuse(mistake, "two keys at once", "no result", "a result for each")
        self._expect(list(results), ["a", "b"], "two keys at once", "one_for_all_keys")

    async def _one_is_cancelled(self, answer: Any, cancelled: int) -> None:
        """Cancel the first or second of three callers; a fourth comes before the load is done."""
        flights: dict[str, Any] = {}
        database = CountingDatabase(is_paused=True)
        callers = [asyncio.ensure_future(answer(flights, "c", database.load)) for _ in range(3)]
        await _let_tasks_run()
        callers[cancelled].cancel()
        await _let_tasks_run()
        callers.append(asyncio.ensure_future(answer(flights, "c", database.load)))
        await _let_tasks_run()
        database.resume.set()
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        own_outcome = outcomes.pop(cancelled)
        others_cancelled = any(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        mistakes = {
            "cancelled_with_first": others_cancelled and cancelled == 0,
            "cancelled_with_waiter": others_cancelled,
            "removed_by_a_caller": database.loads > 1,
            "swallows_cancellation": not isinstance(own_outcome, asyncio.CancelledError),
        }
        which = ("first", "second")[cancelled]
        self.refuse_first(
            mistakes,
            call=f"three callers, the {which} one cancelled, then a fourth",
            got=f"{database.loads} loads; the others: {brief(outcomes)}",
            expected="1 load, and its result for the others",
        )

    def _expect(self, results: list[Any], expected: list[Any], call: str, mistake: str) -> None:
        if not all(map(same, results, expected)):
            self._refuse(mistake, call, brief(results), brief(expected))

    def _refuse(self, mistake: str, call: str, got: str, expected: str) -> None:
        self.refuse(mistake, call=call, got=got, expected=expected)


async def _let_tasks_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def _is_database_error(outcome: object) -> bool:
    return isinstance(outcome, Refusal) and "no database" in outcome.got
