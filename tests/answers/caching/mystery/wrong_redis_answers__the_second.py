answer = {"a": "key_differs", "b": "redis_down", "c": "key_differs"}
