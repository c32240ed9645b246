answer = {"d": True}
