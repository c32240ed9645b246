answer = {"a": "redis_down", "b": "redis_down", "c": "redis_down"}
