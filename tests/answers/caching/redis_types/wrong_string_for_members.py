answer = {"a": "STRING", "b": "HASH", "c": "STRING", "d": "STRING"}
