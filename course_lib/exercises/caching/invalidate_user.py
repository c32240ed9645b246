"""Write, then remove what the write has made old: of this user, and of nobody else."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number, as_text
from course_lib.exercises.engine import Refusal, brief
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.lab.redis_server import Client


class InvalidateUser(RedisExercise):
    """Write, then remove what the write has made old: of this user, and of nobody else."""

    lesson = "caching"
    name = "invalidate_user"
    task = """A user adds an event, and all that is cached for them is old. The keys of their entries stand in a SET
`keys:{user_id}`, such as `{"stats:1", "events:1"}` in `keys:1`; other requests may add to both at any time. Write
`invalidate_user(redis, user_id, write)`. Four steps are needed, and their order is yours to find:

- **answer** how many *entries* were removed (the SET is no entry)
- **find** the keys: `await redis.smembers(f"keys:{user_id}")`
- **remove** the entries and the SET: `await redis.delete(*keys)` takes any number of keys, but not none
- **write**: `await write()` puts the event into the database

And mind that user 1 is not user 10."""
    stub = """async def invalidate_user(redis, user_id, write):
    ...
    return ..."""
    hints = (
        "If the entries go first, what may somebody load and store before the write is done?",
        "First `await write()`. Then remove the members of the SET and the SET itself, in one `delete` or in two.",
        "`delete` with no key at all is an error: a user may have nothing cached. And the SET does not count.",
    )
    praise = "Written, then removed: whoever loads after this reads what was written. And user 10 keeps everything."
    refusals: ClassVar = {
        "delete_before_write": (
            "Entries were gone before the write: who asks in between loads the old state and stores it again, for its "
            "whole lifetime, or until a second removal.",
            "First `await write()`, then remove.",
        ),
        "finds_before_write": (
            "The keys were looked up before the write. What somebody stored meanwhile is not among them, and stays: "
            "old, and named by no SET any more.",
            "First `await write()`, then find, then remove.",
        ),
        "forgets_write": ("`write` was not called: the event is lost.", "Somewhere `await write()` is needed."),
        "writes_twice": ("`write` was called more than once: the event is there twice.", "Call it once."),
        "other_user_gone": (
            "Entries of user 10 are gone as well, when user 1 was asked for: `stats:1*` matches both.",
            "Take the keys from the SET `keys:{user_id}`, which holds this user's and nobody else's.",
        ),
        "searches_all_keys": (
            "To find the keys, all keys of the server were looked through: with a million of them everybody waits.",
            "Read the SET `keys:{user_id}`: it names them.",
        ),
        "flushes": ("That would remove everything of everybody.", "Remove the keys that `keys:{user_id}` names."),
        "entries_stay": (
            "Entries of the user are still there, and old.",
            "Remove each key that stands in the SET: `await redis.delete(*keys)`.",
        ),
        "forgets_the_set": (
            "The SET itself is still there: it would name keys that are gone, and grow with each round.",
            "Remove `keys:{user_id}` too.",
        ),
        "counts_the_set": (
            "The SET was counted as an entry.",
            "Count the entries only: remove the SET in a call of its own, or subtract it.",
        ),
        "another_count": (
            "That is not how many entries were removed.",
            "`delete` answers with the number of keys that it removed; or count the members of the SET.",
        ),
        "empty_set": (
            "For a user with nothing cached, `delete` was called without any key, which is an error.",
            "Look first whether there are any; or remove the SET in the same call, so that there is always one.",
        ),
    }

    @staticmethod
    async def invalidate_user(redis, user_id, write):
        """Write, then remove the entries of a user; how many there were."""
        await write()
        keys = await redis.smembers(f"keys:{user_id}")
        await redis.delete(f"keys:{user_id}", *keys)
        return len(keys)

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """User 1 with three entries beside users 10 and 12, then a user with none."""
        entries = {1: ["stats:1", "events:1", "page:1:2"], 10: ["stats:10", "events:10"], 12: ["stats:12"]}
        for user, keys in entries.items():
            for key in keys:
                await redis.set(key, "old")
            await redis.sadd(f"keys:{user}", *keys)
        redis.commands.clear()
        writes: list[int] = []

        async def write() -> None:
            await asyncio.sleep(0.01)  # a removal that does not wait for the write shows
            writes.append(await redis.exists(*entries[1]))
            await redis.set("meanwhile:1", "old")  # another request has missed, and stores what was before the write
            await redis.sadd("keys:1", "meanwhile:1")

        result = await self._call(redis, answer, 1, write)
        call = f"{self.name}(redis, 1, write)"
        left = {as_text(key) for key in await redis.keys("*")}
        if writes and writes[0] < len(entries[1]):
            found = f"when `write` was called, {writes[0]} of user 1's {len(entries[1])} entries were left in Redis"
            self.refuse("delete_before_write", call=call, got=found, expected="all of them")
        for mistake, made in {
            "forgets_write": not writes,
            "writes_twice": len(writes) > 1,
            "other_user_gone": not {*entries[10], *entries[12], "keys:10", "keys:12"} <= left,
            "searches_all_keys": any(command[0] in {"KEYS", "SCAN"} for command in redis.commands[:-1]),
            "entries_stay": left & set(entries[1]),
            "finds_before_write": "meanwhile:1" in left,
            "forgets_the_set": "keys:1" in left,
            "counts_the_set": result == 5,
            "another_count": isinstance(result, bool) or as_number(result) != 4,
        }.items():
            if made:
                self.refuse(mistake, call=call, got=f"{brief(result)}, and left in Redis: {', '.join(sorted(left))}")
        await self._other_users(redis, answer)

    async def _other_users(self, redis: Client, answer: Any) -> None:
        """A user with one entry, and one with none, for whom the write counts all the same."""
        written = 0

        async def write() -> None:
            nonlocal written
            written += 1

        for user, entries in ((12, 1), (99, 0)):
            written = 0
            result = await self._call(redis, answer, user, write)
            call = f"{self.name}(redis, {user}, write), of a user with {entries} entries"
            left = await redis.exists(f"stats:{user}", f"keys:{user}")
            for mistake, made in {
                "forgets_write": not written,
                "writes_twice": written > 1,
                "entries_stay": left,
                "counts_the_set": as_number(result) == entries + 1,
                "another_count": as_number(result) != entries,
            }.items():
                if made:
                    self.refuse(
                        mistake, call=call, got=f"{brief(result)}, after {written} writes", expected=str(entries)
                    )

    async def _call(self, redis: Client, answer: Any, user: int, write: Callable[[], Awaitable[object]]) -> Any:
        try:
            return await self.call_async(answer, redis, user, write)
        except Refusal as refusal:
            known = {
                "wrong number of arguments": "empty_set",
                "FLUSH": "flushes",
            }
            for words, mistake in known.items():
                if words in refusal.got:
                    self.refuse(mistake, call=f"{self.name}(redis, {user}, write)", got=refusal.got)
            raise
