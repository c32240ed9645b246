answer = {"a": "key_differs", "b": "falsy_hit", "c": "redis_down"}
