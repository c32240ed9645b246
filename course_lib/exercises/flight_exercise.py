"""Scenarios of concurrent callers that share a load, for `single_flight`."""

import asyncio
from typing import Any

from course_lib.exercises.engine import Exercise
from course_lib.exercises.fakes import CountingDatabase
from course_lib.exercises.judging import same
from course_lib.exercises.verdict import brief


class FlightExercise(Exercise):
    """An exercise whose answer loads once for all concurrent callers with the same key."""

    async def falsy_result(self, answer: Any) -> None:
        """Let three callers wait for a load that returns 0."""
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
            self.refuse_call("falsy_again", "three calls at once", f"{loads} loads of 0", "1 load")
        self.expect(results, [0, 0, 0], "three calls at once", "another_result")

    async def one_ends_before_the_other(self, answer: Any) -> None:
        """End the load of one key while that of a similar one goes on; then call for that again."""
        flights: dict[str, Any] = {}
        short, long = CountingDatabase(), CountingDatabase(is_paused=True)
        first = asyncio.create_task(self.call_async(answer, flights, "stats:12", long.load))
        await _let_tasks_run()
        other = asyncio.create_task(self.call_async(answer, flights, "stats:1", short.load))
        _, waiting = await asyncio.wait({other}, timeout=1.0)
        if waiting:
            long.resume.set()
            self.refuse_call(
                "one_for_all_keys", "two similar keys", "no result", "a result for each"
            )
        second = asyncio.create_task(self.call_async(answer, flights, "stats:12", long.load))
        await _let_tasks_run()
        long.resume.set()
        results = await asyncio.gather(first, second)
        if long.loads > 1:
            call = "a second call for a key whose load goes on, after another key's load ended"
            self.refuse_call("forgets_all", call, f"{long.loads} loads", "1 load")
        self.expect(list(results), ["load 1", "load 1"], "two similar keys", "one_for_all_keys")

    async def two_keys(self, answer: Any) -> None:
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
            self.refuse_call(mistake, "two keys at once", "no result", "a result for each")
        self.expect(list(results), ["a", "b"], "two keys at once", "one_for_all_keys")

    async def one_is_cancelled(self, answer: Any, cancelled: int) -> None:
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

    async def the_only_one_is_cancelled(self, answer: Any) -> None:
        """Cancel the only caller; another one comes before the load is done."""
        flights: dict[str, Any] = {}
        database = CountingDatabase(is_paused=True)
        first = asyncio.ensure_future(answer(flights, "d", database.load))
        await _let_tasks_run()
        if not flights:
            self.refuse_call("not_in_flights", "a load in progress", "an empty dict", "its task")
        first.cancel()
        await _let_tasks_run()
        second = asyncio.ensure_future(answer(flights, "d", database.load))
        await _let_tasks_run()
        database.resume.set()
        await asyncio.gather(first, second, return_exceptions=True)
        if database.loads - database.cancelled > 1:
            call = "the only caller cancelled, then a second one"
            self.refuse_call("removed_by_a_caller", call, f"{database.loads} loads", "1 load")

    def expect(self, results: list[Any], expected: list[Any], call: str, mistake: str) -> None:
        """Refuse the answer unless these are its results."""
        if not all(map(same, results, expected)):
            self.refuse_call(mistake, call, brief(results), brief(expected))

    def refuse_call(self, mistake: str, call: str, got: str, expected: str) -> None:
        """Refuse the answer for a misconception, in this scenario."""
        self.refuse(mistake, call=call, got=got, expected=expected)


async def _let_tasks_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
