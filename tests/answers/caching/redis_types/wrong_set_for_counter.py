answer = {"a": "STRING", "b": "HASH", "c": "SET", "d": "SET"}
