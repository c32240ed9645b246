"""Caches that do not help, told apart by what can be seen from outside."""

import time
from datetime import timedelta
from typing import ClassVar

import pandas as pd

from course_lib import redis_client
from course_lib.exercises.small_caches import SmallCache, client_of_its_own, observe
from course_lib.exercises.words import WordForEach


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
        "c": dict.fromkeys(("key_differs", "ttl_too_short", "falsy_hit", "never_stores"), "ping_first"),
    }

    async def evidence(self, letter: str) -> pd.DataFrame:
        """What can be seen of the cache of this letter, and of one that works, after the same 30 requests."""
        if letter not in self.mystery:
            raise ValueError(f"there is no cache {letter!r}; there are {', '.join(self.mystery)}")
        patient = SmallCache(client_of_its_own())
        match self.mystery[letter]:
            case "key_differs":
                patient.key = lambda user: f"stats:{user}:{time.time():.3f}"
            case "ttl_too_short":
                patient.lifetime = timedelta(milliseconds=5)
            case "redis_down":
                patient.redis = redis_client.connect("unix:///nobody/listens/here")
        return pd.DataFrame(
            {
                "a cache that works": await observe(SmallCache(client_of_its_own())),
                f"cache {letter}": await observe(patient),
            }
        )
