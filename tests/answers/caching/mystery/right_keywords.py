answer = dict(c="redis_down", b="ttl_too_short", a="key_differs")
