answer = {"a": "ttl_too_short", "b": "ttl_too_short", "c": "redis_down"}
