answer = {"a": "ttl_too_short", "b": "key_differs", "c": "redis_down"}
