"""Exercise: serve a stale value while one reload runs (stale-while-revalidate, RFC 5861).

nothing is stored ------------------------> await the reload, return its value
fresh ------------------------------------> return the stored value
stale --+-- no reload of the key runs ----> start one in the background --+
        +-- a reload of the key runs -------------------------------------+--> return the stored
                                                                               value at once
"""

import asyncio
import json
from typing import Any, ClassVar

from course_lib.exercises.answers import from_json
from course_lib.exercises.judging import same
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.reloaded_entry import FRESH, LAST, NEW, Entry, Together
from course_lib.exercises.verdict import NotAttempted, brief
from course_lib.lab.redis_server import Client

STALE = LAST - 10  # seconds left of an entry's TTL
OLD = {"events": 33}
REQUESTS = 10  # at once
PATIENCE = 1.0  # seconds: even on a busy machine, a result that needs no reload comes sooner


class Stale(RedisExercise):
    """A stale value is served at once, and reloaded once."""

    lesson = "caching"
    name = "stale"
    task = """An entry is **stale** in the last `seconds` of its TTL, and fresh before that. Write
`stale(redis, key, reload, reloads, seconds)`, so that a request with a stale entry doesn't wait:

1. **look up** the value and the milliseconds that its TTL has left: `redis.get`, `redis.pttl`
2. **nothing is stored**: return what `await reload()` returns. It loads the value and stores it.
3. **stale**: start `asyncio.create_task(reload())` and don't await it, unless a reload of this key
   is running
4. **return** the stored value, decoded, whether it's fresh or stale

`reloads` is a dict that all requests share. Keep the running task there under its key. A task's
`add_done_callback(function)` calls `function(task)` when it's done."""
    imports = "import asyncio\nimport json\n\n\n"
    stub = (
        imports
        + """async def stale(redis, key, reload, reloads, seconds):
    stored, left = await redis.get(key), await redis.pttl(key)  # 1 look up; left is in ms
    # 2 nothing is stored
    # 3 stale
    return ...  # 4 return"""
    )
    hints = (
        "Three cases: nothing stored, stale, fresh. In which of them does the request have to "
        "wait? Only in the first one.",
        "Stale is `left < 1000 * seconds`. Start a reload only if `key not in reloads`, and put "
        "the task into `reloads[key]` before the next `await`.",
        "When the task is done, however it ends, remove it: "
        "`reloads[key].add_done_callback(lambda _: reloads.pop(key, None))`.",
    )
    praise = (
        "Only a request that finds nothing has to wait. A stale value costs one reload, and no "
        "request waits for it."
    )
    refusals: ClassVar = {
        "waits_for_reload": (
            "A request with a stale entry waited for the reload: it took as long as a miss.",
            "Start the reload with `asyncio.create_task(reload())`, don't await it, and return the "
            "stored value.",
        ),
        "never_reloads": (
            "The entry was stale, and no reload was started: it stays stale until it expires, and "
            "then a request has to wait.",
            "If `left` is less than `seconds`, whatever that is, start a reload. `pttl` returns "
            "milliseconds.",
        ),
        "reloads_fresh": (
            "The entry was fresh, and it was reloaded anyway: every hit costs a load.",
            "Reload only in the last `seconds` of the TTL. `pttl` returns milliseconds.",
        ),
        "reloads_each": (
            "Each request with a stale entry started a reload: that's a stampede.",
            "Before you start one, look into `reloads`. Put the task there before the next "
            "`await`, and leave it there until it's done.",
        ),
        "never_again": (
            "A reload had ended, the entry was stale again, and no new reload was started.",
            "Remove the task from `reloads` when it's done, even if it failed. A callback is "
            "called after an error too, with the task as its argument: `lambda _: ...`.",
        ),
        "one_for_all_keys": (
            "While one key was reloaded, a stale entry of another key wasn't.",
            "Keep one task for each key in `reloads`.",
        ),
        "never_loads": (
            "Nothing was stored, and the request didn't get the value that `reload` loads.",
            "Step 2: `return await reload()`.",
        ),
        "falsy_hit": (
            "A stored 0 or empty list was treated as if nothing were stored.",
            "Compare what `redis.get` returned with `is None`, before you decode it.",
        ),
        "text_for_value": (
            "That's the stored text, not the value.",
            "Decode it: `json.loads(stored)`.",
        ),
        "another_value": (
            "That's not the value that was stored under the key.",
            "Return what `redis.get(key)` returned, decoded.",
        ),
    }

    @staticmethod
    async def stale(redis, key, reload, reloads, seconds):
        """Return the value of a key; if it's stale, have it reloaded once, in the background."""
        stored, left = await redis.get(key), await redis.pttl(key)
        if stored is None:
            return await reload()
        if left < 1000 * seconds and key not in reloads:
            reloads[key] = asyncio.create_task(reload())
            reloads[key].add_done_callback(lambda _: reloads.pop(key, None))
        return json.loads(stored)

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Try fresh and stale entries, ten requests at once, an error, two keys, and a miss."""
        for value in (OLD, 0, []):
            fresh = Entry(redis, "a", {})
            await fresh.store(value, FRESH)
            await self._request(answer, fresh, value, FRESH)
            if fresh.reloads:
                mistake = "reloads_fresh" if value else "falsy_hit"
                self.refuse(mistake, call=_call(fresh, value, FRESH), got="a reload")
        running: dict[str, Any] = {}
        for key in "ab":
            entry = Entry(Together(redis, REQUESTS), key, running)
            await entry.store(OLD, STALE)
            requests = [self._request(answer, entry, OLD, STALE) for _ in range(REQUESTS)]
            await asyncio.gather(*requests)
            fewer = "never_reloads" if key == "a" else "one_for_all_keys"
            await self._expect_reloads(entry, 1, fewer)
        await self._after_a_reload(redis, answer)
        await self._miss(redis, answer)

    async def _after_a_reload(self, redis: Client, answer: Any) -> None:
        """Let a reload end, by an error or without one; the next stale request starts another."""
        for fails in (False, True):
            entry = Entry(redis, "c", {}, fails=fails)
            for reloads in (1, 2):
                await entry.store(OLD, STALE)
                for _ in range(2):
                    await self._request(answer, entry, OLD, STALE)
                await self._expect_reloads(entry, reloads, "never_again")
                await entry.end_reload()

    async def _miss(self, redis: Client, answer: Any) -> None:
        entry = Entry(redis, "d", {})
        entry.may_end.set()
        result = await self.call_async(answer, *entry.arguments())
        if result is ...:
            raise NotAttempted
        if not same(result, NEW):
            call = f"{entry.call}, with nothing stored"
            self.refuse("never_loads", call=call, got=brief(result), expected=brief(NEW))

    async def _request(self, answer: Any, entry: Entry, stored: Any, left: int) -> None:
        """Expect the stored value before the reload ends."""
        call = asyncio.ensure_future(self.call_async(answer, *entry.arguments()))
        done, _ = await asyncio.wait({call}, timeout=PATIENCE)
        if not done:
            await entry.end_reload()
        result = await call
        if result is ...:
            raise NotAttempted
        if done and type(result) is type(stored) and same(result, stored):
            return
        is_new = same(result, NEW)
        when = "" if done else ", after the reload had ended"
        mistakes = {
            "falsy_hit": not stored and is_new,
            "reloads_fresh": left == FRESH and is_new,
            "waits_for_reload": is_new or not done,
            "text_for_value": isinstance(result, bytes | str) and from_json(result) == stored,
            "another_value": True,
        }
        self.refuse_first(
            mistakes,
            call=_call(entry, stored, left),
            got=brief(result) + when,
            expected=brief(stored),
        )

    async def _expect_reloads(self, entry: Entry, expected: int, fewer: str) -> None:
        await entry.wait_for_reloads(expected)
        if entry.reloads != expected:
            mistake = "reloads_each" if entry.reloads > expected else fewer
            call = f"{_call(entry, OLD, STALE)}, several times"
            self.refuse(mistake, call=call, got=f"reloads: {entry.reloads}", expected=f"{expected}")


def _call(entry: Entry, stored: Any, left: int) -> str:
    return f"{entry.call}, with {brief(stored)} stored and {left} s left"
