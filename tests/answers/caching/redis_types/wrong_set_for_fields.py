answer = {"a": "STRING", "b": "SET", "c": "SET", "d": "STRING"}
