"""Exercise: find out why three caches don't help."""

import time
from datetime import timedelta
from typing import ClassVar

import pandas as pd

from course_lib import redis_client
from course_lib.exercises.choices import WordForEach
from course_lib.exercises.small_caches import SmallCache, observe, private_client


class Mystery(WordForEach):
    """Tell caches that don't help apart by what you can see from outside."""

    lesson = "caching"
    name = "mystery"
    task = """`await ex.mystery.evidence("a")` shows one of three caches beside one that works,
after the same 30 requests by 5 users.

Ask in this order: (1) is Redis up, (2) what is the hit rate, (3) does the key differ each time? If
you still don't know, look at what happened to the stored values. Each cache has a different fault:

| | |
|---|---|
| `"redis_down"` | Redis is down, and the code ignores the error |
| `"key_differs"` | each request uses a different key |
| `"ttl_too_short"` | the stored value is gone before the next request needs it |
| `"falsy_hit"` | `if cached:` treats a stored 0 or [] as a miss |
| `"never_stores"` | nothing is stored after a load |"""
    stub = 'mystery = {"a": ..., "b": ..., "c": ...}'
    hints = (
        "Question 1, is Redis up? Look at PING first. It settles one of the three by itself, "
        "whatever else you see.",
        "Question 2, the hit rate: none has a hit. So question 3: compare the two keys that user "
        "1's requests looked up, and compare the number of keys left with the healthy cache's.",
        "One of the three stores a value each time, under the same key, and none is left: what was "
        "its TTL?",
    )
    mystery: ClassVar = {"a": "key_differs", "b": "ttl_too_short", "c": "redis_down"}
    praise = (
        "The same symptom, three reasons, and three checks that tell them apart: PING, the hit "
        "rate, the keys."
    )
    refusals: ClassVar = {
        "redis_answers": (
            "Redis responded to PING and confirmed the stores: this Redis is up.",
            "Go on to question 3: the keys.",
        ),
        "ping_first": (
            "Redis didn't respond to PING. If Redis is down, nothing else about the cache matters.",
            "Ask the three questions in order, starting with: is Redis up?",
        ),
        "keys_live_on": (
            "The keys are all still there, with minutes to live. Nothing expired; it's just never "
            "looked up again.",
            "Compare the keys that user 1's two requests looked up.",
        ),
        "one_key_each": (
            "A value that's treated as a miss is stored again under the same key: 5 users would "
            "leave 5 keys. There are 30.",
            "Compare the keys that user 1's two requests looked up.",
        ),
        "same_key": (
            "User 1's two requests looked up the same key.",
            "So the key is right. What happened to its value? See what's left, and what its TTL "
            "was.",
        ),
        "nothing_left": (
            "A value that's treated as a miss would still be in Redis: 5 users, 5 keys. There are "
            "none.",
            "Something was stored, and is gone. What was its TTL?",
        ),
        "it_stores": (
            "Redis confirmed 30 stores, one for each load.",
            "So there was something to find. Was it looked up under the same key, and was it still "
            "there by then?",
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
        "c": {
            "key_differs": "ping_first",
            "ttl_too_short": "ping_first",
            "falsy_hit": "ping_first",
            "never_stores": "ping_first",
        },
    }

    async def evidence(self, letter: str) -> pd.DataFrame:
        """Return what you can see of a cache, beside one that works, after the same requests.

        Raises ValueError if there's no cache of this letter.
        """
        if letter not in self.mystery:
            known = ", ".join(self.mystery)
            raise ValueError(f"there is no cache {letter!r}; there are {known}")
        healthy, faulty = SmallCache(private_client()), SmallCache(private_client())
        match self.mystery[letter]:
            case "key_differs":
                faulty.key = lambda user: f"stats:{user}:{time.time():.3f}"
            case "ttl_too_short":
                faulty.ttl = timedelta(milliseconds=5)
            case "redis_down":
                faulty.redis = redis_client.connect("unix:///no/redis/listens/here")
        columns = {
            "a cache that works": await observe(healthy),
            f"cache {letter}": await observe(faulty),
        }
        return pd.DataFrame(columns)
