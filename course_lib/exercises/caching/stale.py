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

from course_lib.exercises.reload_exercise import OLD, STALE, ReloadExercise
from course_lib.exercises.reloaded_entry import Entry, Together
from course_lib.lab.redis_server import Client

REQUESTS = 10  # at once


class Stale(ReloadExercise):
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
        "forgets_all": (
            "The reload of one key ended, and the running reload of another key was forgotten: its "
            "next request started another one.",
            "Remove only the task of your own key: `reloads.pop(key, None)`, not `clear()`.",
        ),
        "changes_entry": (
            "The stale entry was changed before its reload was done. If the reload fails, the next "
            "request finds nothing, or takes a stale value for a fresh one.",
            "Only read the entry: `reload` stores the new value, with a new TTL.",
        ),
        "loads_twice": (
            "Nothing was stored, and one request loaded the value more than once.",
            "Step 2: `return await reload()`.",
        ),
        "failure_hidden": (
            "Nothing was stored and `reload` raised an error, but your function returned as if "
            "nothing had happened.",
            "Let the error of step 2 reach the caller: don't catch it.",
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
        """Try fresh and stale entries, ten requests at once, two keys, an error, and a miss."""
        for value in (OLD, 0, []):
            await self.fresh(redis, answer, value)
        await self._two_keys(redis, answer)
        await self.short_reload(redis, answer)
        await self.after_a_reload(redis, answer)
        await self.miss(redis, answer)

    async def _two_keys(self, redis: Client, answer: Any) -> None:
        """Let ten requests for each of two keys start a reload; only the first one's ends."""
        running: dict[str, Any] = {}
        entries = [Entry(Together(redis, REQUESTS), key, running) for key in "ab"]
        for entry, fewer in zip(entries, ("never_reloads", "one_for_all_keys"), strict=True):
            await entry.store(OLD, STALE)
            requests = [self.request(answer, entry, OLD, STALE) for _ in range(REQUESTS)]
            await asyncio.gather(*requests)
            await self.expect_unchanged(entry)
            await self.expect_reloads(entry, 1, fewer)
        first, second = entries
        await first.end_reload()
        await self.request(answer, second, OLD, STALE)
        await second.wait_for_reloads(2)
        if second.reloads > 1:
            call = f"{second.call}, while its reload runs, after another key's reload ended"
            self.refuse("forgets_all", call=call, got="another reload", expected="none")
