answer = {"a": True, "b": True, "c": True, "d": True, "e": True}
