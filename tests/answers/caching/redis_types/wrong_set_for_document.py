answer = {"a": "SET", "b": "HASH", "c": "SET", "d": "STRING"}
