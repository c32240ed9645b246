"""Of concurrent misses, one loads."""

import asyncio
from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise, Refusal, brief


class SingleFlight(Exercise):
    """Of concurrent misses, one loads."""

    lesson = "caching"
    limit = 3.0
    name = "single_flight"
    task = """A hundred requests miss at once, and a hundred loads begin. Write `single_flight(flights, key, load)`: of
all who ask for the same key at the same time one calls `await load()`, and the others are given its result.

`flights` is a dict that all callers share; keep in it, by key, the task of the load that is under way:
`asyncio.create_task(load())`. Any number may await one task. `asyncio.shield(task)` lets a caller be cancelled
without the task being cancelled with it. When a load is over, its result or its error serves nobody who comes later."""
    imports = "import asyncio\n\n\n"
    stub = (
        imports
        + """async def single_flight(flights, key, load):
    # nobody is loading this key: make the task, and see to it that it goes when it is done
    return ...  # wait for the task"""
    )
    hints = (
        "Who comes first makes the task and puts it into the dict, before the first `await`. The others find it there.",
        "The load must be a task of its own, not a part of the first caller: else it ends when that caller gives up.",
        "`task.add_done_callback(lambda _: flights.pop(key, None))` removes it when it is over, however it ends.",
    )
    praise = "One load for all who wait, an error for all who wait, and a new load for who comes after."
    refusals: ClassVar = {
        "loads_each": (
            "Each caller loaded for itself.",
            "Between looking into `flights` and writing to it there may be no `await`; and the entry stays until the "
            "load is done (`add_done_callback` takes a function, such as a `lambda`).",
        ),
        "serves_for_ever": (
            "A caller that came after the load was over was given the old result.",
            "Remove the task from `flights` when it is done: a flight is no cache.",
        ),
        "failure_sticks": (
            "After a load that failed, who comes later is given the old error.",
            "Remove the task when it is done, also when it failed.",
        ),
        "failure_hidden": (
            "The load failed, and not everybody who waited for it was given the error.",
            "Let the error come out of the `await`.",
        ),
        "loads_again": (
            "The load failed, and those who had waited for it loaded once more, each for itself: a rush on a database "
            "that is in trouble already.",
            "Hand the error on to all who waited; who asks later may try again.",
        ),
        "one_for_all_keys": (
            "Callers of different keys were given the same result.",
            "Keep the flights by key.",
        ),
        "waits_in_line": (
            "A load of one key waited until that of another was done.",
            "One lock for all makes a queue of everything. Keep a task for each key.",
        ),
        "cancelled_with_first": (
            "The first caller was cancelled, and the others lost their load with it.",
            "`await asyncio.shield(task)`: then a caller's end is not the task's.",
        ),
        "removed_by_a_caller": (
            "One caller gave up, the load went on, and who came then loaded once more: the entry had left with the "
            "caller.",
            "Remove the task when the *task* is done, by its callback, and not when a caller is.",
        ),
        "cancelled_with_waiter": (
            "Of those who waited one was cancelled, and the load ended for all.",
            "Every caller waits by `asyncio.shield(task)`, not the first alone.",
        ),
        "swallows_cancellation": (
            "A caller that was cancelled went on as if nothing had happened.",
            "Let the CancelledError out.",
        ),
        "another_result": ("That is not what the load gave.", "Return what the task gives."),
    }

    @staticmethod
    async def single_flight(flights, key, load):
        """What `load` gives, called once for all who wait for the same key."""
        if key not in flights:
            flights[key] = asyncio.create_task(load())
            flights[key].add_done_callback(lambda _: flights.pop(key, None))
        return await asyncio.shield(flights[key])

    async def judge(self, answer: Any) -> None:
        """Ten at once, one after; two keys; a load that fails; a first caller that gives up."""
        flights: dict[str, Any] = {}
        calls, database_is_there = 0, True

        async def load() -> str:
            nonlocal calls
            calls += 1
            number = calls
            await asyncio.sleep(0.01)
            if not database_is_there:
                raise RuntimeError("no database")
            return f"load {number}"

        results = await asyncio.gather(*[self.call_async(answer, flights, "a", load) for _ in range(10)])
        if calls > 1:
            self._refuse("loads_each", "ten calls at once", f"{calls} loads", "1 load")
        self._expect(results, ["load 1"] * 10, "ten calls at once", "another_result")
        await asyncio.sleep(0)
        self._expect([await self.call_async(answer, flights, "a", load)], ["load 2"], "a later call", "serves_for_ever")
        await self._two_keys(answer)
        await asyncio.sleep(0)
        database_is_there = False
        failures = await asyncio.gather(
            *[self.call_async(answer, flights, "a", load) for _ in range(3)], return_exceptions=True
        )
        if not all(isinstance(each, Refusal) and "no database" in each.got for each in failures):
            self._refuse("failure_hidden", "three calls of a load that fails", brief(failures), "three errors")
        if calls > 3:
            self._refuse(
                "loads_again", "three calls of a load that fails", f"{calls - 2} loads", "1 load, three errors"
            )
        database_is_there = True
        await asyncio.sleep(0)
        try:
            self._expect(
                [await self.call_async(answer, flights, "a", load)], ["load 4"], "a call after", "failure_sticks"
            )
        except Refusal as refusal:
            if "no database" not in refusal.got:
                raise
            self._refuse("failure_sticks", "a call after a load that failed", refusal.got, "load 4")
        for victim in (0, 1):
            await self._one_gives_up(answer, victim)

    async def _two_keys(self, answer: Any) -> None:
        flights: dict[str, Any] = {}
        other_begun = asyncio.Event()

        async def waits() -> str:
            await other_begun.wait()
            return "a"

        async def goes_on() -> str:
            other_begun.set()
            return "b"

        both = [
            asyncio.create_task(self.call_async(answer, flights, key, load))
            for key, load in (("a", waits), ("b", goes_on))
        ]
        _, waiting = await asyncio.wait(both, timeout=0.5)
        for task in waiting:
            task.cancel()
        ended = await asyncio.gather(*both, return_exceptions=True)
        results = [] if waiting else ended
        if not results:
            mistake = "waits_in_line" if not other_begun.is_set() and len(flights) != 1 else "one_for_all_keys"
            self._refuse(mistake, "two keys at once", "no answer", "an answer for each")
        self._expect(results, ["a", "b"], "two keys at once", "one_for_all_keys")

    async def _one_gives_up(self, answer: Any, victim: int) -> None:
        """Of three callers the first, or the second, is cancelled; then a fourth comes, and then the load is done."""
        flights: dict[str, Any] = {}
        go_on, calls = asyncio.Event(), 0

        async def load() -> str:
            nonlocal calls
            calls += 1
            number = calls
            await go_on.wait()
            return f"load {number}"

        async def let_them_run() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        callers = [asyncio.ensure_future(answer(flights, "c", load)) for _ in range(3)]
        await let_them_run()
        callers[victim].cancel()
        await let_them_run()
        callers.append(asyncio.ensure_future(answer(flights, "c", load)))
        await let_them_run()
        go_on.set()
        ended = await asyncio.gather(*callers, return_exceptions=True)
        gave_up = ended.pop(victim)
        ended_too = any(isinstance(each, asyncio.CancelledError) for each in ended)
        for mistake, made in {
            "cancelled_with_first": ended_too and victim == 0,
            "cancelled_with_waiter": ended_too,
            "removed_by_a_caller": calls > 1,
            "swallows_cancellation": not isinstance(gave_up, asyncio.CancelledError),
        }.items():
            if made:
                call = f"of three callers the {('first', 'second')[victim]} was cancelled, then came a fourth"
                self._refuse(
                    mistake, call, f"{calls} loads; the others: {brief(ended)}", "1 load, and its result for them"
                )

    def _expect(self, results: list[Any], expected: list[str], call: str, mistake: str) -> None:
        if results != expected:
            self._refuse(mistake, call, brief(results), brief(expected))

    def _refuse(self, mistake: str, call: str, got: str, expected: str) -> None:
        self.refuse(mistake, call=call, got=got, expected=expected)
