answer = {"a": "STRING", "b": "HASH", "c": None, "d": "STRING"}
