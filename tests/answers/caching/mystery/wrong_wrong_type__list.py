answer = ["key_differs", "ttl_too_short", "redis_down"]
