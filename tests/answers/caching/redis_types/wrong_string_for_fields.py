answer = {"a": "STRING", "b": "STRING", "c": "SET", "d": "STRING"}
