answer = {"a": "string", "b": "string", "c": "string", "d": "string"}
