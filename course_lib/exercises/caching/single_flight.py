"""Exercise: one load for any number of concurrent misses.

first caller --> no task for the key --> create it --+
other callers --> the task is there -----------------+--> await the task, shielded
                                                     |
                the task is done, however it ends ---+--> remove it: later callers load again
"""

import asyncio
from typing import Any, ClassVar

from course_lib.exercises.fakes import CountingDatabase
from course_lib.exercises.flight_exercise import FlightExercise
from course_lib.exercises.verdict import Refusal, brief


class SingleFlight(FlightExercise):
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
            "Remove the task from `flights` when it's done: this isn't a cache. A callback is "
            "called with the task: `lambda _: flights.pop(key, None)`.",
        ),
        "not_in_flights": (
            "A load was in progress, and `flights` was empty: the callers share that dict, and not "
            "a variable of yours.",
            "Store the task in `flights`, under its key.",
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
            "Callers with different keys waited for the same load.",
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
        await self.two_keys(answer)
        await self.falsy_result(answer)
        await self.one_ends_before_the_other(answer)
        await asyncio.sleep(0)
        await self._failed_load(answer, flights, database)
        for cancelled in (0, 1):
            await self.one_is_cancelled(answer, cancelled)
        await self.the_only_one_is_cancelled(answer)

    async def _ten_at_once(self, answer: Any, flights: Any, database: CountingDatabase) -> None:
        callers = [self.call_async(answer, flights, "a", database.load) for _ in range(10)]
        try:
            results = await asyncio.gather(*callers)
        except Refusal as refusal:
            if refusal.got.startswith("KeyError"):
                call = "ten calls at once"
                self.refuse_call("removed_twice", call, refusal.got, "a result for each")
            raise
        if database.loads > 1:
            self.refuse_call("loads_each", "ten calls at once", f"{database.loads} loads", "1 load")
        self.expect(results, ["load 1"] * 10, "ten calls at once", "another_result")
        await asyncio.sleep(0)
        result = await self.call_async(answer, flights, "a", database.load)
        self.expect([result], ["load 2"], "a later call", "serves_for_ever")

    async def _failed_load(self, answer: Any, flights: Any, database: CountingDatabase) -> None:
        database.is_up = False
        calls = [self.call_async(answer, flights, "a", database.load) for _ in range(3)]
        callers = [asyncio.ensure_future(call) for call in calls]
        _, waiting = await asyncio.wait(callers, timeout=0.5)
        for caller in waiting:
            caller.cancel()
        failures = await asyncio.gather(*callers, return_exceptions=True)
        call = "three calls of a load that fails"
        if waiting or not all(isinstance(failure, Refusal) for failure in failures):
            self.refuse_call("failure_hidden", call, brief(failures), "three errors")
        errors = {failure.got for failure in failures if isinstance(failure, Refusal)}
        if errors != {"RuntimeError: no database"}:
            self.refuse_call("another_error", call, ", ".join(errors), "that error")
        if database.loads > 3:
            got = f"{database.loads - 2} loads"
            self.refuse_call("loads_again", call, got, "1 load, three errors")
        database.is_up = True
        await asyncio.sleep(0)
        try:
            result = await self.call_async(answer, flights, "a", database.load)
        except Refusal as refusal:
            if _is_database_error(refusal):
                call = "a call after a load that failed"
                self.refuse_call("failure_sticks", call, refusal.got, "load 4")
            raise
        self.expect([result], ["load 4"], "a call after", "failure_sticks")


def _is_database_error(outcome: object) -> bool:
    return isinstance(outcome, Refusal) and "no database" in outcome.got
