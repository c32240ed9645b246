answer = {"a": "STRING", "b": "HASH", "c": "HASH", "d": "STRING"}
