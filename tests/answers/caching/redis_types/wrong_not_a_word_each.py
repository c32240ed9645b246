answer = {"a": "STRING", "b": "HASH", "c": "LIST", "d": "STRING"}
