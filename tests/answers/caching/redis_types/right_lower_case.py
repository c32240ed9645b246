answer = {"a": "string", "b": "hash", "c": "set", "d": "string"}
