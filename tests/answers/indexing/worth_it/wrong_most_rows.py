answer = {"a": True, "b": False, "c": True, "d": True, "e": False}
