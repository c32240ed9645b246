answer = {"a": "key_differs", "b": "never_stores", "c": "redis_down"}
