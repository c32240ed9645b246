answer = {"a": "redis_down", "b": "ttl_too_short", "c": "redis_down"}
