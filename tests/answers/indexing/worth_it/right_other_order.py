answer = {"e": False, "d": True, "c": False, "b": False, "a": True}
