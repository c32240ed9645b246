answer = {"a": False, "b": False, "c": False, "d": True, "e": False}
