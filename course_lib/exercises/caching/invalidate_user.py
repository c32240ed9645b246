"""Exercise: invalidate a user's entries after a write."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from course_lib.exercises import cached_users
from course_lib.exercises.answers import as_number, as_text
from course_lib.exercises.cached_users import ENTRIES, STORED_DURING_WRITE, CountedWrite
from course_lib.exercises.fakes import FAILURE
from course_lib.exercises.redis_exercise import RedisExercise
from course_lib.exercises.verdict import Refusal, brief
from course_lib.lab.redis_server import Client


class InvalidateUser(RedisExercise):
    """Write, then remove what the write made stale: this user's entries, and no other's."""

    lesson = "caching"
    whole_database = True  # a Lua script deletes keys by the names in the SET, without our prefix
    name = "invalidate_user"
    task = """A user adds an event, which makes all of their cached entries stale. The keys of
these entries are in a SET `keys:{user_id}`. Until the write is done, other requests may add
entries, and add their keys to the SET. Write `invalidate_user(redis, user_id, write)`. It has four
steps, and you have to find their order:

- **return** how many *entries* were removed (the SET isn't an entry)
- **find** the keys: `await redis.smembers(f"keys:{user_id}")`
- **remove** the entries and the SET: `await redis.delete(*keys)` takes any number of keys, but at
  least one
- **write**: `await write()` puts the event into the database, and commits it

If `write` raises an error, let it reach the caller."""
    stub = """async def invalidate_user(redis, user_id, write):
    ...
    return ..."""
    hints = (
        "If you remove the entries first, what may another request load and store before the write "
        "is done?",
        "First `await write()`. Then remove the members of the SET and the SET itself, in one "
        "`delete` or in two.",
        "`delete` without a key is an error, and a user may have nothing cached. And the SET "
        "doesn't count.",
    )
    praise = (
        "Written, then removed: anyone who loads after this reads the new event. And user 10 keeps "
        "everything."
    )
    refusals: ClassVar = {
        "delete_before_write": (
            "Entries were removed before the write: a request in between loads the old state and "
            "stores it again, until its TTL ends or something else removes it.",
            "First `await write()`, then remove.",
        ),
        "finds_before_write": (
            "The keys were looked up before the write. What another request stored during the "
            "write isn't among them, so it stays: stale, and no longer in any SET.",
            "First `await write()`, then find, then remove.",
        ),
        "forgets_write": (
            "`write` wasn't called: the event is lost.",
            "Call `await write()` somewhere.",
        ),
        "write_error_hidden": (
            "`write` raised an error, and your function returned as if the event were stored.",
            "Let the error reach the caller: don't catch it.",
        ),
        "writes_twice": (
            "`write` was called more than once, so the event may be added twice.",
            "Call it once, even if it fails: a write that raised an error may have been done.",
        ),
        "other_user_gone": (
            "Invalidating user 1 also removed entries of user 10: `stats:1*` matches both.",
            "Take the keys from the SET `keys:{user_id}`, which has this user's keys and no "
            "others.",
        ),
        "searches_all_keys": (
            "To find the keys, you searched all keys on the server: with a million of them, every "
            "other client has to wait.",
            "Read the SET `keys:{user_id}`: it lists them.",
        ),
        "flushes": (
            "That would remove every key of every user.",
            "Remove the keys that `keys:{user_id}` lists.",
        ),
        "entries_stay": (
            "Some of the user's entries are still there, and stale.",
            "Find the keys in this user's SET while it's there, and remove each of them: "
            "`await redis.delete(*keys)`.",
        ),
        "forgets_the_set": (
            "The SET itself is still there: it lists keys that are gone, and will keep growing.",
            "Remove `keys:{user_id}` too.",
        ),
        "counts_the_set": (
            "You counted the SET as an entry.",
            "Count only the entries: remove the SET in a separate call, or subtract it.",
        ),
        "another_count": (
            "That's not how many entries were removed.",
            "`delete` returns the number of keys that it removed; or count the members of the SET.",
        ),
        "not_unpacked": (
            "`delete` got the whole set as if it were one key.",
            "Put a star in front of the set: `await redis.delete(*keys)`.",
        ),
        "empty_set": (
            "For a user with nothing cached, `delete` was called without a key, which is an error.",
            "Check first whether there are any; or remove the SET in the same call, so that "
            "there's always one.",
        ),
    }

    @staticmethod
    async def invalidate_user(redis, user_id, write):
        """Write, then remove the entries of a user; return how many there were."""
        await write()
        keys = await redis.smembers(f"keys:{user_id}")
        await redis.delete(f"keys:{user_id}", *keys)
        return len(keys)

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Try user 1 with three entries beside users 10 and 12, then a user with none."""
        await cached_users.store(redis)
        redis.commands.clear()
        entries_at_write: list[int] = []
        write = cached_users.write_of_user_1(redis, entries_at_write)
        result = await self._call(redis, answer, 1, write)
        left = {as_text(key) for key in await redis.keys("*")}
        self._expect_removed(redis, result, left, entries_at_write)
        for user, entries in ((12, 1), (99, 0)):
            await self._another_user(redis, answer, user, entries)
        await self._failed_write(redis, answer)

    def _expect_removed(
        self, redis: Client, result: Any, left: set[str], entries_at_write: list[int]
    ) -> None:
        """Expect that user 1's entries are gone, and nothing else is."""
        call = f"{self.name}(redis, 1, write)"
        if entries_at_write and entries_at_write[0] < len(ENTRIES[1]):
            remaining = f"{entries_at_write[0]} of user 1's {len(ENTRIES[1])} entries"
            got = f"when `write` was called, {remaining} were left in Redis"
            self.refuse("delete_before_write", call=call, got=got, expected="all of them")
        others = {*ENTRIES[10], *ENTRIES[12], "keys:10", "keys:12"}
        commands = {command[0] for command in redis.commands[:-1]}  # the last one is the check's
        mistakes = {
            "flushes": commands & {"FLUSHDB", "FLUSHALL"},
            "forgets_write": not entries_at_write,
            "writes_twice": len(entries_at_write) > 1,
            "other_user_gone": not others <= left,
            "searches_all_keys": commands & {"KEYS", "SCAN"},
            "entries_stay": left & set(ENTRIES[1]),
            "finds_before_write": STORED_DURING_WRITE in left,
            "forgets_the_set": "keys:1" in left,
            "counts_the_set": result == 5,
            "another_count": isinstance(result, bool) or as_number(result) != 4,
        }
        got = f"{brief(result)}, and left in Redis: {', '.join(sorted(left))}"
        self.refuse_first(mistakes, call=call, got=got)

    async def _another_user(self, redis: Client, answer: Any, user: int, entries: int) -> None:
        """Try a user with this many entries; the write has to happen even if there are none."""
        write = CountedWrite()
        result = await self._call(redis, answer, user, write)
        call = f"{self.name}(redis, {user}, write), for a user with {entries} entries"
        mistakes = {
            "forgets_write": not write.calls,
            "writes_twice": write.calls > 1,
            "entries_stay": await redis.exists(f"stats:{user}", f"keys:{user}"),
            "counts_the_set": as_number(result) == entries + 1,
            "another_count": as_number(result) != entries,
        }
        got = f"{brief(result)}, after {write.calls} writes"
        self.refuse_first(mistakes, call=call, got=got, expected=str(entries))

    async def _failed_write(self, redis: Client, answer: Any) -> None:
        write = cached_users.FailingWrite()
        got, has_raised = await self.outcome(answer, redis, 10, write)
        mistakes = self.error_mistakes(got, has_raised, hidden="write_error_hidden")
        mistakes["writes_twice"] = write.calls > 1
        call = f"{self.name}(redis, 10, write), and write raises LookupError({FAILURE!r})"
        self.refuse_first(mistakes, call=call, got=got, expected="that error")

    async def _call(
        self, redis: Client, answer: Any, user: int, write: Callable[[], Awaitable[object]]
    ) -> Any:
        try:
            return await self.call_async(answer, redis, user, write)
        except Refusal as refusal:
            mistakes = {
                "empty_set": "wrong number of arguments" in refusal.got,
                "flushes": "FLUSH" in refusal.got,
                "not_unpacked": re.search("Invalid input of type: '(set|list|tuple)'", refusal.got),
            }
            call = f"{self.name}(redis, {user}, write)"
            self.refuse_first(mistakes, call=call, got=refusal.got)
            raise
