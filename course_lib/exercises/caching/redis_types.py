"""Exercise: choose a Redis type for each of four things."""

from typing import ClassVar

from course_lib.exercises.choices import WordForEach


class RedisTypes(WordForEach):
    """Values read and changed together belong together; that decides the type, not speed."""

    lesson = "caching"
    name = "redis_types"
    task = """Four things to store in Redis. Which type fits each: `"STRING"`, `"HASH"` or `"SET"`?

| | what to store | how it's used |
|---|---|---|
| a | the complete response of `/api/stats` | always read and written as a whole |
| b | a session with twenty fields | each request reads or changes one or two of them |
| c | the names of a user's cached keys | each once; deleted together when the user's data changes |
| d | how often a page was viewed | one more with each view, using `INCR` |"""
    stub = 'redis_types = {"a": ..., "b": ..., "c": ..., "d": ...}'
    hints = (
        "For each: what does one request read or change? Everything, one named part, or one "
        "member?",
        "A STRING is read and written as a whole, and can be a number. A HASH has named fields, "
        "each with a value. A SET has members, each once, and no values.",
        "One of them is the HASH, one the SET. Two are read and changed as a whole; a number is "
        "one whole thing too.",
    )
    redis_types: ClassVar = {"a": "STRING", "b": "HASH", "c": "SET", "d": "STRING"}
    praise = (
        "Chosen by what is read and changed together. None of the types is faster: each "
        "costs one round trip."
    )
    refusals: ClassVar = {
        "hash_for_document": (
            "A HASH pays off if you need one field without the others, and this document is always "
            "sent as a whole: you'd take it apart to store it, and put it together again for each "
            "response. A HASH isn't faster, either: both cost one round trip.",
            "Which type stores one text as is?",
        ),
        "set_for_document": (
            "A SET has members without names or order: if you take a document apart, you can't "
            "tell which part is which.",
            "Which type stores one text as is?",
        ),
        "string_for_fields": (
            "In one STRING every change reads and writes all twenty fields; and if two requests "
            "change different fields at the same time, the later write undoes the earlier one.",
            "Which type lets you change one field and leave the others alone?",
        ),
        "set_for_fields": (
            "A SET has members, not fields with values: to change one, you'd have to know its old "
            "value and remove it.",
            "Which type has named fields?",
        ),
        "string_for_members": (
            "With the names as a list in one STRING, two requests that add a name at the same time "
            "read the same list, and the later write loses the other's name: that key is never "
            "deleted.",
            "Which type takes one more member, whatever it already contains?",
        ),
        "hash_for_members": (
            "It would work, because each field of a HASH exists once; but every field needs a "
            "value, and nothing here uses one.",
            "Which type has members and no values?",
        ),
        "hash_for_counter": (
            "`INCR` counts in a STRING; on a HASH it's an error (use `HINCRBY` there, for many "
            "counters in one key). This is a single number.",
            "Which type holds one value?",
        ),
        "set_for_counter": (
            "A SET knows how many different members it has; to count views, it would need one "
            "member for each view. `INCR` on it is an error.",
            "Which type holds one value, which can be a number?",
        ),
    }
    mistakes: ClassVar = {
        "a": {"hash": "hash_for_document", "set": "set_for_document"},
        "b": {"string": "string_for_fields", "set": "set_for_fields"},
        "c": {"string": "string_for_members", "hash": "hash_for_members"},
        "d": {"hash": "hash_for_counter", "set": "set_for_counter"},
    }
