answer = {"a": "key_differs", "b": "key_differs", "c": "redis_down"}
