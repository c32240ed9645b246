answer = {"a": "HASH", "b": "HASH", "c": "HASH", "d": "HASH"}
