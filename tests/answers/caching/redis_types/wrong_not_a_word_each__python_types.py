answer = {"a": str, "b": dict, "c": set, "d": int}
