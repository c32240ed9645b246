answer = {"a": " STRING", "b": "Hash ", "c": " Set", "d": "String"}
