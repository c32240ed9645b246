"""The smaller exercises of lesson 1, caching: numbers, letters and words to choose, and `hit_rate`."""

import asyncio
import contextlib
import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import pandas as pd
from redis.asyncio import Redis
from redis.exceptions import RedisError

from course_lib import redis_client
from course_lib.exercises.engine import Exercise, NotAttempted, Refusal, brief
from course_lib.exercises.indexing import chosen_letters
from course_lib.exercises.welcome import as_number
from course_lib.lab import redis_server, show
from course_lib.lab.bench import percentile


class HitRate(Exercise):
    """Hits over lookups, and a number before the first lookup too."""

    lesson = "caching"
    name = "hit_rate"
    task = """A cache counts its `hits` and its `misses`. Write `hit_rate(hits, misses)`: the share of the lookups that
were answered from the cache, a number from 0 to 1.
After 3 hits and 1 miss it is 0.75; before anything was looked up it is 0.0."""
    stub = "def hit_rate(hits, misses):\n    return ..."
    hints = (
        "Each lookup ends as a hit or as a miss. How many lookups were there?",
        "A share is the part divided by the whole.",
        "`lookups = hits + misses`, then divide `hits` by it; but what if `lookups` is still 0?",
    )
    praise = "Hits over lookups, and a number from the first second on: a page can show it, an alarm can compare it."
    refusals: ClassVar = {
        "ratio_of_the_two": (
            "That sets hits and misses against each other; a share compares the hits with all lookups.",
            "Divide by what was looked up in all: hits and misses together.",
        ),
        "miss_rate": ("That is the share of the misses.", "Put the hits above the line."),
        "percent": (
            "That is the rate in percent; asked for is a share, from 0 to 1.",
            "Leave the 100 to who prints it: `f'{0.75:.0%}'` is 75%.",
        ),
        "whole_numbers": (
            "A share lies between 0 and 1, and this one was made a whole number.",
            "Divide with `/` instead of `//`, and leave `int()` and `round()` away.",
        ),
        "rounded": (
            "A part of the fraction is lost: at a million requests the third decimal is a thousand loads.",
            "Leave rounding to who prints the number.",
        ),
        "padded": (
            "What was added below the line keeps the division from failing, and makes every rate a little too small.",
            "Divide by the lookups themselves, and treat the case of none apart.",
        ),
        "all_hits": (
            "Where nothing was missed, every lookup was a hit: the rate is 1.",
            "Only a cache that was never asked is the special case, not one without misses.",
        ),
        "division_by_zero": (
            "Before the first lookup there is nothing to divide by, and your code raises an error.",
            "Ask first whether anything was looked up; if not, the rate is 0.0.",
        ),
        "nothing_yet": (
            "Right as soon as something was looked up; before that, 0.0 was asked for.",
            "Give the cache that was never asked a line of its own.",
        ),
        "another_number": (
            "That is not the share of the hits.",
            "Start from 3 hits and 1 miss: the answer is 0.75.",
        ),
    }

    @staticmethod
    def hit_rate(hits: int, misses: int) -> float:
        """The share of the lookups that were answered from the cache, from 0 to 1."""
        lookups = hits + misses
        return hits / lookups if lookups else 0.0

    def judge(self, answer: Callable[[int, int], float]) -> None:
        """Rates that two decimals can write down and that none can, all hits, no hits, and nothing at all."""
        self._compare(answer, 7, 13)
        self._compare(answer, 1, 2)
        self._compare(answer, 5, 0, "all_hits")
        self._compare(answer, 0, 4, "another_number")
        self._nothing_looked_up(answer)

    def _compare(
        self, answer: Callable[[int, int], float], hits: int, misses: int, otherwise: str = ""
    ) -> None:
        result = self.call(answer, hits, misses)
        got, rate = as_number(result), hits / (hits + misses)
        call, came_back = self.called(hits, misses), brief(result)
        if got is None:
            self.refuse("wrong_type", call=call, got=came_back, expected="a number from 0 to 1")
        if not _is(got, rate):
            mistake = otherwise or _rate_mistake(got, hits, misses)
            self.refuse(mistake, call=call, got=came_back, expected=f"{rate:g}")

    def _nothing_looked_up(self, answer: Callable[[int, int], float]) -> None:
        call, expected = self.called(0, 0), "0.0"
        try:
            result = self.call(answer, 0, 0)
        except Refusal as refusal:
            if refusal.got.startswith(
                ("ZeroDivisionError", "InvalidOperation")
            ):  # the latter is Decimal's
                self.refuse("division_by_zero", call=call, got=refusal.got, expected=expected)
            raise
        if as_number(result) != 0:
            self.refuse("nothing_yet", call=call, got=brief(result), expected=expected)


