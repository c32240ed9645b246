answer = {"d": "STRING", "c": "SET", "b": "HASH", "a": "STRING"}
