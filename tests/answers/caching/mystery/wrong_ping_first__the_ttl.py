answer = {"a": "key_differs", "b": "ttl_too_short", "c": "ttl_too_short"}
