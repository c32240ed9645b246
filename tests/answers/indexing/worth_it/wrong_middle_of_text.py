answer = {"a": True, "b": False, "c": False, "d": True, "e": True}
