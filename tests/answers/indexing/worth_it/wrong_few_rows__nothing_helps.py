answer = {"a": False, "b": False, "c": False, "d": False, "e": False}
