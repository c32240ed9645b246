answer = {"a": "KEY_DIFFERS ", "b": "Ttl_too_short", "c": "REDIS_DOWN"}
