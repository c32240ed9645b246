answer = {"a": "falsy_hit", "b": "ttl_too_short", "c": "redis_down"}
