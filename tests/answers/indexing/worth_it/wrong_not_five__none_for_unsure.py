answer = {"a": True, "b": None, "c": False, "d": True, "e": False}
