answer = {"a": True, "b": False, "c": False, "d": False, "e": False}
