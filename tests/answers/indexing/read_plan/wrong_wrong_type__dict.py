answer = {"a": False, "b": True, "c": True, "d": False}
