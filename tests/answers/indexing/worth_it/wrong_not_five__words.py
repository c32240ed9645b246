answer = {"a": "yes", "b": "no", "c": "no", "d": "yes", "e": "no"}
