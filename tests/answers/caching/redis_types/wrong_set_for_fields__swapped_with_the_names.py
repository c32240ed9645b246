answer = {"a": "STRING", "b": "SET", "c": "HASH", "d": "STRING"}
