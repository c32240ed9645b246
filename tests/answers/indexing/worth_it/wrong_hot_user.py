answer = {"a": True, "b": True, "c": False, "d": True, "e": False}