def _rate_mistake(got: float, hits: int, misses: int) -> str:
    """Which misconception about a hit rate gives this number."""
    lookups = hits + misses
    rate = hits / lookups
    known = (
        ("ratio_of_the_two", hits / misses),
        ("ratio_of_the_two", misses / hits),
        ("miss_rate", misses / lookups),
        ("miss_rate", 100 * misses / lookups),
        ("percent", 100 * rate),
        ("whole_numbers", 0.0),
        *(("rounded", round(rate, places)) for places in range(1, 9)),
    )
    for mistake, value in known:
        if _is(got, value):
            return mistake
    return "padded" if hits / (lookups + 1) - 1e-9 < got < rate else "another_number"


def _is(got: float, value: float) -> bool:
    return abs(got - value) < 1e-9


class P90Cure(Exercise):
    """The P90 is one request of the hundred, and the hit rate decides whether it is a hit."""

    lesson = "caching"
    name = "p90_cure"
    task = """Of an endpoint's requests 85% are hits, answered in 5 ms, and 15% are misses, in 500 ms. Its **P90** (the
90th of 100 requests that are sorted by their time) is to come under 100 ms. Which of these brings it there?

| | |
|---|---|
| a | hits that are twice as fast: 2.5 ms |
| b | misses that are twice as fast: 250 ms |
| c | 89% hits |
| d | 92% hits |
| e | nothing is needed: on average a request takes 79 ms already |

Give one letter."""
    stub = "p90_cure = ...  # a letter, in quotes"
    hints = (
        "Which request is the P90 today: a hit or a miss?",
        "Draw a line of 100 requests, the fastest first: 85 hits stand in front, 15 misses behind. Count to 90.",
        "Whatever the hits take, number 90 is a miss as long as fewer than 90 are hits. So what must rise, how far?",
    )
    p90_cure = "d"
    praise = "From 90% hits on, the 90th request is a hit: the P90 falls at once from a miss's time to a hit's."
    refusals: ClassVar = {
        "faster_hits": (
            "The hits end at the 85th request. The 90th is a miss, and a faster hit leaves it as slow as it was.",
            "Ask which request is the 90th, and what would change that one.",
        ),
        "faster_misses": (
            "The 90th request is a miss, so this does help, but only as far as 250 ms.",
            "Look for a choice after which the 90th is no miss at all.",
        ),
        "one_hit_short": (
            "With 89 hits the 90th request is the first of the misses, and takes all of their 500 ms.",
            "Count once more: how many of the hundred must be hits?",
        ),
        "mean_for_p90": (
            "79 ms is the mean, which no request takes: 85 are far under it, and 15 wait 500 ms. The 90th is one of "
            "those 15.",
            "Sort the hundred by their time and count to 90, instead of averaging them.",
        ),
        "not_one_letter": (
            "Exactly one of the five letters is asked for.",
            'Give it in quotes, such as `"a"`.',
        ),
    }
    cures: ClassVar = {
        "a": (85, 2.5, 500.0),
        "b": (85, 5.0, 250.0),
        "c": (89, 5.0, 500.0),
        "e": (85, 5.0, 500.0),
    }
    """For each cure that is too weak: the hits of 100 requests, and the milliseconds of a hit and of a miss."""
    mistakes: ClassVar = {
        "a": "faster_hits",
        "b": "faster_misses",
        "c": "one_hit_short",
        "e": "mean_for_p90",
    }

    def judge(self, answer: Any) -> None:
        """One letter; for a wrong one, the P90 that it would leave is worked out."""
        letters = chosen_letters(answer)
        if letters is None:
            self.refuse("wrong_type", got=brief(answer), expected="a letter from a to e, in quotes")
        if len(letters) != 1 or not letters <= {self.p90_cure, *self.cures}:
            self.refuse("not_one_letter", got=brief(answer), expected="one of a, b, c, d, e")
        (letter,) = letters
        if letter in self.cures:
            hits, hit, miss = self.cures[letter]
            p90 = percentile([hit] * hits + [miss] * (100 - hits), 90)
            self.refuse(
                self.mistakes[letter], got=f"{letter}: a P90 of {p90:g} ms", expected="under 100 ms"
            )


