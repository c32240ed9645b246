answer = {"a": "never_stores", "b": "ttl_too_short", "c": "redis_down"}
