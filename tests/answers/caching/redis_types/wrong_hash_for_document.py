answer = {"a": "HASH", "b": "HASH", "c": "SET", "d": "STRING"}
