"""What is read and changed together belongs together; a type is chosen by that, not by speed."""

from typing import ClassVar

from course_lib.exercises.words import WordForEach


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