class ChooseTtl(Exercise):
    """A value is as old as its load, and the TTL comes on top."""

    lesson = "caching"
    name = "choose_ttl"
    task = """The figures on a page may be **at most 5 seconds old**. A load takes 1 second, and its value shows how
things were when the load *began*. It is stored as soon as the load is done, and Redis counts the TTL from the store.
Nothing is ever invalidated.
Which is the longest TTL, in seconds, that keeps the promise?"""
    stub = "choose_ttl = ...  # seconds"
    hints = (
        "Follow one value: its load begins, its load is done and it is stored, its TTL ends. How old is it each time?",
        "When Redis begins to count, the value is no longer new.",
        "What a load takes and the TTL, one after the other, may together make 5 seconds and no more.",
    )
    choose_ttl = 4
    praise = (
        "The load and the TTL together are the greatest age that a reader can meet, so 4 seconds are the longest (a "
        "little less is a margin): a bound that holds even where an invalidation was missed."
    )
    refusals: ClassVar = {
        "forgets_load": (
            "The value is a second old when it is stored: with 5 more it is served until it is 6 seconds old.",
            "Take off what the load takes.",
        ),
        "adds_load": (
            "The load makes the value older, so it shortens what is left; here it was added.",
            "Take off what the load takes.",
        ),
        "milliseconds": (
            "A TTL is given in seconds here, as to `EX` in Redis: this one is longer than an hour.",
            "Give seconds.",
        ),
        "too_long": (
            "Near the end of such a TTL the page shows figures older than it promises. A longer TTL saves loads and "
            "is paid for with age.",
            "Work it out backwards: served for the last time, a value may be 5 seconds old.",
        ),
        "no_ttl": (
            "Without a TTL the value stays for ever, and here nothing else removes it: the page would stand still.",
            "Give the number of seconds after which it must go.",
        ),
        "no_cache": (
            "Redis refuses a TTL of zero or less; and with no cache at all every request would wait for its load.",
            "There is room for some seconds: how many?",
        ),
        "gives_up_hits": (
            "That keeps the promise, but loads more often than it has to.",
            "How much longer could the value stay before it is too old?",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Four, or a little less to be on the safe side."""
        if answer is None:
            self.refuse("no_ttl", got="None")
        seconds = as_number(answer)
        if seconds is None or math.isnan(seconds):
            quotes = ", without quotes" if isinstance(answer, str) else ""
            self.refuse("wrong_type", got=brief(answer), expected=f"a number of seconds{quotes}")
        for mistake, made in {
            "no_cache": seconds <= 0,
            "gives_up_hits": seconds < 3.5,
            "forgets_load": seconds == 5,
            "adds_load": seconds == 6,
            "milliseconds": seconds in (4_000, 5_000, 6_000),
            "too_long": seconds > 4,
        }.items():
            if made:
                self.refuse(mistake, got=brief(answer))


class WordForEach(Exercise):
    """An exercise whose answer is a dict: for each letter one of a few words."""

    lesson = "caching"
    refusals: ClassVar = {
        "not_a_word_each": (
            "One of the words that the task names is needed for each letter, and nothing else.",
            "Keep the keys of the stub, and write each word as the task does.",
        ),
    }
    mistakes: ClassVar[Mapping[str, Mapping[str, str]]]
    """For each letter: each wrong word, in lower case, with the misconception that it shows."""

    def judge(self, answer: Any) -> None:
        """Each letter by its own mistakes; words in any case."""
        if not isinstance(answer, dict):
            self.refuse(
                "wrong_type", got=brief(answer), expected="a dict with the keys of the stub"
            )
        if any(word is ... for word in answer.values()):
            raise NotAttempted
        words = {
            letter: word.strip().lower() for letter, word in answer.items() if isinstance(word, str)
        }
        known = {
            letter: {self.solution_answer[letter].lower(), *wrong}
            for letter, wrong in self.mistakes.items()
        }
        if set(answer) != set(known) or not all(
            words.get(letter) in known[letter] for letter in known
        ):
            self.refuse(
                "not_a_word_each",
                got=brief(answer),
                expected="one of the task's words for each letter",
            )
        for letter, mistakes in self.mistakes.items():
            if words[letter] in mistakes:
                self.refuse(mistakes[words[letter]], got=f"{letter}: {answer[letter].strip()}")


class RedisTypes(WordForEach):
    """What is read and changed together belongs together; a type is chosen by that, not by speed."""

    name = "redis_types"
    task = """Four things to keep in Redis. Which type fits each: `"STRING"`, `"HASH"` or `"SET"`?

| | to keep | how it is used |
|---|---|---|
| a | the whole document that `/api/stats` answers with | always read and written whole |
| b | a session of twenty fields | each request reads or changes one or two of them |
| c | the names of the keys that are cached for a user | each once; dropped together when the user's data changes |
| d | how often a page was seen | one more with each view, by `INCR` |"""
    stub = 'redis_types = {"a": ..., "b": ..., "c": ..., "d": ...}'
    hints = (
        "Ask of each: what does one request read or change? Everything, one named part, or one member?",
        "A STRING is read and written whole, and may hold a number. A HASH has named fields, each with a value. "
        "A SET has members, each once, and no values.",
        "One of them is the HASH, one the SET. Two are read and changed whole; a number is one whole thing too.",
    )
    redis_types: ClassVar = {"a": "STRING", "b": "HASH", "c": "SET", "d": "STRING"}
    praise = "Chosen by what is read and changed together. None of them is the fast one: each costs one round trip."
    refusals: ClassVar = {
        "hash_for_document": (
            "A HASH pays where a field is wanted without the others, and this document goes out whole: it would be "
            "taken apart to be stored, and put together for each answer. Nor is a HASH faster: the round trip is the "
            "price of either.",
            "What type holds one text, as it is?",
        ),
        "set_for_document": (
            "A SET has members without names or order: of a document taken apart, nobody knows which part is which.",
            "What type holds one text, as it is?",
        ),
        "string_for_fields": (
            "In one STRING every change reads and writes all twenty fields; and of two requests that change different "
            "fields at the same time, the later write undoes the earlier.",
            "What type lets one field be changed, and leaves the others alone?",
        ),
        "set_for_fields": (
            "A SET has members, not fields with values: to change one you would have to know the old value, to remove "
            "it.",
            "What type has named fields?",
        ),
        "string_for_members": (
            "With the names as a list in one STRING, two requests that each add one at the same time read the same "
            "list, and the later write loses the other's name: that key is never dropped.",
            "What type can be given one more member, whatever it holds already?",
        ),
        "hash_for_members": (
            "It would work, for the fields of a HASH are there once each; but each must carry a value, and nobody asks "
            "for it.",
            "What type has members and no values?",
        ),
        "hash_for_counter": (
            "`INCR` counts in a STRING; on a HASH it is an error (there it is `HINCRBY`, for many counters under one "
            "key). Here is a single number.",
            "What type holds one value?",
        ),
        "set_for_counter": (
            "A SET tells how many different members it has; to count views it would have to keep one for each view. "
            "`INCR` on it is an error.",
            "What type holds one value, which may be a number?",
        ),
    }
    mistakes: ClassVar = {
        "a": {"hash": "hash_for_document", "set": "set_for_document"},
        "b": {"string": "string_for_fields", "set": "set_for_fields"},
        "c": {"string": "string_for_members", "hash": "hash_for_members"},
        "d": {"hash": "hash_for_counter", "set": "set_for_counter"},
    }


class Mystery(WordForEach):
    """Caches that do not help, told apart by what can be seen from outside."""

    name = "mystery"
    task = """Three small caches do not help. `await ex.mystery.evidence("a")` shows what can be seen of one of them,
beside a cache that works, when 30 requests by 5 users come to each of the two.

Ask in this order: (1) is Redis up, (2) what is the hit rate, (3) does the key differ each time? Where that does not
tell, see what became of what was stored. Each cache has another one of these faults:

| | |
|---|---|
| `"redis_down"` | Redis is not there, and the error is swallowed |
| `"key_differs"` | each request looks under a key of its own |
| `"ttl_too_short"` | what was stored is gone before the next request wants it |
| `"falsy_hit"` | a stored 0 or [] is taken for a miss, by `if cached:` |
| `"never_stores"` | after a load, nothing is stored |"""
    stub = 'mystery = {"a": ..., "b": ..., "c": ...}'
    hints = (
        "Question 1, is Redis up? Look at PING first. One of the three is told by it alone, whatever else is seen.",
        "Question 2, the hit rate: none has a hit. So question 3: compare the two keys that user 1's requests looked "
        "under, and the number of keys that are left with that of the healthy cache.",
        "One of the three stores each time, under the same key, and none of it is left: how long was it to live?",
    )
    mystery: ClassVar = {"a": "key_differs", "b": "ttl_too_short", "c": "redis_down"}
    praise = "The same symptom, three reasons, and three looks to tell them apart: PING, the hit rate, the keys."
    refusals: ClassVar = {
        "redis_answers": (
            "PING was answered, and Redis confirmed what was stored: this Redis is up.",
            "Go on to question 3: the keys.",
        ),
        "ping_first": (
            "PING was not answered. Of a Redis that is not there nothing can be had, whatever else may be wrong.",
            "Ask the three questions in their order, and begin with: is Redis up?",
        ),
        "keys_live_on": (
            "The keys are all left, with minutes to live. Nothing has gone; it is never asked for again.",
            "Compare the keys that user 1's two requests looked under.",
        ),
        "one_key_each": (
            "A value that is taken for a miss is stored again under the same key: 5 users would leave 5 keys. "
            "Here are 30.",
            "Compare the keys that user 1's two requests looked under.",
        ),
        "same_key": (
            "User 1's two requests looked under the same key.",
            "So the key is right. What became of the value under it? See what is left, and how long it was to live.",
        ),
        "nothing_left": (
            "A value that is taken for a miss would still lie in Redis: 5 users, 5 keys. Here none is left.",
            "Something was stored, and is gone. See how long it was to live.",
        ),
        "it_stores": (
            "Redis confirmed 30 stores, one for each load.",
            "So something was there. Was it looked for under the same key, and was it still there then?",
        ),
    }
    mistakes: ClassVar = {
        "a": {
            "redis_down": "redis_answers",
            "ttl_too_short": "keys_live_on",
            "falsy_hit": "one_key_each",
            "never_stores": "it_stores",
        },
        "b": {
            "redis_down": "redis_answers",
            "key_differs": "same_key",
            "falsy_hit": "nothing_left",
            "never_stores": "it_stores",
        },
        "c": dict.fromkeys(
            ("key_differs", "ttl_too_short", "falsy_hit", "never_stores"), "ping_first"
        ),
    }

    async def evidence(self, letter: str) -> pd.DataFrame:
        """What can be seen of the cache of this letter, and of one that works, after the same 30 requests."""
        if letter not in self.mystery:
            raise ValueError(f"there is no cache {letter!r}; there are {', '.join(self.mystery)}")
        patient = SmallCache(_a_namespace())
        match self.mystery[letter]:
            case "key_differs":
                patient.key = lambda user: f"stats:{user}:{time.time():.3f}"
            case "ttl_too_short":
                patient.lifetime = timedelta(milliseconds=5)
            case "redis_down":
                patient.redis = redis_client.connect("unix:///nobody/listens/here")
        return pd.DataFrame(
            {
                "a cache that works": await _seen(SmallCache(_a_namespace())),
                f"cache {letter}": await _seen(patient),
            }
        )


@dataclass
class SmallCache:
    """Cache-aside as it is often written: what goes wrong with Redis is taken for a miss, and nobody hears of it."""

    redis: Redis
    key: Callable[[int], str] = "stats:{}".format
    lifetime: timedelta = timedelta(seconds=300)
    asked: list[str] = field(default_factory=list)
    hits: int = 0
    stores: int = 0
    left: str = "-"
    """How long the value stored last had to live just after its store."""

    async def get(self, user: int) -> str:
        """A user's statistics, from the cache or loaded."""
        key = self.key(user)
        self.asked.append(key)
        with contextlib.suppress(Exception):
            if (cached := await self.redis.get(key)) is not None:
                self.hits += 1
                return str(cached)
        loaded = f"{user} events"
        with contextlib.suppress(Exception):
            self.stores += bool(await self.redis.set(key, loaded, px=self.lifetime))
            milliseconds = await self.redis.pttl(key)
            self.left = show.duration(milliseconds / 1_000) if milliseconds > 0 else "gone already"
        return loaded


async def _seen(cache: SmallCache) -> dict[str, object]:
    """Send 30 requests by 5 users to a cache; give what can be seen of it, and leave no key."""
    for _ in range(6):
        for user in range(1, 6):
            await cache.get(user)
        await asyncio.sleep(0.01)  # longer than the shortest lifetime, on any machine
    keys = set(cache.asked)
    kept: int | str = "nobody can tell"
    with contextlib.suppress(RedisError):
        kept = await cache.redis.exists(*keys)
        await cache.redis.delete(*keys)
    return {
        "(1) is PING answered?": "yes" if await _is_up(cache.redis) else "no",
        "(2) requests, by 5 users": len(cache.asked),
        "(2) hits": cache.hits,
        "(2) hit rate": f"{cache.hits / len(cache.asked):.0%}",
        "(3) user 1 first looked under": cache.asked[0],
        "(3) then under": cache.asked[5],
        "loads": len(cache.asked) - cache.hits,
        "stores that Redis confirmed": cache.stores,
        "to live, just after its store": cache.left,
        "keys left in Redis": kept,
    }


async def _is_up(redis: Redis) -> bool:
    try:
        return bool(await redis.ping())
    except RedisError:
        return False


def _a_namespace() -> Redis:
    return redis_server.client(redis_server.namespace(f"mystery-{secrets.token_hex(4)}"))


hit_rate = HitRate()
p90_cure = P90Cure()
choose_ttl = ChooseTtl()
redis_types = RedisTypes()
mystery = Mystery()
