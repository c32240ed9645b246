answer = {"a": "STRING", "b": "HASH", "c": "SET"}
